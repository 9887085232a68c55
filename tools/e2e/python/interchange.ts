/**
 * Python and Deno on one Task Queue (the task `test:python`). It creates a virtual
 * environment with Temporal's Python SDK in `node_modules/.cache`.
 */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { Program, run } from "../../../packages/cli/processes.ts";
import {
  activityType,
  output,
  startDevServer,
  startWorker,
  taskQueue,
  workflowType,
} from "../_programs.ts";
import { installPython, python, pythonFolder } from "../../shared/python.ts";

const app = join(pythonFolder, "app.py");

Deno.test.beforeAll(async () => {
  await installPython(AbortSignal.timeout(300_000));
  const text = await Deno.readTextFile(join(import.meta.dirname!, "app.py"));
  await Deno.writeTextFile(
    app,
    text.replaceAll("SayHello", workflowType)
      .replaceAll("say_hello", activityType)
      .replaceAll("hello-task-queue", taskQueue),
  );
});

Deno.test("worker runs a Workflow that Python has started", async () => {
  await using server = await startDevServer();
  await using _worker = await startWorker(["--address", server.address]);
  const result = await run([python, app, "start", server.address], {
    signal: AbortSignal.timeout(20_000),
  });
  assertEquals(result, "Result: Hello, Temporal!\n");
});

Deno.test("start gets its result from a Worker in Python", async () => {
  await using server = await startDevServer();
  await using worker = new Program([python, app, "worker", server.address]);
  await worker.prints("Python Worker polls");
  const { stdout } = await output("start", ["--address", server.address]);
  assertEquals(stdout, "Result: Hello, Temporal!\n");
});
