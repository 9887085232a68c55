/**
 * The Workflow of the contributors' programs. It does what the tutorial's does, so
 * that it can be measured in its place.
 *
 * @module
 */

import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { answer } = proxyActivities<typeof activities>({
  startToCloseTimeout: "5 seconds",
});

/** Asks a question by way of the Activity `answer`. */
export async function ask(question: string): Promise<string> {
  return await answer(question);
}
