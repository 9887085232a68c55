/**
 * The Workflows: the code whose course Temporal remembers. It runs in a sandbox
 * and leaves all contact with the outside to Activities. The Python tutorial's
 * `workflows.py`.
 *
 * @module
 */

import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { say_hello } = proxyActivities<typeof activities>({
  startToCloseTimeout: "5 seconds",
});

/** Greets somebody by way of the Activity `say_hello`. */
export async function SayHello(name: string): Promise<string> {
  return await say_hello(name);
}
