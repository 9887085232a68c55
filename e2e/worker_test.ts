/** The Worker, as the person who runs it sees it. */

import { assertEquals, assertMatch } from "@std/assert";
import { findPort } from "../dev/processes.ts";
import { devServer, runTask, task } from "./_programs.ts";

const server = await devServer();
const env = { TEMPORAL_ADDRESS: server.address };

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

Deno.test("two Workers share a Task Queue, and one of them is enough", async () => {
  await using first = task("worker", [], { env });
  await using second = task("worker", [], { env });
  await first.prints(
    `Worker polls "hello-task-queue" in "default" at ${server.address}; ` +
      "Ctrl-C stops it\n",
  );
  await second.prints("Worker polls");
  const greet = async (name: string) => {
    const args = [name, "--workflow-id", name];
    assertEquals(
      (await runTask("start", args, { env })).stdout,
      `Result: Hello, ${name}!\n`,
    );
  };
  await Promise.all(["a", "b", "c", "d"].map(greet));
  first.kill("SIGINT");
  assertEquals((await first.status).code, 0);
  await greet("e");
});

Deno.test("LOG_LEVEL sets what the Worker logs", async () => {
  await using quiet = task("worker", [], { env });
  await using loud = task("worker", [], {
    env: { ...env, LOG_LEVEL: "debug" },
  });
  await quiet.prints("Worker polls");
  await loud.prints("Worker state changed");
  assertEquals(quiet.stderr, "");
  assertMatch(loud.stderr, /DEBUG/);
});

Deno.test("--metrics-address serves the SDK's metrics", async () => {
  const address = `127.0.0.1:${findPort(30_000)}`;
  await using worker = task("worker", ["--metrics-address", address], { env });
  await worker.prints("Worker polls");
  await runTask("start", ["--workflow-id", "counted"], { env });
  const metrics = await (await fetch(`http://${address}/metrics`)).text();
  assertMatch(metrics, /temporal_workflow_completed\{.*\} 1/);
});
