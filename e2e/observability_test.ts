/** What Deno exports of the programs to an OpenTelemetry collector. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  changedProject,
  output,
  startDevServer,
  startWorker,
} from "./_programs.ts";

/** A collector: the bodies that it was sent, by path. */
function startCollector() {
  const received: Record<string, string> = {};
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      received[pathname] = (received[pathname] ?? "") + await request.text();
      return Response.json({});
    },
  );
  return {
    received,
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("worker and start export traces, logs and metrics to an OpenTelemetry collector", async () => {
  await using collector = startCollector();
  await using server = await startDevServer();
  await using project = await changedProject({
    "activities.ts": `
      import { log } from "@temporalio/activity";
      export async function say_hello(name: string): Promise<string> {
        log.info("say_hello runs");
        return \`Hello, \${name}!\`;
      }`,
  });
  const env = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_SERVICE_NAME: "hello",
    TEMPORAL_ADDRESS: server.address,
  };
  const options = { env, cwd: project.path };
  {
    await using _worker = await startWorker([], options);
    assertEquals((await output("start", [], options)).code, 0);
  }
  const { received } = collector;
  assertEquals(Object.keys(received).sort(), [
    "/v1/logs",
    "/v1/metrics",
    "/v1/traces",
  ]);
  assertStringIncludes(received["/v1/traces"], "StartWorkflowExecution");
  assertStringIncludes(received["/v1/logs"], "say_hello runs");
  assertStringIncludes(received["/v1/logs"], "Worker is polling");
  assertStringIncludes(received["/v1/metrics"], "v8js.gc.duration");
});
