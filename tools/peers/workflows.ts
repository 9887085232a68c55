/**
 * The Workflows that `tools/compare.ts` measures on each runtime.
 *
 * @module
 */

import {
  condition,
  defineSignal,
  proxyActivities,
  setHandler,
} from "@temporalio/workflow";
import type * as activities from "./activities.mjs";

const { answer, beat, echo } = proxyActivities<typeof activities>({
  startToCloseTimeout: "1 minute",
  heartbeatTimeout: "30 seconds",
});

/** Asks a question, as the tutorial's Workflow does. */
export async function ask(question: string): Promise<string> {
  return await answer(question);
}

/** Sends a text to an Activity and back. */
export async function sendText(text: string): Promise<string> {
  return await echo(text);
}

/** Runs an Activity that sends a heartbeat each second. */
export async function watch(seconds: number): Promise<void> {
  await beat(seconds);
}

/** Waits for the Signal `go`. */
export async function waitForGo(): Promise<void> {
  let hasArrived = false;
  setHandler(defineSignal("go"), () => {
    hasArrived = true;
  });
  await condition(() => hasArrived);
}
