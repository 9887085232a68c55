/** A Workflow that reaches for what a Workflow cannot use. */

import { hostname } from "node:os";

/** Returns the name of the host, or that of the module that was ignored. */
export async function readsHostname(): Promise<string> {
  return typeof hostname;
}
