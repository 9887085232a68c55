/**
 * An Activity that does what its argument says, in place of `activities.ts` in a
 * copy of the project.
 *
 * @module
 */

import { ApplicationFailure } from "@temporalio/activity";

/** Named as the project's Activity when it is copied. Greets, unless the name says to be slow or to fail. */
export async function activity(name: string): Promise<string> {
  if (name === "slow" || name === "forever") {
    console.log("Activity runs");
    const milliseconds = name === "slow" ? 1_000 : 1_000_000;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
  if (name === "retry") throw new Error("\x1b[31mnot yet");
  if (name === "fail") throw ApplicationFailure.nonRetryable("no words left");
  return `Hello, ${name}!`;
}
