/** A module that is loaded before the first Workflow, if it is preloaded. */

/** Whether a Workflow was running when this module was loaded. */
export const isLoadedByWorkflow: boolean = "__TEMPORAL_ACTIVATOR__" in
  globalThis;

/** An object that Workflows cannot change, if this module is preloaded. */
export const state = {};
