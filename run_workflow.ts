/**
 * The starter: has the Workflow run and prints its result. The Python tutorial's
 * `run_workflow.py`.
 *
 * @module
 */

import { Client, Connection } from "@temporalio/client";
import { connect } from "./lib/connection.ts";
import { interruption, orInterrupted, runProgram } from "./lib/program.ts";
import {
  loadSettings,
  type Settings,
  settingsOptions,
} from "./lib/settings.ts";
import { executeWorkflow } from "./lib/workflow_life.ts";
import { SayHello } from "./workflows.ts";

/**
 * Runs `SayHello` for `name` under a Workflow Id and returns its result. A run
 * that goes on under that id is not started again but waited for.
 *
 * @throws {UserError} if Temporal cannot be reached or the Workflow fails
 * @throws {Interrupted} when `signal` is aborted; the Workflow goes on
 */
export async function runWorkflow(
  settings: Settings,
  { name, workflowId, signal }: {
    name: string;
    workflowId: string;
    signal: AbortSignal;
  },
): Promise<string> {
  const { namespace, taskQueue } = settings;
  const connection = await orInterrupted(connect(Connection, settings), signal);
  try {
    const client = new Client({ connection, namespace });
    return await executeWorkflow(client, SayHello, {
      args: [name],
      taskQueue,
      workflowId,
    }, { settings, signal });
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  const options = {
    "NAME": "Whom to greet (default: Temporal)",
    "--workflow-id ID": "Workflow Id (default: hello-workflow)",
    ...settingsOptions,
  };
  await runProgram("deno task start [NAME]", options, async (args) => {
    const result = await runWorkflow(loadSettings(args), {
      name: args.NAME ?? "Temporal",
      workflowId: args["workflow-id"] ?? "hello-workflow",
      signal: interruption(),
    });
    console.log(`Result: ${result}`);
  });
}
