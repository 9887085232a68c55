/**
 * The starter: starts the Workflow and waits for its result. The Python
 * tutorial's `run_workflow.py`.
 *
 * @module
 */

import { Client, Connection } from "@temporalio/client";
import {
  connect,
  loadSettings,
  type Settings,
  webUiPage,
} from "./lib/connection.ts";
import { runProgram } from "./lib/program.ts";
import { SayHello } from "./workflows.ts";

/**
 * Runs `SayHello` for `name` and returns its result.
 *
 * @throws {UserError} if Temporal cannot be reached
 * @throws {WorkflowFailedError} if the Workflow fails
 */
export async function runWorkflow(
  settings: Settings,
  name: string,
): Promise<string> {
  const connection = await connect(Connection, settings);
  try {
    const client = new Client({ connection, namespace: settings.namespace });
    const handle = await client.workflow.start(SayHello, {
      args: [name],
      taskQueue: settings.taskQueue,
      workflowId: "hello-workflow",
      workflowIdConflictPolicy: "USE_EXISTING",
    });
    const { workflowId, firstExecutionRunId } = handle;
    const page = await webUiPage(settings, workflowId, firstExecutionRunId);
    console.error(`Started "${workflowId}" ${page ?? ""}`);
    return await handle.result();
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  await runProgram(async () => {
    const result = await runWorkflow(loadSettings(), "Temporal");
    console.log(`Result: ${result}`);
  });
}
