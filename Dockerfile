# The Worker as an image: see docs/deploy.md in the repository of Temporal on Deno.
# Debian, because the SDK's core is built for glibc.
FROM denoland/deno:2.9.6
WORKDIR /app
ENV DENO_DIR=/deno-dir DENO_NO_UPDATE_CHECK=1 TZ=UTC

# Changes less often than code, and takes longer.
COPY deno.json deno.lock ./
COPY packages packages
COPY tools/std tools/std
RUN deno install

COPY . .
RUN deno task bundle

# All files above belong to root: this user can change none of them.
USER deno
ENTRYPOINT ["deno", "run", "-q", "--no-prompt", "--cached-only", "--v8-flags=--max-semi-space-size=2", "-P=production", "run_worker.ts"]
