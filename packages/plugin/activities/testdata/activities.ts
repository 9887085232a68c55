/** Activities that the tests run outside and inside the sandbox. */

import {
  activityInfo,
  ApplicationFailure,
  CancelledFailure,
  CompleteAsyncError,
  Context,
  heartbeat,
  log,
  metricMeter,
  sleep,
} from "@temporalio/activity";
import { RawValue } from "@temporalio/common";
import { AsyncLocalStorage } from "node:async_hooks";
import { writeSync } from "node:fs";

class Money {
  constructor(readonly amount: number) {}
  toJSON() {
    return `${this.amount} EUR`;
  }
}
class Point {
  #hidden = 1;
  x = this.#hidden;
  y = { z: [undefined, () => 1, NaN, -0] };
}
class ShopError extends Error {
  override name = "Shop";
}
class NoNameError extends TypeError {}

/** Values that JSON treats specially. */
export const values: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  string: () => "ü€😀\u0000\ud800",
  date: () => new Date(0),
  map: () => new Map([[1, 2]]),
  toJSON: () => ({ price: new Money(3), list: [new Money(4)] }),
  class: () => new Point(),
  bytes: () => new Uint8Array([1, 2, 255]),
  "part of a buffer": () => new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
  "nested bytes": () => ({ bytes: new Uint8Array([1, 2]) }),
  function: () => () => 1,
  bigint: () => 1n,
  circle: () => {
    const circle: Record<string, unknown> = {};
    return circle.circle = circle;
  },
  getter: () => ({
    get boom() {
      throw new RangeError("boom");
    },
  }),
  proto: () => JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}'),
};

/** What Activities may throw. */
export const errors: Record<string, () => unknown> = {
  TypeError: () => new TypeError("wrong"),
  "a class of its own": () => new ShopError("closed"),
  "a subclass": () => new NoNameError("nameless"),
  "no message": () => new Error(),
  cause: () =>
    new Error("outer", { cause: new RangeError("inner", { cause: "text" }) }),
  string: () => "text",
  undefined: () => undefined,
  object: () => ({ code: 42, message: "like an error" }),
  AbortError: () => new DOMException("aborted", "AbortError"),
  CancelledFailure: () => new CancelledFailure("cancelled", [1, "two"]),
  CompleteAsyncError: () => new CompleteAsyncError(),
  ApplicationFailure: () =>
    ApplicationFailure.create({
      message: "whole",
      type: "Whole",
      nonRetryable: true,
      details: [new Date(0), new Uint8Array([1]), undefined, new Money(1)],
      nextRetryDelay: "7 seconds",
      category: "BENIGN",
      cause: ApplicationFailure.nonRetryable("cause", "Cause", { a: 1 }),
    }),
};

export async function getValue(name: string): Promise<unknown> {
  return values[name]();
}

export async function throwUnconvertible(): Promise<never> {
  throw ApplicationFailure.retryable("message", "type", 1n);
}

export async function throwError(name: string): Promise<never> {
  await sleep(1);
  throw errors[name]();
}

export function throwSynchronously(): never {
  throw new TypeError("synchronous");
}

/** Runs where a Workflow names an Activity that is not there. */
export default async function (...args: unknown[]): Promise<unknown> {
  return [activityInfo().activityType, ...args];
}

export async function echo(...args: unknown[]): Promise<unknown> {
  return {
    args,
    types: args.map((arg) => Object.prototype.toString.call(arg)),
  };
}

export async function getInfo(): Promise<unknown> {
  const { info, cancellationSignal, cancellationDetails } = Context.current();
  return {
    info: { ...info, taskToken: [...info.taskToken] },
    same: activityInfo() === info,
    aborted: cancellationSignal.aborted,
    cancellationDetails,
  };
}

export async function useClient(): Promise<unknown> {
  return Context.current().client.workflow;
}

export async function reportAll(): Promise<void> {
  log.info("hello", { a: 1, date: new Date(0) });
  log.log("WARN", "warning");
  log.error("unusual", { error: new Error("e").message, list: [undefined, 1] });
  for (
    const details of [undefined, 1, { a: new Date(0) }, new Uint8Array([1])]
  ) {
    heartbeat(details);
  }
  const meter = metricMeter.withTags({ a: 1 });
  const counter = meter.createCounter("count", "unit", "text");
  counter.add(1);
  counter.withTags({ b: "two" }).add(2, { c: true });
  meter.createHistogram("histogram", "float").record(1.5, { d: 1 });
  metricMeter.createGauge("gauge", "int", "unit").set(3);
  Context.current().metricMeter.createUpDownCounter!("both").add(-1);
}

export async function waitForCancellation(): Promise<unknown> {
  const context = Context.current();
  const signal = Promise.withResolvers<unknown>();
  context.cancellationSignal.addEventListener(
    "abort",
    () => signal.resolve(context.cancellationSignal.reason.message),
  );
  log.info("waiting");
  const outcomes = await Promise.allSettled([
    context.cancelled,
    context.sleep("1 hour"),
    signal.promise,
  ]);
  return {
    outcomes: outcomes.map((o) =>
      o.status === "rejected" ? `${o.reason}` : o.value
    ),
    details: context.cancellationDetails,
  };
}

export async function rethrowCancellation(): Promise<never> {
  log.info("waiting");
  return await Context.current().cancelled;
}

export async function beatUntilCancelled(): Promise<unknown> {
  const context = Context.current();
  const timer = setInterval(() => heartbeat(), 50);
  try {
    return await context.cancelled;
  } catch {
    return context.cancellationDetails;
  } finally {
    clearInterval(timer);
  }
}

export async function beat(times: number): Promise<number> {
  for (let time = 0; time < times; time++) {
    heartbeat(time);
    await sleep(100);
  }
  return activityInfo().attempt;
}

const storage = new AsyncLocalStorage<number>();

export async function useAsyncLocalStorage(value: number): Promise<unknown> {
  return await storage.run(value, async () => {
    await sleep(Math.random() * 20);
    return [storage.getStore(), activityInfo().activityId];
  });
}

export async function failFirst(): Promise<unknown> {
  const { attempt, heartbeatDetails } = activityInfo();
  if (attempt === 1) {
    heartbeat({ done: 1 });
    throw ApplicationFailure.create({ nextRetryDelay: "7s" });
  }
  return { attempt, heartbeatDetails };
}

export async function blockFirst(when = "before"): Promise<number> {
  const { attempt } = activityInfo();
  if (attempt > 1) return attempt;
  log.info("blocking");
  if (when === "after") await sleep(1);
  for (let time = 0;; time = performance.now()) {
    while (when !== "logging" || performance.now() < time + 10);
    log.info("looping");
  }
}

export async function hangFirst(): Promise<number> {
  const { attempt } = activityInfo();
  if (attempt > 1) return attempt;
  log.info("waiting");
  return await Context.current().cancelled;
}

export async function exitFirst(): Promise<number> {
  const { attempt } = activityInfo();
  if (attempt > 1) return attempt;
  Deno.exit(3);
}

export async function failInCallback(kind: string): Promise<unknown> {
  const { attempt } = activityInfo();
  if (attempt > 1) return attempt;
  if (kind === "timer") {
    setTimeout(() => {
      throw new RangeError("in a timer");
    });
  } else Promise.reject(new RangeError("in a promise"));
  return await new Promise(() => {});
}

/** Ends, stops or blocks its process, at the first attempt. */
export async function breakFirst(how: string): Promise<unknown> {
  return activityInfo().attempt === 1 ? breaks[how]() : "again";
}

const breaks: Record<string, () => unknown> = {
  kill: () => Deno.kill(Deno.pid, "SIGKILL"),
  stop: () => Deno.kill(Deno.pid, "SIGSTOP"),
  garbage: () => writeSync(3, "garbage"),
  endless: () => {
    for (let frame = "garbage";; frame += frame) writeSync(3, frame);
  },
};

/** Prints and logs much. */
export async function flood(lines: number): Promise<void> {
  for (let line = 0; line < lines; line++) log.info(`line ${line}`);
  for (let line = 0; line < lines; line++) console.log(`line ${line}`);
}

/** Returns variables of the environment, and the names of all. */
export function readEnvironment(...names: string[]): unknown {
  const values = names.map((name) => Deno.env.get(name) ?? null);
  return [...values, Object.keys(Deno.env.toObject()).sort()];
}

/** Returns as many bytes. */
export function fill(length: number): Uint8Array {
  return new Uint8Array(length).fill(1);
}

/** Returns, throws or logs a text of this length. */
export async function sendMuch(how: string, length: number): Promise<string> {
  const text = "x".repeat(length);
  if (how === "return") return text;
  if (how === "throw") throw new Error(text);
  log.info(text, { text, again: [text] });
  return "logged";
}

/** Returns an array that is nested as deep, and long as JSON. */
export async function nest(depth: number): Promise<RawValue> {
  const json = "[".repeat(depth) + " ".repeat(100_000) + "]".repeat(depth);
  const [encoding, data] = ["json/plain", json]
    .map((text) => new TextEncoder().encode(text));
  return RawValue.fromPayload({ metadata: { encoding }, data });
}

/** Records a metric with as many attributes. */
export async function recordMetrics(times: number): Promise<void> {
  const counter = metricMeter.createCounter("count");
  for (let time = 0; time < times; time++) counter.add(1, { time });
  counter.add(1, { time: 0 });
  counter.add(1, { time: "x".repeat(10_000) });
}

/** Starts a span of Deno's telemetry, if that is on. */
export async function trace(name: string): Promise<void> {
  // deno-lint-ignore no-explicit-any
  const { tracerProvider } = (Deno as any).telemetry;
  tracerProvider.getTracer("test").startSpan(name).end();
}

let release: () => void;
const released = new Promise<void>((resolve) => release = resolve);

export async function waitForRelease(): Promise<string> {
  log.info("waiting");
  await released;
  return "released";
}

export async function releaseOthers(): Promise<void> {
  release();
}

export async function listen(): Promise<string> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.hostname;
}

let count = 0;

/** Tells processes apart: each counts on its own. */
export async function countCalls(): Promise<number> {
  return ++count;
}
