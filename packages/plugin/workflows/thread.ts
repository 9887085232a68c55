/**
 * Starts the thread in which the SDK runs Workflows, in place of the SDK:
 *
 * - It loads while the Worker starts the processes for Activities.
 * - It runs without the SDK's hook for promises. On Deno, that hook never runs for
 *   promises of Workflows, only for the thread's own, where it finds nothing (see
 *   `sandbox.ts`). Remove this once it runs for promises of a `node:vm` context.
 * - It makes contexts whose global object is an ordinary one. The SDK reads, compares
 *   and sets all globals whenever another Workflow runs, which takes half the time
 *   there. Remove this once the SDK does so.
 * - It does not keep the process from ending if the Worker cannot be created: then,
 *   the SDK leaves its thread running.
 *
 * @module
 */

import { createRequire } from "node:module";
import workerThreads, { type Transferable } from "node:worker_threads";
import { sdkModule } from "./bundle.ts";

const file = createRequire(sdkModule)
  .resolve("./workflow/workflow-worker-thread.js");
const source = `
  import { createRequire } from "node:module";
  import v8 from "node:v8";
  import vm from "node:vm";
  v8.promiseHooks.createHook = () => () => {};
  const { createContext } = vm;
  vm.createContext = (_, options) =>
    createContext(vm.constants.DONT_CONTEXTIFY, options);
  createRequire(${JSON.stringify(file)})(${JSON.stringify(file)});`;
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
    if (args[0] !== file) return Reflect.construct(target, args, newTarget);
    const thread = spare ?? new WorkflowThread();
    spare = undefined;
    return thread;
  },
});

/** Starts the next thread for Workflows. */
export function prepareThread(): void {
  spare ??= new WorkflowThread();
}
