#!/bin/sh
# Records "deno task demo" in a terminal as docs/demo.svg. Run it from the project's
# folder; it needs asciinema 2 and Node.js.
cast=$(mktemp)
trap 'rm -f "$cast"' EXIT
# The last frame stays until something more is printed
asciinema rec -q --overwrite --cols 140 --rows 8 "$cast" \
  -c "echo '$ deno task demo'; deno task --quiet demo; sleep 6; echo"
npx -y svg-term-cli@2.1.1 --in "$cast" --out docs/demo.svg --window
