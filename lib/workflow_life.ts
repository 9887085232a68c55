/**
 * What a starter tells while a Workflow runs.
 *
 * @module
 */

import {
  CancelledFailure,
  type Client,
  ServiceError,
  TerminatedFailure,
  TimeoutFailure,
  type Workflow,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  type WorkflowHandleWithFirstExecutionRunId,
  type WorkflowResultType,
  type WorkflowStartOptions,
} from "@temporalio/client";
import { webUiPage } from "./connection.ts";
import { Interrupted, UserError } from "./errors.ts";
import { orInterrupted } from "./program.ts";
import type { Settings } from "./settings.ts";

/** How long it is no wonder that no Worker polls, in milliseconds. */
const patience = 3_000;

/**
 * Starts a Workflow, or attaches to the one that runs under its id, and returns
 * its result; tells on stderr what happens meanwhile.
 *
 * @throws {UserError} with the innermost cause, if the Workflow does not succeed
 * @throws {Interrupted} if `signal` is aborted; the Workflow goes on
 */
export async function executeWorkflow<T extends Workflow>(
  client: Client,
  workflow: T,
  options: WorkflowStartOptions<T>,
  { settings, signal }: { settings: Settings; signal: AbortSignal },
): Promise<WorkflowResultType<T>> {
  const { workflowId, taskQueue } = options;
  const hint = setTimeout(() => {
    // A hint that the server will not give the ground for is none.
    hintAtWorker(client, taskQueue).catch(() => {});
  }, patience);
  try {
    const handle = await startOrAttach(client, workflow, options, settings);
    return await orInterrupted(handle.result(), signal);
  } catch (error) {
    if (error instanceof Interrupted) {
      console.error(
        `"${workflowId}" goes on; the same command again waits for its result`,
      );
    }
    throw explain(error, workflowId);
  } finally {
    clearTimeout(hint);
  }
}

async function startOrAttach<T extends Workflow>(
  client: Client,
  workflow: T,
  options: WorkflowStartOptions<T>,
  settings: Settings,
): Promise<WorkflowHandleWithFirstExecutionRunId<T>> {
  let verb = "Started";
  const handle = await client.workflow.start(workflow, options).catch(
    async (error) => {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      verb = "Attached to the running";
      return await client.workflow.start(workflow, {
        ...options,
        workflowIdConflictPolicy: "USE_EXISTING",
      });
    },
  );
  const { workflowId, firstExecutionRunId } = handle;
  const page = await webUiPage(settings, workflowId, firstExecutionRunId);
  console.error(`${verb} Workflow "${workflowId}"${page ? `: ${page}` : ""}`);
  return handle;
}

/** Says so, if no Worker polls the Task Queue. */
async function hintAtWorker(client: Client, taskQueue: string) {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: 1, // Workflow
  });
  if (pollers.length > 0) return;
  console.error(
    `No Worker polls "${taskQueue}": start one with "deno task worker"`,
  );
}

/** Turns what a Workflow failed of, or a call to the server, into one line. */
function explain(error: unknown, workflowId: string): unknown {
  if (error instanceof WorkflowFailedError) {
    const { cause } = error;
    const end = cause instanceof TerminatedFailure
      ? "was terminated"
      : cause instanceof CancelledFailure
      ? "was cancelled"
      : cause instanceof TimeoutFailure
      ? "timed out"
      : "failed";
    return new UserError(`Workflow "${workflowId}" ${end}: ${root(error)}`);
  }
  if (error instanceof ServiceError) {
    return new UserError(
      `${error.message} of Workflow "${workflowId}": ${root(error)}`,
    );
  }
  return error;
}

function root(error: Error): string {
  while (error.cause instanceof Error) error = error.cause;
  return error.message;
}
