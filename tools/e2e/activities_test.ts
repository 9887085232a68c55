/**
 * Activities that are slow, fail, or attempt what they may not do. `SEED` repeats a
 * run, `LONG=1` lengthens it.
 */

import type { WorkflowHandle } from "@temporalio/client";
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { connectClient } from "../shared/client.ts";
import { isLong, randomOf, seed } from "../shared/random.ts";
import {
  activityType,
  changedProject,
  readProjectFile,
  spawn,
  startDevServer,
  workflowType,
} from "./_programs.ts";

const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };
const activities = await readProjectFile("tools/e2e/_activities.ts");
const project = await changedProject({
  "activities.ts": activities
    .replace("function activity(", `function ${activityType}(`),
  // Not so little that an Activity fails on a busy machine.
  "workflows.ts": (await readProjectFile("workflows.ts"))
    .replace('"5 seconds"', '"1 minute"'),
});
const runWorker = await readProjectFile("run_worker.ts");
const cwd = project.path;
/** The line that the Activity prints, in the Worker's log. */
const printed = new RegExp(
  `^\\S+ INFO Activity runs Activity "${activityType}", Workflow "[^"]+"\n$`,
);
const { connection, workflow } = await connectClient(server.address);

Deno.test.afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

/** Starts a Worker, and a Workflow whose Activity then runs. */
async function startActivity(
  name: string,
  workflowId: string,
  changedRunWorker = runWorker,
) {
  await Deno.writeTextFile(join(cwd, "run_worker.ts"), changedRunWorker);
  const stack = new AsyncDisposableStack();
  // A Task Queue of its own: an Activity of an earlier test may be retried.
  const taskQueue = workflowId;
  const worker = stack.use(
    spawn("worker", ["--task-queue", taskQueue], { env, cwd }),
  );
  const handle = await workflow.start(workflowType, {
    args: [name],
    taskQueue,
    workflowId,
  });
  stack.defer(() => handle.terminate().then(() => {}, () => {}));
  await worker.prints("Activity runs");
  return {
    worker,
    handle,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Returns what is recorded as the result of a Workflow's Activity. */
async function resultOfActivity(handle: WorkflowHandle): Promise<unknown> {
  const { events } = await handle.fetchHistory();
  const [{ data }] = events!
    .map((event) => event.activityTaskCompletedEventAttributes)
    .find((completed) => completed)!.result!.payloads!;
  return JSON.parse(new TextDecoder().decode(data!));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`worker lets a running Activity finish on ${signal}`, async () => {
    await using running = await startActivity("slow", signal);
    const { worker, handle } = running;
    worker.kill(signal);
    await worker.prints(
      "Worker is shutting down, waiting for Activities to finish (1); ",
    );
    assertEquals((await worker.status).code, 0);
    assertEquals(await resultOfActivity(handle), "Hello, slow!");
  });
}

// A process manager may signal the whole group, and "deno task" passes it on, too.
const gaps = [5, 50, 300];
for (const milliseconds of isLong ? gaps : [randomOf(gaps)]) {
  Deno.test(`worker takes two SIGTERMs ${milliseconds} ms apart for one (SEED=${seed})`, async () => {
    await using running = await startActivity("slow", `${milliseconds} ms`);
    const { worker } = running;
    worker.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    worker.kill("SIGTERM");
    assertEquals((await worker.status).code, 0);
    assertMatch(worker.stderr, printed);
    assertEquals(worker.stdout.match(/Worker is shutting down/g)?.length, 1);
  });
}

Deno.test("worker ends at once on a second signal a second later", async () => {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await using running = await startActivity("forever", `${signal} twice`);
    const { worker } = running;
    worker.kill(signal);
    await worker.prints("Worker is shutting down");
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    worker.kill(signal);
    assertEquals((await worker.status).code, code);
  }
});

Deno.test("worker gives up on an Activity that never ends", async () => {
  const impatient = runWorker
    .replace("10 seconds", "1 second").replace("20 seconds", "2 seconds");
  await using running = await startActivity("forever", "bound", impatient);
  const { worker } = running;
  worker.kill("SIGTERM");
  assertEquals((await worker.status).code, 1);
  assertMatch(
    worker.stderr,
    /Cannot shut down gracefully: Activities did not finish in time \(1\); they will be retried\n$/,
  );
});

Deno.test("worker without shutdownForceTime lets a running Activity finish", async () => {
  const unlimited = runWorker.replace(/ *shutdownForceTime.*\n/, "");
  await using running = await startActivity("slow", "unlimited", unlimited);
  const { worker, handle } = running;
  worker.kill("SIGTERM");
  assertEquals((await worker.status).code, 0);
  assertMatch(worker.stderr, printed);
  assertEquals(await resultOfActivity(handle), "Hello, slow!");
});

Deno.test("start reports in one line a failed and a canceled Workflow, and an Activity that is retried", async () => {
  const queue = ["--task-queue", "failures"];
  const start = (name: string) =>
    spawn("start", [name, "--workflow-id", name, ...queue], { env });
  await using failing = start("fail");
  await using canceled = start("cancel");
  await using retrying = start("retry");
  await canceled.prints("Started Workflow");
  await workflow.getHandle("cancel").cancel();
  await using _worker = spawn("worker", queue, { env, cwd });
  for (
    const [client, line] of [
      [failing, /\nWorkflow failed: no words left\n$/],
      [canceled, /\nWorkflow was canceled: .+\n$/],
    ] as const
  ) {
    assertEquals((await client.status).code, 1);
    assertEquals(client.stdout, "");
    assertMatch(client.stderr, line);
  }
  await retrying.prints(
    `Activity "${activityType}" failed and is being retried: Error: ` +
      "\\u001b[31mnot yet\n",
  );
});

Deno.test("start does not blame Workflow code for a Worker that was killed", async () => {
  const handle = await workflow.start(workflowType, {
    args: ["Ada"],
    taskQueue: "lost",
    workflowId: "lost",
    workflowTaskTimeout: "1 second",
  });
  // A Worker that takes the Workflow Task and is never heard of again
  const poll = () =>
    connection.workflowService.pollWorkflowTaskQueue({
      namespace: "default",
      taskQueue: { name: "lost" },
    });
  await connection.withDeadline(Date.now() + 10_000, poll);
  const args = ["--workflow-id", "lost", "--task-queue", "lost"];
  await using client = spawn("start", args, { env });
  await client.prints("Attached to Workflow");
  await client.prints('No Worker polls "lost"');
  const { raw } = await handle.describe();
  assertEquals(Number(raw.pendingWorkflowTask?.attempt) > 1, true);
  assertEquals(client.stderr.includes("Workflow Task failed"), false);
  await handle.terminate();
});
