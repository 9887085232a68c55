/**
 * Workflows for `sandbox_test.ts`, which finds their lines by the comments.
 *
 * @module
 */

import {
  ApplicationFailure,
  condition,
  executeChild,
  proxyActivities,
  proxySinks,
  sleep,
} from "@temporalio/workflow";
import { waitForever } from "./@temporalio/not_the_sdk.ts";
import { readLocalTimes } from "./local_times.ts";

const { wait } = proxyActivities<{ wait(): Promise<void> }>({
  startToCloseTimeout: "1 minute",
});

/** Returns the names of all globals. */
export async function globals(): Promise<string[]> {
  return Object.getOwnPropertyNames(globalThis).sort();
}

/** Parses texts that are long and no dates. */
export async function parsesLongTexts(): Promise<boolean[]> {
  return [":", "(", "1"].map((character) =>
    isNaN(Date.parse(character.repeat(1_000_000)))
  );
}

/** Returns how often the traces of 3 promises make the Activator throw an error. */
export async function formatsTraces(): Promise<number> {
  const activator = Reflect.get(globalThis, "__TEMPORAL_ACTIVATOR__");
  const { getStackTraces, promiseStackStore } = activator;
  let calls = 0;
  activator.getStackTraces = function () {
    calls++;
    return getStackTraces.call(this);
  };
  for (let number = 0; number < 3; number++) new Promise(() => {});
  for (const { formatted } of promiseStackStore.promiseToStack.values()) {
    String(formatted);
  }
  return calls;
}

/** Tries to stop changes to the global object; returns why it cannot. */
export async function freezesGlobals(): Promise<string[]> {
  return [
    Object.freeze,
    Object.preventExtensions,
    Object.seal,
    Reflect.preventExtensions,
  ].map((stop) => {
    try {
      return String(stop(globalThis));
    } catch (error) {
      return String(error);
    }
  });
}

/** Adds a property to all objects. */
export async function extendsObjects(): Promise<void> {
  Reflect.set(Object.prototype, "added", "by another Workflow");
}

/** Returns how far each reading of `Temporal.Now` differs from `Date`, after some work. */
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

/** Waits as many times as the hour of the local time, and returns local times. */
export async function localTimes(): Promise<unknown[]> {
  const hours = new Date(0).getHours();
  for (let hour = 0; hour < hours; hour++) await sleep(1);
  return readLocalTimes();
}

/** Returns how `Intl.DateTimeFormat` writes the current time, after some work. */
export async function formatsNow(): Promise<string[]> {
  for (let number = 0; number < 50_000; number++) JSON.stringify({ number });
  const format = Intl.DateTimeFormat("en", {
    second: "numeric",
    fractionalSecondDigits: 3,
  });
  const { format: write } = format;
  const parts = format.formatToParts().map(({ value }) => value).join("");
  return [format.format(Date.now()), write(), write(undefined), parts];
}

/** Fails with an error of its own or one of the language. */
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
export async function waits(kind: keyof typeof kinds): Promise<void> {
  await sleep(1);
  await kinds[kind](); // awaits that kind
}

const kinds = {
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
  async child() {
    await executeChild(waits, { args: ["promise"] }); // a child
  },
  async elsewhere() {
    await waitForever(); // elsewhere
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

/** Fails in a function that called itself `depth` times. */
export async function failsDeeply(depth: string): Promise<void> {
  await failDeeply(Number(depth));
}

function failDeeply(depth: number): Promise<void> {
  if (depth === 0) throw ApplicationFailure.nonRetryable("no");
  return failDeeply(depth - 1);
}

/** Runs without what sandbox.ts uses of the SDK; returns lines of a stack trace. */
export async function misses(what: "store" | "handler"): Promise<string[]> {
  if (what === "store") {
    Reflect.deleteProperty(
      Reflect.get(globalThis, "__TEMPORAL_ACTIVATOR__"),
      "promiseStackStore",
    );
    await new Promise<void>((resolve) => resolve());
    return ["ran"];
  }
  const outer = URL.constructor("return Error")();
  const { prepareStackTrace } = outer;
  outer.prepareStackTrace = undefined;
  try {
    return `${new Error("no").stack}`.split("\n");
  } finally {
    outer.prepareStackTrace = prepareStackTrace;
  }
}

/** Settles 30,000 promises and returns how many the SDK still takes to be pending. */
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

/** Gives a sink what cannot leave the thread. */
export async function sinksFunction(): Promise<void> {
  proxySinks<{ any: { sink(value: unknown): void } }>().any.sink(() => {});
}

/** Leaves a rejected promise, and waits. */
export async function leavesRejection(message: string): Promise<void> {
  Promise.reject(new Error(message));
  await sleep("1 day");
}

/** Never ends. */
export async function loops(): Promise<void> {
  for (;;);
}
