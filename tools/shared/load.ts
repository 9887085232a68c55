/**
 * Load: many Workflow Executions, and what each of them results in.
 *
 * @module
 */

import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
} from "@temporalio/client";
import { setTimeout as delay } from "node:timers/promises";
import config from "../../deno.json" with { type: "json" };
import { Program, type ProgramOptions } from "../../packages/cli/processes.ts";
import { ask } from "./workflows.ts";

/** One Workflow Execution of a {@linkcode Load}. */
export interface Execution {
  /** Its Workflow Id. */
  readonly workflowId: string;
  /** Its argument. */
  readonly question: string;
  /** Its result, or the message of its failure; undefined while it is open. */
  outcome?: string;
  /** Milliseconds from its start to its outcome. */
  latency?: number;
}

/** Keeps a number of Workflow Executions open, whatever happens to the server. */
export class Load {
  /** All that were started. */
  readonly executions: Execution[] = [];
  /** Settles when the last one has its outcome. */
  readonly ended: Promise<unknown>;
  readonly #client: Client;
  #left: number;

  /** Runs `total` Workflow Executions, `concurrency` of them at a time. */
  constructor(client: Client, concurrency: number, total = Infinity) {
    this.#client = client;
    this.#left = total;
    const loops = Array.from({ length: concurrency }, () => this.#loop());
    this.ended = Promise.all(loops);
  }

  /** Those without an outcome. */
  get open(): Execution[] {
    return this.executions.filter(({ outcome }) => outcome === undefined);
  }

  /** Starts no more Workflow Executions. */
  stop() {
    this.#left = 0;
  }

  async #loop() {
    while (this.#left-- > 0) {
      const question = `number ${this.executions.length}`;
      const workflowId = crypto.randomUUID();
      const execution: Execution = { workflowId, question };
      this.executions.push(execution);
      const begin = performance.now();
      execution.outcome = await this.#execute(execution);
      execution.latency = performance.now() - begin;
    }
  }

  /** Calls the server until it returns a result or a Workflow's failure. */
  async #execute({ workflowId, question }: Execution): Promise<string> {
    for (;;) {
      try {
        return await this.#client.workflow.execute(ask, {
          args: [question],
          taskQueue: "questions",
          workflowId,
          // A start whose response was lost must not start it again.
          workflowIdReusePolicy: "REJECT_DUPLICATE",
        });
      } catch (error) {
        if (error instanceof WorkflowFailedError) return error.message;
        if (error instanceof WorkflowExecutionAlreadyStartedError) {
          const handle = this.#client.workflow.getHandle(workflowId);
          const result = await handle.result().catch(() => undefined);
          if (result !== undefined) return result;
        }
        await delay(100);
      }
    }
  }
}

/** Starts a Worker for the load, as the task `worker` starts that of the project. */
export function startLoadWorker(options: ProgramOptions): Program {
  const command = config.tasks.worker.command
    .replace("run_worker.ts", "tools/shared/run_worker.ts");
  const task = [Deno.execPath(), "task", "--quiet", "--eval", command];
  return new Program(task, options);
}

/** Whether a Workflow Execution has the result that its argument calls for. */
export function isCorrect({ outcome, question }: Execution): boolean {
  return outcome === `Answer to ${question}`;
}
