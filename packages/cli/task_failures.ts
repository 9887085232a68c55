/**
 * What a Worker logs of a Workflow Task that fails and is retried: the first time
 * why, and then how often.
 *
 * @module
 */

import type { LogMetadata } from "@temporalio/worker";
import { toText } from "./errors.ts";
import { explain, readField } from "./replay_histories.ts";

/** Task Queues of replays by {@linkcode replayOpen}, which reports them itself. */
export const REPLAY_NAME = "replay of open Workflow Executions";

/** How long the SDK's core may take to log what it did. */
const LOG_DELAY_MS = 5_000;

/** Entries with an error and its stack, at each attempt. */
const errors = new Set([
  "Failed to process Workflow Activation",
  "Workflow failed",
]);

/**
 * What `node:vm` puts before the stack of an error that leaves the Workflow sandbox:
 * the place where the SDK throws it again, so that the Workflow Task fails.
 */
const codeFrame = /^.+:\d+\n.*\n *\^+\n+/;

/** A line of a stack that is not in a package. */
const application = /^ +at (?!.*[\\/]node_modules[\\/]).*:\d+:\d+\)?$/m;

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
    // Workflow code can log an attribute of this name, too.
    if (typeof taskQueue === "string" && taskQueue.startsWith(REPLAY_NAME)) {
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
        const failure = toText(meta.failure);
        this.#report(runId, failure, readField(failure, "stack_trace"));
        return true;
      }
      default: {
        if (!errors.has(message)) return false;
        const failure = toText(meta.error?.message);
        const stack = toText(meta.error?.stack);
        const isKnown = this.#failing.get(runId)?.reason === explain(failure);
        const isReported = isKnown || codeFrame.test(stack);
        if (!isKnown && isReported) this.#report(runId, failure, stack);
        return isReported;
      }
    }
  }

  /** Reports a failure that is another one than before. */
  #report(runId: string, failure: string, stack = "") {
    const reason = explain(failure);
    const isNew = this.#failing.get(runId)?.reason !== reason;
    this.#failing.set(runId, { reason, count: 1 });
    if (!isNew || this.#replayed.has(runId)) return;
    const workflowId = this.#workflowIds.get(runId);
    const advice = failure.includes("[TMPRL1100]") ? undo : fix;
    this.#log(
      `Workflow "${
        toText(workflowId ?? runId)
      }" makes no progress, since its ` +
        `Workflow Task fails and is retried: ${reason}; ${advice}`,
      {
        runId,
        workflowId,
        ...application.test(stack) &&
          { error: { stack: stack.replace(codeFrame, "") } },
      },
    );
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
      `Workflow "${toText(execution.workflowId)}" has failed ${failures} ` +
        "Workflow Tasks in a row",
      execution,
    );
  }
}

/** Identifies a Workflow Execution. */
export type Execution = { runId: string; workflowId: string };
