/**
 * Many Workflows, started one after the other in several lanes, and what becomes
 * of them.
 *
 * @module
 */

import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
} from "@temporalio/client";
import { tutorial } from "../lib/settings.ts";
import { SayHello } from "../workflows.ts";

/** A Workflow of the load. */
export interface Flight {
  /** Its Workflow Id. */
  readonly workflowId: string;
  /** Whom it greets. */
  readonly name: string;
  /** What it came to: its result, or the error that it failed of. */
  outcome?: string;
  /** From its start until its result was here, in milliseconds. */
  duration?: number;
}

/** Keeps a number of Workflows in flight, whatever happens to the server. */
export class Load {
  /** All that were started. */
  readonly flights: Flight[] = [];
  /** Those without an outcome yet. */
  readonly pending = new Set<Flight>();
  readonly #client: Client;
  readonly #lanes: Promise<void>[];
  #left: number;

  /** Runs up to `total` Workflows in `lanes`, of which each has one in flight. */
  constructor(client: Client, lanes: number, total = Infinity) {
    this.#client = client;
    this.#left = total;
    this.#lanes = Array.from({ length: lanes }, () => this.#run());
  }

  /** Settled when all lanes have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#lanes);
  }

  /** Starts no more Workflows. */
  stop() {
    this.#left = 0;
  }

  async #run() {
    while (this.#left-- > 0) {
      const name = `number ${this.flights.length}`;
      const flight: Flight = { workflowId: crypto.randomUUID(), name };
      this.flights.push(flight);
      this.pending.add(flight);
      const begin = performance.now();
      flight.outcome = await this.#outcome(flight);
      flight.duration = performance.now() - begin;
      this.pending.delete(flight);
    }
  }

  /** Asks for the result until there is one, or a failure of the Workflow. */
  async #outcome({ workflowId, name }: Flight): Promise<string> {
    for (;;) {
      try {
        return await this.#client.workflow.execute(SayHello, {
          args: [name],
          taskQueue: tutorial.taskQueue,
          workflowId,
          // A start whose answer was lost must not start it again.
          workflowIdReusePolicy: "REJECT_DUPLICATE",
        });
      } catch (error) {
        if (error instanceof WorkflowFailedError) return error.message;
        if (error instanceof WorkflowExecutionAlreadyStartedError) {
          const handle = this.#client.workflow.getHandle(workflowId);
          const result = await handle.result().catch(() => undefined);
          if (result !== undefined) return result;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

/** Tells whether a Workflow has its own result, and no other. */
export function isRight({ name, outcome }: Flight): boolean {
  return outcome === `Hello, ${name}!`;
}
