/**
 * What a Client reports of the Workflow Executions that it starts.
 *
 * @module
 */

import {
  type ClientOptions,
  type ClientPlugin,
  type ConnectionPlugin,
  WorkflowClient,
  type WorkflowClientInterceptor,
  WorkflowExecutionAlreadyStartedError,
} from "@temporalio/client";
import { webUiPage } from "./connect.ts";
import { escapeControls } from "./errors.ts";
import { printError } from "./program.ts";
import type { Settings } from "./settings.ts";

/** How often to check an open Workflow Execution. */
const WATCH_INTERVAL_MS = 3_000;

/** Characters of a line that is reported. */
const MAX_LENGTH = 400;

// Values of enumerations in Temporal's API.
const TASK_QUEUE_TYPE_WORKFLOW = 1;
const PENDING_WORKFLOW_TASK_STATE_SCHEDULED = 1;

type Start = NonNullable<WorkflowClientInterceptor["startWithDetails"]>;

/**
 * Prints on stderr that a Workflow Execution was started, where to see it, and why
 * it makes no progress. Add it to the `plugins` of a connection.
 */
export class ClientReporter implements ClientPlugin, ConnectionPlugin {
  /** How the SDK tells plugins apart. */
  readonly name = "ClientReporter";
  readonly #settings: Settings;
  readonly #workerCommand: string;
  /** Workflow Ids whose Workflow Executions are open, as far as is known. */
  readonly #open = new Set<string>();
  #client?: WorkflowClient;

  /**
   * @param settings what the Client connects to
   * @param workerCommand what starts a Worker for its Task Queue
   */
  constructor(settings: Settings, workerCommand: string) {
    this.#settings = settings;
    this.#workerCommand = workerCommand;
  }

  /** Whether a connection was made. */
  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  /** Called by the SDK before it creates a Client. */
  configureClient(options: ClientOptions): ClientOptions {
    const { connection, interceptors, namespace } = options;
    const workflow = interceptors?.workflow ?? [];
    if (!Array.isArray(workflow)) return options;
    this.#client = new WorkflowClient({ connection, namespace });
    const startWithDetails: Start = (input, next) => this.#start(input, next);
    return {
      ...options,
      interceptors: {
        ...interceptors,
        workflow: [...workflow, { startWithDetails }],
      },
    };
  }

  async #start(...[input, next]: Parameters<Start>): ReturnType<Start> {
    const { workflowId, workflowIdConflictPolicy } = input.options;
    let report = `Started Workflow "${workflowId}"`;
    let output: Awaited<ReturnType<Start>>;
    if (workflowIdConflictPolicy !== "USE_EXISTING") {
      output = await next(input);
    } else {
      // The SDK does not pass on which of the two its USE_EXISTING did.
      const options = {
        ...input.options,
        workflowIdConflictPolicy: "FAIL" as const,
      };
      const start = async () => await next({ ...input, options });
      try {
        output = await start();
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
          throw error;
        }
        const { runId, status } = await this.#client!.getHandle(workflowId)
          .describe();
        if (status.name === "RUNNING") {
          output = { runId, eagerlyStarted: false };
          report = `Attached to Workflow "${workflowId}", which is already ` +
            "running, so your argument is not used; pass --workflow-id to start " +
            "another one";
        } else {
          // It was closed in between, or the policy on reuse forbids to start it.
          output = await start();
        }
      }
    }
    const page = await webUiPage(this.#settings, workflowId, output.runId);
    printError(escapeControls(page ? `${report}: ${page}` : report));
    this.#watch(workflowId);
    return output;
  }

  /** Says of each open Workflow Execution that it does not end with the program. */
  reportInterruption() {
    for (const workflowId of this.#open) {
      printError(
        `Workflow "${workflowId}" is still running; run the same command to ` +
          "wait for it again",
      );
    }
  }

  /** Looks at a Workflow Execution until it is closed or cannot be described. */
  async #watch(workflowId: string) {
    const handle = this.#client!.getHandle(workflowId);
    this.#open.add(workflowId);
    let waiting: string | undefined;
    let reported: string | undefined;
    try {
      for (;;) {
        const { promise, resolve } = Promise.withResolvers<void>();
        Deno.unrefTimer(setTimeout(resolve, WATCH_INTERVAL_MS));
        await promise;
        const { raw, status, taskQueue } = await handle.describe();
        if (status.name !== "RUNNING") break;
        const { pendingActivities, pendingWorkflowTask } = raw;
        // A Workflow Task that nobody took since the last look. The clock of this
        // machine may differ from the server's.
        const { state, attempt, scheduledTime } = pendingWorkflowTask ?? {};
        const scheduled = state === PENDING_WORKFLOW_TASK_STATE_SCHEDULED
          ? `${attempt} ${scheduledTime?.seconds}`
          : undefined;
        const isIgnored = scheduled !== undefined && scheduled === waiting;
        waiting = scheduled;
        const obstacle = describeActivity(pendingActivities) ??
          (Number(attempt) > 1 ? await this.#describeTask(workflowId) : null) ??
          (isIgnored || !await this.#hasPollers(taskQueue)
            ? `No Worker polls "${taskQueue}": start one with ` +
              `"${this.#workerCommand}"`
            : undefined);
        if (obstacle && obstacle !== reported) {
          // The message of an error can be of any length.
          printError(escapeControls(obstacle.slice(0, MAX_LENGTH)));
        }
        reported = obstacle;
      }
    } catch {
      // The connection is closed, or the credentials do not allow to look.
    }
    this.#open.delete(workflowId);
  }

  async #hasPollers(taskQueue: string): Promise<boolean> {
    const { pollers } = await this.#client!.workflowService.describeTaskQueue({
      namespace: this.#settings.namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: TASK_QUEUE_TYPE_WORKFLOW,
    });
    return pollers.length > 0;
  }

  /** Says that Workflow code fails, if that is why its Workflow Task is retried. */
  async #describeTask(workflowId: string): Promise<string | undefined> {
    const { history } = await this.#client!.workflowService
      .getWorkflowExecutionHistoryReverse({
        namespace: this.#settings.namespace,
        execution: { workflowId },
        maximumPageSize: 5,
      });
    // The other reason is a Worker that was lost, which is a timeout.
    const event = history?.events?.find((event) =>
      event.workflowTaskFailedEventAttributes ??
        event.workflowTaskTimedOutEventAttributes
    );
    const { failure } = event?.workflowTaskFailedEventAttributes ?? {};
    return failure
      ? "Workflow Task failed and is being retried: " +
        `${failure.message?.replace(/\.$/, "")}; fix the Workflow code, and ` +
        "restart the Worker"
      : undefined;
  }
}

/** Names an Activity that fails and is retried. */
function describeActivity(
  activities?: {
    activityType?: { name?: string | null } | null;
    lastFailure?: {
      message?: string | null;
      applicationFailureInfo?: { type?: string | null } | null;
    } | null;
  }[] | null,
): string | undefined {
  const failing = activities?.find(({ lastFailure }) => lastFailure);
  if (!failing) return;
  const { message, applicationFailureInfo } = failing.lastFailure!;
  return `Activity "${failing.activityType?.name}" failed and is being retried: ` +
    `${applicationFailureInfo?.type ?? "Error"}: ${message}`;
}
