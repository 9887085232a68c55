/**
 * Workflows for `sandbox_test.ts`, which finds their lines by the comments.
 *
 * @module
 */

import {
  ApplicationFailure,
  condition,
  proxyActivities,
  sleep,
} from "@temporalio/workflow";

const { wait } = proxyActivities<{ wait(): Promise<void> }>({
  startToCloseTimeout: "1 minute",
});

/** Tells what Workflow code finds in its sandbox. */
export async function globals(): Promise<string[]> {
  return Object.getOwnPropertyNames(globalThis).sort();
}

/** Tells how far each reading of `Temporal.Now` is off `Date`, after some work. */
export async function clocks(): Promise<number[]> {
  for (let number = 0; number < 50_000; number++) JSON.stringify({ number });
  const { Now } = Temporal;
  return [
    Now.instant(),
    Now.zonedDateTimeISO(),
    Now.zonedDateTimeISO("Asia/Tokyo"),
    Now.plainDateTimeISO().toZonedDateTime("UTC"),
    Now.plainDateISO().toZonedDateTime({
      timeZone: Now.timeZoneId(),
      plainTime: Now.plainTimeISO(),
    }),
  ].map((time) => time.epochMilliseconds - Date.now());
}

/** Fails, by an error of its own or of the language. */
export async function fails(how: "own" | "language"): Promise<void> {
  await sleep(1);
  await failsDeeper(how); // awaits the failure
}

async function failsDeeper(how: string) {
  await sleep(1);
  if (how === "own") throw ApplicationFailure.nonRetryable("no"); // own
  try {
    JSON.parse("{"); // language
  } catch (error) {
    throw ApplicationFailure.fromError(error as Error);
  }
}

/** Waits in one of several ways. */
export async function waits(how: keyof typeof ways): Promise<void> {
  await sleep(1);
  await ways[how](); // awaits the way
}

const ways = {
  async activity() {
    await wait(); // an Activity
  },
  async timer() {
    await sleep("1 day"); // a timer
  },
  async condition() {
    await condition(() => false); // a condition
  },
  async promise() {
    await new Promise(() => {}); // a promise
  },
  async several() {
    await Promise.all([ // awaits several
      wait(), // first of several
      Promise.race([
        sleep("2 days"), // second of several
        nested(),
      ]),
    ]);
  },
  async nothing() {},
};

async function nested() {
  await sleep(1);
  await condition(() => false, "3 days"); // nested
}

/** Counts the promises that the SDK takes to be pending, when 30,000 are not. */
export async function settles(): Promise<number> {
  for (let number = 0; number < 10_000; number++) {
    await new Promise<void>((resolve) => resolve());
    await new Promise<void>((resolve) => Promise.resolve().then(resolve));
    await new Promise(() => JSON.parse("{")).catch(() => {});
  }
  const { __TEMPORAL_ACTIVATOR__: activator } = globalThis as unknown as {
    __TEMPORAL_ACTIVATOR__: {
      promiseStackStore: { promiseToStack: Map<unknown, unknown> };
    };
  };
  return activator.promiseStackStore.promiseToStack.size;
}
