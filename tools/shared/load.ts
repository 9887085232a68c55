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
import { SayHello } from "../../workflows.ts";

/** One Workflow Execution of a {@linkcode Load}. */
export interface Execution {
  /** Its Workflow Id. */
  readonly workflowId: string;
  /** Its argument. */
  readonly name: string;
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
      const name = `number ${this.executions.length}`;
      const execution: Execution = { workflowId: crypto.randomUUID(), name };
      this.executions.push(execution);
      const begin = performance.now();
      execution.outcome = await this.#execute(execution);
      execution.latency = performance.now() - begin;
    }
  }

  /** Calls the server until it returns a result or a Workflow's failure. */
  async #execute({ workflowId, name }: Execution): Promise<string> {
    for (;;) {
      try {
        return await this.#client.workflow.execute(SayHello, {
          args: [name],
          taskQueue: "hello-task-queue",
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

/** Whether a Workflow Execution has the result that its argument calls for. */
export function isCorrect({ name, outcome }: Execution): boolean {
  return outcome === `Hello, ${name}!`;
}
