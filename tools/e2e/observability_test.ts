/** What Deno exports of the programs to an OpenTelemetry collector. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../packages/cli/processes.ts";
import {
  activityType,
  changedProject,
  output,
  readProjectFile,
  spawn,
  startDevServer,
  startWorker,
  workflowType,
} from "./_programs.ts";

/** A collector: the bodies that it was sent, by path. */
function startCollector() {
  const received: Record<string, string[]> = {};
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      (received[pathname] ??= []).push(await request.text());
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
      export async function ${activityType}(name: string): Promise<string> {
        log.info("Activity runs");
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
  assertStringIncludes(received["/v1/traces"].join(), "StartWorkflowExecution");
  assertStringIncludes(received["/v1/logs"].join(), "Activity runs");
  assertStringIncludes(received["/v1/logs"].join(), "Worker is polling");
  assertStringIncludes(received["/v1/metrics"].join(), "v8js.gc.duration");
});

interface Span {
  name: string;
  spanId: string;
  parentSpanId: string;
}

/** Returns the spans that a collector was sent. */
function readSpans(received: Record<string, string[]>): Span[] {
  return received["/v1/traces"].flatMap((body) =>
    // deno-lint-ignore no-explicit-any
    JSON.parse(body).resourceSpans.flatMap(({ scopeSpans }: any) =>
      // deno-lint-ignore no-explicit-any
      scopeSpans.flatMap(({ spans }: any) => spans)
    )
  );
}

Deno.test({
  name:
    "OpenTelemetryPlugin traces a Workflow Execution, as docs/observability.md says",
  // It downloads packages of 35 MB.
  ignore: !Deno.env.get("LONG"),
  async fn() {
    const page = await readProjectFile("docs/observability.md");
    const [, telemetry] = page.match(
      /`.\/telemetry.ts`:\n\n```ts\n([^]*?)```/,
    )!;
    const changed = async (file: string, before: string, after: string) => {
      const text = await readProjectFile(file);
      assertStringIncludes(text, before);
      return text.replaceAll(before, after);
    };
    const imports = 'import { telemetry } from "./telemetry.ts";\n';
    const sandbox = (await readProjectFile("run_worker.ts"))
      .match(/plugins: \[[^]*?\n {6}\],/)![0];
    await using collector = startCollector();
    await using server = await startDevServer();
    await using project = await changedProject({
      "telemetry.ts": telemetry,
      "run_workflow.ts": imports +
        await changed(
          "run_workflow.ts",
          "new Client({ connection, namespace })",
          "new Client({ connection, namespace, plugins: [telemetry] })",
        ),
      "run_worker.ts": imports +
        await changed(
          "run_worker.ts",
          sandbox,
          sandbox.replace(/\],$/, "telemetry],"),
        ),
      "deno.json": await changed(
        "deno.json",
        '"GRPC_*",',
        '"GRPC_*", "OTEL_*",',
      ).then((text) =>
        text.replace(
          '"read": ["."],\n      "run"',
          '"net": ["localhost", "127.0.0.1"], $&',
        )
      ),
    });
    const signal = AbortSignal.timeout(120_000);
    const packages = page.match(/npm:\S+/g)!;
    await run([Deno.execPath(), "add", "--frozen=false", ...packages], {
      cwd: project.path,
      signal,
    });
    const options = {
      env: {
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        TEMPORAL_ADDRESS: server.address,
      },
      cwd: project.path,
    };
    {
      await using worker = spawn("worker", [], options);
      await worker.prints("Worker is polling", 60);
      assertEquals((await output("start", [], options)).code, 0);
      worker.kill("SIGTERM");
      await worker.status;
    }
    const spans = readSpans(collector.received);
    const chain = [
      `StartWorkflow:${workflowType}`,
      `RunWorkflow:${workflowType}`,
      `StartActivity:${activityType}`,
      `RunActivity:${activityType}`,
    ].map((name) => spans.find((span) => span.name === name));
    assertEquals(
      chain.map((span) => span?.parentSpanId),
      ["", ...chain.slice(0, -1).map((span) => span?.spanId)],
    );
  },
});
