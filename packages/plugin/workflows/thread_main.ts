/**
 * The main module of the thread that runs Workflows. It loads that of the SDK:
 *
 * - without its hook for promises. On Deno, that hook never runs for promises of
 *   Workflows, only for the thread's own, where it finds nothing (see `sandbox.ts`).
 *   Remove this once it runs for promises of a `node:vm` context.
 * - with contexts whose global object is an ordinary one. The SDK reads, compares and
 *   sets all globals whenever another Workflow runs, which takes half the time there.
 *   Remove this once the SDK does so.
 *
 * @module
 */

import v8 from "node:v8";
import vm from "node:vm";

v8.promiseHooks.createHook = () => () => {};
const { createContext } = vm;
vm.createContext = (_, options) =>
  createContext(vm.constants.DONT_CONTEXTIFY, options);
await import("@temporalio/worker/lib/workflow/workflow-worker-thread.js");
