/** Many Workflows at once, each of which ends as its own input says. */

import { ApplicationFailure, Context } from "@temporalio/activity";
import { Client } from "@temporalio/client";
import { Worker } from "@temporalio/worker";
import { assertEquals } from "@std/assert";
import { environment, useEnvironment } from "@temporal-on-deno/cli/testing";
import { startWorkflow } from "./_environment.ts";

useEnvironment();

/** How a Workflow ends, by the first word of its argument. */
const statuses = {
  succeed: "COMPLETED",
  retry: "COMPLETED",
  fail: "FAILED",
  cancel: "CANCELLED",
  terminate: "TERMINATED",
};

async function say_hello(name: string): Promise<string> {
  const { cancelled, info } = Context.current();
  const [action] = name.split(" ");
  if (action === "retry" && info.attempt < 3) {
    throw ApplicationFailure.create({ nextRetryDelay: "1 ms" });
  }
  if (action === "fail") throw ApplicationFailure.nonRetryable("never");
  if (action === "cancel" || action === "terminate") return await cancelled;
  return `Hello, ${name}!`;
}

Deno.test("20 concurrent Workflows each end as their input says", async () => {
  const actions = Object.keys(statuses) as (keyof typeof statuses)[];
  const taskQueue = crypto.randomUUID();
  // As in production: Workflows run in a thread and are cached.
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities: { say_hello },
    debugMode: false,
  });
  // Waiting for several results at once, the environment's own Client would skip
  // more time than there is.
  const { workflow } = new Client({ connection: environment.connection });
  const runs = Array.from({ length: 20 }, async (_, index) => {
    const action = actions[index % actions.length];
    const name = `${action} ${index}`;
    const { workflowId } = await startWorkflow(name, taskQueue);
    const handle = workflow.getHandle(workflowId);
    if (action === "cancel") await handle.cancel();
    if (action === "terminate") await handle.terminate();
    let reason: unknown;
    const result = await handle.result().catch((error) => {
      reason = error.cause;
    });
    const { status } = await handle.describe();
    const greeting = statuses[action] === "COMPLETED"
      ? `Hello, ${name}!`
      : undefined;
    assertEquals(
      [status.name, result],
      [statuses[action], greeting],
      `${name}: ${reason}`,
    );
  });
  await worker.runUntil(Promise.all(runs));
});
