/** The Worker, as the person who runs it sees it. */

import { assertEquals, assertMatch } from "@std/assert";
import { findPort } from "../dev/processes.ts";
import { changedProject, devServer, runTask, task } from "./_programs.ts";

const server = await devServer();
const env = { TEMPORAL_ADDRESS: server.address };

// An Activity that takes a second, or for the name "forever" does not end.
const slow = await changedProject({
  "activities.ts": `
    export async function say_hello(name: string): Promise<string> {
      console.log("say_hello begins");
      await new Promise((end) => setTimeout(end, name === "forever" ? 1e9 : 1000));
      return \`Hello, \${name}!\`;
    }`,
  "run_worker.ts": (await Deno.readTextFile("run_worker.ts"))
    .replace("10 seconds", "1 second").replace("20 seconds", "2 seconds"),
});
const cwd = slow.path;

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await slow[Symbol.asyncDispose]();
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

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} lets a running Activity finish`, async () => {
    await using worker = task("worker", [], { env, cwd });
    await using starter = task("start", ["--workflow-id", signal], { env });
    await worker.prints("say_hello begins");
    worker.kill(signal);
    await worker.prints("Worker stops, waiting for Activities to finish (1); ");
    assertEquals((await worker.status).code, 0);
    await using _next = task("worker", [], { env });
    assertEquals((await starter.status).code, 0);
    assertEquals(starter.stdout, "Result: Hello, Temporal!\n");
  });

  Deno.test(`a second ${signal} ends the Worker at once`, async () => {
    await using worker = task("worker", [], { env, cwd });
    const args = ["forever", "--workflow-id", `${signal} twice`];
    await using _starter = task("start", args, { env });
    await worker.prints("say_hello begins");
    worker.kill(signal);
    await worker.prints("Worker stops");
    worker.kill(signal);
    assertEquals((await worker.status).code, signal === "SIGINT" ? 130 : 143);
  });
}

Deno.test("an Activity that never ends does not hold the Worker for ever", async () => {
  await using worker = task("worker", [], { env, cwd });
  const args = ["forever", "--workflow-id", "bound"];
  await using _starter = task("start", args, { env });
  await worker.prints("say_hello begins");
  worker.kill("SIGTERM");
  assertEquals((await worker.status).code, 1);
  assertEquals(
    worker.stderr,
    "Worker gave up, waiting for Activities to finish (1)\n",
  );
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
