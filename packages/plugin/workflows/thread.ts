/**
 * Starts the thread in which the SDK runs Workflows, for two gains: it loads while the
 * Worker starts the processes for Activities, and it runs without the SDK's hook for
 * promises. On Deno, that hook never runs for promises of Workflows, only for the
 * thread's own, where it finds nothing (see `sandbox.ts`). Remove the second once it
 * runs for promises of a `node:vm` context.
 *
 * @module
 */

import { createRequire } from "node:module";
import workerThreads, { type Worker } from "node:worker_threads";
import { sdkModule } from "./bundle.ts";

const file = createRequire(sdkModule)
  .resolve("./workflow/workflow-worker-thread.js");
const source = `
  import { createRequire } from "node:module";
  import v8 from "node:v8";
  v8.promiseHooks.createHook = () => () => {};
  createRequire(${JSON.stringify(file)})(${JSON.stringify(file)});`;
const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
const { Worker: NodeWorker } = workerThreads;
let spare: Worker | undefined;

// The SDK takes the class from here when it needs a thread.
workerThreads.Worker = new Proxy(NodeWorker, {
  construct(target, args, newTarget) {
    if (args[0] !== file) return Reflect.construct(target, args, newTarget);
    prepareThread();
    const thread = spare!;
    spare = undefined;
    thread.ref();
    return thread;
  },
});

/** Starts the next thread for Workflows; it does not keep the process from ending. */
export function prepareThread(): void {
  if (spare) return;
  spare = new NodeWorker(url);
  spare.unref();
}
