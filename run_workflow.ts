/**
 * The program that starts the Workflow and prints its result. The Python
 * tutorial's `run_workflow.py`.
 *
 * @module
 */

import {
  clientMain,
  printable,
  type Settings,
} from "@temporal-on-deno/cli/client";
import { Client, Connection } from "@temporalio/client";
import { SayHello } from "./workflows.ts";

/** Executes `SayHello` under a Workflow Id and returns its result. */
export async function runWorkflow(
  { connectionOptions, namespace, taskQueue }: Settings,
  { name, workflowId }: { name: string; workflowId: string },
): Promise<string> {
  const connection = await Connection.connect(connectionOptions);
  try {
    const client = new Client({ connection, namespace });
    return await client.workflow.execute(SayHello, {
      args: [name],
      taskQueue,
      workflowId,
      // If a Workflow with this Id is already running, wait for it
      workflowIdConflictPolicy: "USE_EXISTING",
    });
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  const options = {
    "NAME": "Whom to greet (default: Temporal)",
    "--workflow-id ID": "Workflow Id (default: hello-workflow)",
  };
  const defaults = { taskQueue: "hello-task-queue" };
  await clientMain(
    "deno task start [NAME]",
    options,
    defaults,
    async (settings, args) => {
      const result = await runWorkflow(settings, {
        name: args.NAME ?? "Temporal",
        workflowId: args["workflow-id"] ?? "hello-workflow",
      });
      console.log(`Result: ${printable(result)}`);
    },
  );
}
