/**
 * Starts the thread in which the SDK runs Workflows, in place of the SDK:
 *
 * - It loads while the Worker starts the processes for Activities, or even sooner
 *   (`start_thread.ts`).
 * - It runs without the SDK's hook for promises. On Deno, that hook never runs for
 *   promises of Workflows, only for the thread's own, where it finds nothing (see
 *   `sandbox.ts`). Remove this once it runs for promises of a `node:vm` context.
 * - It makes contexts whose global object is an ordinary one. The SDK reads, compares
 *   and sets all globals whenever another Workflow runs, which takes half the time
 *   there. Remove this once the SDK does so.
 * - Messages go through a port of the web platform. What arrives at one of
 *   `node:worker_threads`, Deno searches for ports, each byte of a payload, too: that
 *   takes 100 ms for 1 MB. Remove this once it does not.
 * - The answer to an activation brings along what the SDK asks for next, the calls of
 *   sinks, such as log entries. Remove this once the SDK asks for both at once.
 * - One message waits until Deno has reported the rejections that the last one left
 *   unhandled: the SDK takes them for those of the Workflow that ran last. Remove this
 *   once Deno reports them before it delivers the next message.
 * - The stack trace of an endless loop lacks the line of Deno that ended it, which has
 *   14 KB. Remove this once Deno prints less.
 * - What Workflow code prints is escaped, and cannot pass for other lines.
 * - It does not keep the process from ending if the Worker cannot be created: then,
 *   the SDK leaves its thread running.
 *
 * This module does not load the SDK.
 *
 * @module
 */

import workerThreads, {
  type MessagePort as NodePort,
  type Transferable,
} from "node:worker_threads";

const { Worker } = workerThreads;
let spare: WorkflowThread | undefined;

/** What the SDK asks of the thread. */
interface Request {
  requestId: bigint;
  input: { type: string; runId?: string };
}

/** A thread that keeps the process from ending only while it owes an answer. */
class WorkflowThread extends Worker {
  /** The SDK's module that it runs. */
  readonly file: string;
  readonly #port: MessagePort;
  /** What came with the answers to activations, by the Run Id. */
  readonly #sinkCalls = new Map<string, unknown>();
  #unanswered = 0;

  constructor(file: string) {
    // A module of this package may not be readable.
    const source = `
      import { createRequire } from "node:module";
      import v8 from "node:v8";
      import vm from "node:vm";
      import workerThreads from "node:worker_threads";
      v8.promiseHooks.createHook = () => () => {};
      const { createContext } = vm;
      vm.createContext = (_, options) =>
        createContext(vm.constants.DONT_CONTEXTIFY, options);
      for (const owner of [vm, vm.Script.prototype]) {
        const { runInContext } = owner;
        owner.runInContext = function (...args) {
          try {
            return runInContext.apply(this, args);
          } catch (error) {
            const isLate = error?.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
            if (isLate) error.stack = String(error);
            throw error;
          }
        };
      }
      const controls = /(?![\\n\\t])[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]/gu;
      const escape = (control) =>
        "\\\\u" + control.codePointAt(0).toString(16).padStart(4, "0");
      for (const level of ["debug", "error", "info", "log", "warn"]) {
        const print = console[level];
        console[level] = (...args) => {
          const texts = args.map((arg) =>
            typeof arg === "string" ? arg : Deno.inspect(arg)
          );
          const text = texts.join(" ").replace(/\\n(?=\\S)/g, "\\n  ");
          print("%s", text.replace(controls, escape));
        };
      }
      workerThreads.parentPort.once("message", ({ port }) => {
        const activations = new Map();
        let receive;
        let received = Promise.resolve();
        workerThreads.parentPort = {
          on(_, listener) {
            receive = listener;
            port.onmessage = ({ data }) => {
              const { input, requestId } = data;
              if (input.type === "activate-workflow") {
                activations.set(requestId, input.runId);
              }
              received = received.then(() => receive(data))
                .then(() => new Promise(setImmediate));
            };
          },
          postMessage(message) {
            const { requestId, result } = message;
            const runId = activations.get(requestId);
            if (activations.delete(requestId)) {
              // The answer waits for the calls that belong to it.
              const input = { type: "extract-sink-calls", runId };
              receive({ requestId: { ...message, runId }, input });
            } else if (typeof requestId === "object") {
              const failure = result.type === "error" && { result };
              port.postMessage({ ...requestId, ...failure, sinkCalls: result });
            } else port.postMessage(message);
          },
        };
        createRequire(${JSON.stringify(file)})(${JSON.stringify(file)});
      });
      //# sourceURL=temporal-on-deno/workflow-thread.js`;
    super(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    this.file = file;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    super.postMessage({ port: port2 }, [port2 as unknown as Transferable]);
    port1.onmessage = ({ data: { runId, sinkCalls, ...message } }) => {
      if (sinkCalls) this.#sinkCalls.set(runId, sinkCalls);
      if ("requestId" in message && --this.#unanswered === 0) this.unref();
      this.emit("message", message);
    };
    (port1 as unknown as NodePort).unref();
    this.unref();
  }

  override postMessage(request: Request) {
    const { input: { runId, type }, requestId } = request;
    const result = this.#sinkCalls.get(runId!);
    if (result && type === "extract-sink-calls") {
      this.#sinkCalls.delete(runId!);
      queueMicrotask(() => this.emit("message", { requestId, result }));
      return;
    }
    if (this.#unanswered++ === 0) this.ref();
    this.#port.postMessage(request);
  }

  override terminate(): Promise<number> {
    this.ref();
    return super.terminate();
  }
}

// The SDK takes the class from here when it needs a thread.
workerThreads.Worker = new Proxy(Worker, {
  construct(target, args, newTarget) {
    const [file] = args;
    const isForWorkflows = /[\\/]workflow-worker-thread\.js$/.test(file);
    if (!isForWorkflows) return Reflect.construct(target, args, newTarget);
    prepareThread(file);
    const thread = spare!;
    spare = undefined;
    return thread;
  },
});

/** Starts the next thread for Workflows, unless one with this module is waiting. */
export function prepareThread(file: string): void {
  if (spare?.file === file) return;
  discardThread();
  spare = new WorkflowThread(file);
}

/** Ends the thread that is waiting, if there is one. */
export function discardThread(): void {
  spare?.terminate();
  spare = undefined;
}
