/**
 * What the tests share.
 *
 * @module
 */

import { environment } from "@temporal-on-deno/cli/testing";
import type { WorkflowHandle } from "@temporalio/client";
import { Worker, type WorkerOptions } from "@temporalio/worker";
import { SayHello } from "../workflows.ts";

/** Creates a Worker for `workflows.ts` on a Task Queue, by default one of its own. */
export async function createWorker(
  activities: WorkerOptions["activities"],
  taskQueue: string = crypto.randomUUID(),
): Promise<Worker> {
  return await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities,
    // The test server waits for a Worker that has a Workflow in its cache, even when
    // that Worker has ended.
    maxCachedWorkflows: 0,
  });
}

/** Starts `SayHello` under a Workflow Id of its own. */
export async function startWorkflow(
  name: string,
  taskQueue: string,
): Promise<WorkflowHandle<typeof SayHello>> {
  return await environment.client.workflow.start(SayHello, {
    args: [name],
    taskQueue,
    workflowId: crypto.randomUUID(),
  });
}

/** Executes `SayHello` for "World" on a Worker with these Activities. */
export async function executeWorkflow(
  activities: WorkerOptions["activities"],
): Promise<string> {
  const worker = await createWorker(activities);
  return await worker.runUntil(async () => {
    const handle = await startWorkflow("World", worker.options.taskQueue);
    return await handle.result();
  });
}
