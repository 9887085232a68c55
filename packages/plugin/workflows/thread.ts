/**
 * Starts the thread in which the SDK runs Workflows, in place of the SDK:
 *
 * - It loads (`thread_main.ts`) while the Worker starts the processes for Activities.
 * - It does not keep the process from ending if the Worker cannot be created: then,
 *   the SDK leaves its thread running.
 *
 * This module does not load the SDK.
 *
 * @module
 */

import workerThreads, { type Transferable } from "node:worker_threads";

// A package of npm has it under another name, which "deno pack" writes to such a line.
const mainUrl = import.meta.resolve("./thread_main.ts");

// Never called: what is started by its URL is thereby part of the module graph.
const _module = () => import("./thread_main.ts");

// Imports of the main module need no permission to read.
const source = `import ${JSON.stringify(mainUrl)};`;
const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
const { Worker } = workerThreads;
let spare: WorkflowThread | undefined;

/** A thread that keeps the process from ending only while it owes an answer. */
class WorkflowThread extends Worker {
  #unanswered = 0;

  constructor() {
    super(url);
    this.unref();
    this.on("message", (message) => {
      if ("requestId" in message && --this.#unanswered === 0) this.unref();
    });
  }

  override postMessage(message: unknown, transfer?: readonly Transferable[]) {
    if (this.#unanswered++ === 0) this.ref();
    super.postMessage(message, transfer);
  }

  override terminate(): Promise<number> {
    this.ref();
    return super.terminate();
  }
}

// The SDK takes the class from here when it needs a thread.
workerThreads.Worker = new Proxy(Worker, {
  construct(target, args, newTarget) {
    const isForWorkflows = /[\\/]workflow-worker-thread\.js$/.test(args[0]);
    if (!isForWorkflows) return Reflect.construct(target, args, newTarget);
    const thread = spare ?? new WorkflowThread();
    spare = undefined;
    return thread;
  },
});

/** Starts the next thread for Workflows, unless one is waiting. */
export function prepareThread(): void {
  spare ??= new WorkflowThread();
}

/** Ends the thread that is waiting, if there is one. */
export function discardThread(): void {
  spare?.terminate();
  spare = undefined;
}
