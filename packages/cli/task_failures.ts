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

const undo = 'undo the change, or keep what the code did with "patched": see ' +
  "https://docs.temporal.io/patching";

const fix =
  "fix the Workflow code, and restart the Worker; to fail the Workflow " +
  "instead, throw an ApplicationFailure";

/** Takes from the log what is about Workflow Tasks that fail. */
export class TaskFailures {
  /** Workflow Ids of the Workflow Executions that the Worker holds, by Run Id. */
  readonly #workflowIds = new Map<string, string>();
  /** Why and how often a Workflow Task has failed that is retried, by Run Id. */
  readonly #failing = new Map<string, { reason: string; count: number }>();
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
        if (this.#failing.has(runId)) this.#checkAttempt({ runId, workflowId });
        return false;
      case "Disposing workflow":
        this.#workflowIds.delete(runId);
        return false;
      case "Failing workflow task": {
        const failure = String(meta.failure);
        const reason = explain(failure);
        if (!this.#failing.has(runId) && !this.#replayed.has(runId)) {
          const workflowId = this.#workflowIds.get(runId);
          const advice = failure.includes("[TMPRL1100]") ? undo : fix;
          this.#log(
            `Workflow "${workflowId ?? runId}" makes no progress, since its ` +
              `Workflow Task fails and is retried: ${reason}; ${advice}`,
            { runId, workflowId },
          );
        }
        this.#failing.set(runId, { reason, count: 1 });
        return true;
      }
      default: {
        const known = errors.has(message) && this.#failing.get(runId);
        return known
          ? explain(String(meta.error?.message)) === known.reason
          : false;
      }
    }
  }

  /** Reports the number of failures when it has doubled. */
  async #checkAttempt(execution: Execution) {
    const { runId } = execution;
    // If it cannot be known now, it will be at the next attempt.
    const attempt = await this.#countAttempts(execution).catch(() => undefined);
    const failing = this.#failing.get(runId);
    if (attempt === undefined || !failing) return;
    const failures = attempt - 1;
    if (failures < 1) this.#failing.delete(runId);
    if (failures < 2 * failing.count) return;
    failing.count = failures;
    this.#log(
      `Workflow "${execution.workflowId}" has failed ${failures} Workflow Tasks ` +
        "in a row",
      execution,
    );
  }
}

/** Identifies a Workflow Execution. */
export type Execution = { runId: string; workflowId: string };
