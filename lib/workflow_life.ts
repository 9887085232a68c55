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
  type WorkflowHandle,
  type WorkflowHandleWithFirstExecutionRunId,
  type WorkflowResultType,
  type WorkflowStartOptions,
} from "@temporalio/client";
import { webUiPage } from "./connection.ts";
import { Interrupted, UserError } from "./errors.ts";
import { orInterrupted } from "./program.ts";
import { type Settings, tutorial } from "./settings.ts";

/** How often it is asked why there is no result yet, in milliseconds. */
const interval = 3_000;

// Of the service's enumerations.
const TaskQueueType = { workflow: 1 };
const PendingTask = { scheduled: 1 };

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
  const { workflowId } = options;
  let timer: ReturnType<typeof setInterval> | undefined;
  try {
    const handle = await startOrAttach(client, workflow, options, settings);
    let told: string | undefined;
    timer = setInterval(async () => {
      // Where the server will not say, there is nothing to tell.
      const hint = await findObstacle(client, handle).catch(() => undefined);
      if (hint && hint !== told) console.error(hint);
      told = hint;
    }, interval);
    return await orInterrupted(handle.result(), signal);
  } catch (error) {
    if (error instanceof Interrupted) {
      console.error(
        `Workflow "${workflowId}" goes on; the same command again waits for it`,
      );
    }
    throw explain(error, workflowId);
  } finally {
    clearInterval(timer);
  }
}

async function startOrAttach<T extends Workflow>(
  client: Client,
  workflow: T,
  options: WorkflowStartOptions<T>,
  settings: Settings,
): Promise<WorkflowHandleWithFirstExecutionRunId<T>> {
  let told = `Started Workflow "${options.workflowId}"`;
  const handle = await client.workflow.start(workflow, options).catch(
    async (error) => {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      told = `Attached to Workflow "${options.workflowId}", which runs ` +
        "already with its own argument (--workflow-id starts another)";
      return await client.workflow.start(workflow, {
        ...options,
        workflowIdConflictPolicy: "USE_EXISTING",
      });
    },
  );
  const { workflowId, firstExecutionRunId } = handle;
  const page = await webUiPage(settings, workflowId, firstExecutionRunId);
  console.error(page ? `${told}: ${page}` : told);
  return handle;
}

/** Says in a line why a Workflow does not get on, if that is to be seen. */
async function findObstacle(
  client: Client,
  handle: WorkflowHandle,
): Promise<string | undefined> {
  const { raw, taskQueue } = await handle.describe();
  const task = raw.pendingWorkflowTask;
  if (Number(task?.attempt ?? 1) > 1) {
    return "The Workflow's code fails and is tried again: see the Worker's log";
  }
  const failing = raw.pendingActivities?.find(({ lastFailure }) => lastFailure);
  if (failing) {
    const { message, applicationFailureInfo } = failing.lastFailure!;
    return `Activity "${failing.activityType?.name}" fails and is tried again: ` +
      `${applicationFailureInfo?.type ?? "Error"}: ${message}`;
  }
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: TaskQueueType.workflow,
  });
  // A Worker that has gone is counted for some minutes, but takes no task.
  const ignored = task?.state === PendingTask.scheduled &&
    Date.now() - 1000 * Number(task.scheduledTime?.seconds) > interval;
  if (pollers.length === 0 || ignored) {
    const option = taskQueue === tutorial.taskQueue
      ? ""
      : ` --task-queue ${taskQueue}`;
    return `No Worker polls "${taskQueue}": ` +
      `start one with "deno task worker${option}"`;
  }
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
  if (error instanceof ServiceError && isUnavailable(error.cause)) {
    return new UserError(
      "The Temporal Server is away; when it is back, the same command asks " +
        `for Workflow "${workflowId}" again`,
    );
  }
  if (error instanceof ServiceError) {
    return new UserError(
      `${error.message} of Workflow "${workflowId}": ${root(error)}`,
    );
  }
  return error;
}

/** Tells whether a call found nobody. */
function isUnavailable(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 14;
}

function root(error: Error): string {
  while (error.cause instanceof Error) error = error.cause;
  return error.message;
}
