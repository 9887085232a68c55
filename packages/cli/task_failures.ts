/**
 * What a Worker logs of a Workflow Task that fails and is retried: the first time
 * why, and then how often.
 *
 * @module
 */

import type { LogMetadata } from "@temporalio/worker";
import { explain } from "./replay_histories.ts";

/** Task Queues of replays by {@linkcode replayOpen}, which reports them itself. */
export const REPLAY_NAME = "replay of open Workflow Executions";

/** How long the SDK's core may take to log what it did. */
const LOG_DELAY_MS = 5_000;

/** Entries that repeat an error and its stack at each attempt. */
const errors = new Set([
  "Failed to process Workflow Activation",
  "Workflow failed",
]);

/** Takes from the log what is about Workflow Tasks that fail. */
export class TaskFailures {
  /** Workflow Ids of the Workflow Executions that the Worker holds, by Run Id. */
  readonly #workflowIds = new Map<string, string>();
  /** How often those have failed whose Workflow Task is retried, by Run Id. */
  readonly #counts = new Map<string, number>();
  readonly #replayed = new Set<string>();
  readonly #log: (message: string, meta: LogMetadata) => void;
  readonly #countAttempts: (meta: Execution) => Promise<number>;

  /**
   * @param log logs a warning
   * @param countAttempts asks for the current attempt of a Workflow Task
   */
  constructor(
    log: (message: string, meta: LogMetadata) => void,
    countAttempts: (meta: Execution) => Promise<number>,
  ) {
    this.#log = log;
    this.#countAttempts = countAttempts;
  }

  /** Sees each entry; returns whether it is not to be logged. */
  take(message: string, meta: LogMetadata = {}): boolean {
    const { runId, taskQueue, workflowId } = meta;
    if (taskQueue?.startsWith(REPLAY_NAME)) {
      this.#replayed.add(runId);
      const forget = () => this.#replayed.delete(runId);
      Deno.unrefTimer(setTimeout(forget, LOG_DELAY_MS));
      return true;
    }
    switch (message) {
      case "Creating workflow":
        this.#workflowIds.set(runId, workflowId);
        if (this.#counts.has(runId)) this.#checkAttempt({ runId, workflowId });
        return false;
      case "Disposing workflow":
        this.#workflowIds.delete(runId);
        return false;
      case "Failing workflow task":
        if (!this.#counts.has(runId) && !this.#replayed.has(runId)) {
          const workflowId = this.#workflowIds.get(runId);
          const message = describe(String(meta.failure), workflowId ?? runId);
          this.#log(message, { runId, workflowId });
        }
        this.#counts.set(runId, 1);
        return true;
      default:
        return errors.has(message) && this.#counts.has(runId);
    }
  }

  /** Reports the number of failures when it has doubled. */
  async #checkAttempt(execution: Execution) {
    const { runId } = execution;
    // If it cannot be known now, it will be at the next attempt.
    const attempt = await this.#countAttempts(execution).catch(() => undefined);
    const count = this.#counts.get(runId);
    if (attempt === undefined || count === undefined) return;
    const failures = attempt - 1;
    if (failures < 1) this.#counts.delete(runId);
    if (failures < 2 * count) return;
    this.#counts.set(runId, failures);
    this.#log(
      `Workflow "${execution.workflowId}" has failed ${failures} Workflow Tasks ` +
        "in a row",
      execution,
    );
  }
}

/** Identifies a Workflow Execution. */
export type Execution = { runId: string; workflowId: string };

/** Returns why a Workflow Task fails, and what to do. */
function describe(failure: string, workflowId: string): string {
  const reason = explain(failure);
  const advice = failure.includes("[TMPRL1100]")
    ? 'undo the change, or keep what the code did with "patched": see ' +
      "https://docs.temporal.io/patching"
    : "fix the Workflow code, and restart the Worker; to fail the Workflow " +
      "instead, throw an ApplicationFailure";
  return `Workflow "${workflowId}" makes no progress, since its Workflow Task ` +
    `fails and is retried: ${reason}; ${advice}`;
}
