/** Workflows for `mod_test.ts`. */

import { isLoadedByWorkflow, state } from "./preloaded.ts";
import { ApplicationFailure, proxyActivities } from "@temporalio/workflow";
import { Greeting } from "./greeting.ts";

const { greet } = proxyActivities<{ greet(name: string): Promise<Greeting> }>({
  startToCloseTimeout: "5 seconds",
});

/** Returns whether Workflow code gets an object of its class from an Activity. */
export async function receivesGreeting(name: string): Promise<boolean> {
  return await greet(name) instanceof Greeting;
}

/** Returns an object of a class. */
export async function returnsGreeting(name: string): Promise<Greeting> {
  return new Greeting(name);
}

/** Fails. */
export async function fails(): Promise<void> {
  throw ApplicationFailure.nonRetryable("no");
}

/** Returns its argument. */
export async function echo(text: string): Promise<string> {
  return text;
}

/** Returns whether the module `preloaded.ts` is shared by all Workflows. */
export async function isPreloaded(): Promise<boolean> {
  return !isLoadedByWorkflow && Object.isFrozen(state);
}
