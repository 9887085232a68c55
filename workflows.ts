/**
 * The Workflow: a function that orchestrates Activities. The Python tutorial's
 * `workflows.py`.
 *
 * @module
 */

import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { say_hello } = proxyActivities<typeof activities>({
  startToCloseTimeout: "5 seconds",
});

/** Greets someone with the Activity `say_hello`. */
export async function SayHello(name: string): Promise<string> {
  return await say_hello(name);
}
