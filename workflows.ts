/**
 * The Workflows: the code whose course Temporal remembers. It runs in a sandbox
 * and leaves all contact with the outside to Activities. The Python tutorial's
 * `workflows.py`.
 *
 * @module
 */

import { ApplicationFailure, proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { say_hello } = proxyActivities<typeof activities>({
  startToCloseTimeout: "5 seconds",
});

/**
 * Greets somebody by way of the Activity `say_hello`.
 *
 * @throws {ApplicationFailure} for good, if the name is none
 */
export async function SayHello(name: string): Promise<string> {
  if (typeof name !== "string") {
    throw ApplicationFailure.nonRetryable(`The name is a ${typeof name}`);
  }
  return await say_hello(name);
}
