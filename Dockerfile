# The Worker as an image. It is based on Debian, because the SDK's core needs glibc.
FROM denoland/deno:2.9.6
WORKDIR /app
ENV DENO_DIR=/deno-dir DENO_NO_UPDATE_CHECK=1 TZ=UTC
COPY . .
RUN deno install && deno task bundle
# All files above belong to root: this user can change none of them.
USER deno
ENTRYPOINT ["deno", "run", "-q", "--no-prompt", "--cached-only", "--v8-flags=--max-semi-space-size=2", "-P=production", "run_worker.ts"]
