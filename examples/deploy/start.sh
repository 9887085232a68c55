#!/bin/sh
# Starts the Worker in production: with what is installed and bundled, without a
# request to a package registry, and with the permissions "production" of deno.json,
# which allow to write no file and to run Deno alone, for Activities. Settings come
# from the environment and from arguments, which are those of "deno task worker".
cd "$(dirname "$0")/../.." || exit
exec deno run -q --no-prompt --cached-only --v8-flags=--max-semi-space-size=2 \
  -P=production --ignore-read \
  -R=".,${CREDENTIALS_DIRECTORY:-/run/secrets}" run_worker.ts "$@"
