/**
 * The inside of an Activity sandbox: runs the Activities of one module in this
 * process, with a real `Context`, on behalf of the SDK outside.
 *
 * It is evaluated before the module with the Activities, so that nothing the
 * module does at load comes first. The two share this process, however: what keeps
 * Activity code in are the process's permissions, not this file.
 *
 * @module
 */

import {
  asyncLocalStorage,
  CompleteAsyncError,
  Context,
} from "@temporalio/activity";
import {
  type ActivityCancellationDetails,
  type ActivityDefinitionOptions,
  type ActivitySerializationContext,
  ApplicationFailure,
  CancelledFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  ensureApplicationFailure,
  fromPayloadWithTypeInfo,
  IllegalStateError,
  type Logger,
  type LogLevel,
  type Metric,
  type MetricMeter,
  type MetricTags,
  type PayloadConverter,
  type PayloadTypeInfo,
  type ProtoFailure,
  toPayloadWithTypeInfo,
} from "@temporalio/common";
import { Console } from "node:console";
import * as fs from "node:fs";
import { Writable } from "node:stream";
import * as v8 from "node:v8";
import { FrameReader, toFrame } from "./frames.ts";
import {
  type ErrorMessage,
  KEY_LENGTH,
  MAX_PRINTED,
  type MessageIn,
  type MessageOut,
  type MetricDescription,
  OTEL_API,
  OTEL_SPAN,
  type RunMessage,
  type SpanContext,
  toBytes,
} from "./messages.ts";

type ActivityFunction = ((...args: unknown[]) => unknown) & {
  activityDefinitionOptions?: ActivityDefinitionOptions;
};

// What is needed here is taken before Activity code can replace it.
const { exit } = Deno;
const { read, readSync, writeSync } = fs;
const { deserialize } = v8;
const isWindows = Deno.build.os === "windows";
const [input, output] = isWindows ? [0, 1] : [3, 3];
const key = new Uint8Array(KEY_LENGTH);
for (let length = 0; length < key.length;) {
  length += readSync(input, key, length, key.length - length, null) ||
    exit(1);
}
const running = new Map<number, {
  context: Context;
  cancel: (reason: string, details?: ActivityCancellationDetails) => void;
}>();
let isLoaded = false;
let isClosing = false;
let hasUnloaded = false;
let hasUnloadListener = false;

/**
 * Sends a message, and the data of a result. It waits while nobody reads, so that it
 * precedes what follows.
 */
function send(message: MessageOut, data?: Uint8Array | null): void {
  const frame = toFrame(key, ...toBytes(message, data ?? undefined));
  try {
    for (let sent = 0; sent < frame.length;) {
      sent += writeSync(output, frame, sent);
    }
  } catch {
    // The launcher has ended.
    isClosing = true;
    exit(1);
  }
}

/** Calls `receive` with each message, until it is to close. */
function listen(receive: (message: MessageIn) => void): void {
  const reader = new FrameReader();
  const buffer = new Uint8Array(2 ** 16);
  const next = () =>
    read(input, buffer, 0, buffer.length, null, (error, length) => {
      if (error || length === 0) exit(1);
      for (const frame of reader.read(buffer.slice(0, length))) {
        receive(deserialize(frame));
      }
      if (!isClosing) next();
    });
  next();
}

/**
 * Ends the process in order: calls the module's listeners of "unload", and lets what
 * they start come to its end. The SDK's side ends the process if that takes long.
 */
function close(): void {
  isClosing = true;
  if (!hasUnloadListener && !globalThis.onunload) exit(0);
  dispatchEvent(new Event("unload"));
}

addEventListener("unload", (event) => {
  // Deno dispatches the event, too, when the process ends.
  if (hasUnloaded) event.stopImmediatePropagation();
  hasUnloaded = true;
  const code = Deno.exitCode;
  if (!isClosing) send({ type: "exit", id: currentId(), code });
});
addEventListener("error", (event) => reportUncaught(event, event.error));
addEventListener(
  "unhandledrejection",
  (event) => reportUncaught(event, event.reason),
);
const { addEventListener: add } = globalThis;
Object.defineProperty(globalThis, "addEventListener", {
  value(...args: Parameters<typeof add>) {
    hasUnloadListener ||= args[0] === "unload";
    add.apply(globalThis, args);
  },
});
// The Worker decides when this process ends, and lets Activities finish.
for (const signal of isWindows ? [] : ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {});
}
// What is printed past the console reaches the log without the Activity's name.
const { Console: _, ...methods } = new Console(
  createStream(false),
  createStream(true),
);
Object.assign(console, methods);

function createStream(isError: boolean): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      const text = `${chunk}`.slice(0, MAX_PRINTED);
      send({ type: "print", id: currentId(), isError, text });
      done();
    },
  });
}

function reportUncaught(event: Event, error: unknown): void {
  event.preventDefault();
  const failure = ensureApplicationFailure(error);
  const [message, stack] = [failure.message, failure.stack ?? ""]
    .map((text) => explainPermission(text).slice(0, MAX_PRINTED));
  if (!isLoaded) send({ type: "notLoaded", error: stack || message });
  else send({ type: "uncaught", id: currentId(), message, stack });
}

/** Names the place where an Activity's permissions are: flags do not apply to it. */
function explainPermission(text: string): string {
  return text.replace(
    /run again with the --allow-(\w+) flag/,
    'add it to "$1" in the permissions of DenoPlugin ("activities" in deno.json)',
  );
}

/** The Activity whose code runs now, where its asynchronous context is known. */
function currentId(): number | undefined {
  const current = asyncLocalStorage.getStore();
  for (const [id, { context }] of running) if (context === current) return id;
}

/** Serves the Activities that `module` exports, until the process ends. */
export function serve(
  module: Record<string, unknown>,
  converter: PayloadConverter = defaultPayloadConverter,
): void {
  listen((message) => {
    if (message.type === "run") {
      run(module[message.name] as ActivityFunction, message, converter);
    } else if (message.type === "cancel") {
      running.get(message.id)?.cancel(message.reason, message.details);
    } else if (message.type === "close") {
      close();
    } else send({ type: "pong" });
  });
  isLoaded = true;
  const names = Object.keys(module)
    .filter((name) => typeof module[name] === "function");
  send({ type: "loaded", names });
}

async function run(
  activity: ActivityFunction,
  message: RunMessage,
  converter: PayloadConverter,
): Promise<void> {
  const { id, serialization } = message;
  const { inputTypes, outputType } =
    activity.activityDefinitionOptions?.typeInfo ?? {};
  try {
    const args = readArguments(message, converter, inputTypes);
    const context = createContext(message, converter);
    const result = await inSpan(
      () => asyncLocalStorage.run(context, async () => await activity(...args)),
      message.span,
    );
    const { metadata, data } = toPayloadWithTypeInfo(
      converter,
      result,
      serialization,
      outputType,
    );
    send({ type: "completed", id, metadata }, data);
  } catch (error) {
    const isAsync = error instanceof CompleteAsyncError;
    if (isAsync) return send({ type: "completesAsync", id });
    const fail = (error: unknown) => {
      const failure = toErrorMessage(error, converter, serialization);
      send({ type: "failed", id, error: failure });
    };
    try {
      fail(error);
    } catch (tooLong) {
      fail(tooLong);
    }
  } finally {
    running.delete(id);
  }
}

/** Converts arguments; if one cannot be, it fails in the SDK's words. */
function readArguments(
  { args, name, serialization }: RunMessage,
  converter: PayloadConverter,
  types: PayloadTypeInfo["inputTypes"],
): unknown[] {
  try {
    return args.map((payload, index) =>
      fromPayloadWithTypeInfo(
        converter,
        payload,
        serialization,
        types?.[index],
      )
    );
  } catch (error) {
    const { message } = error as Error;
    throw ApplicationFailure.fromError(error, {
      message: `Failed to parse activity args for activity ${name}: ${message}`,
    });
  }
}

/** Runs code within a span of the Worker's process, if both export traces. */
function inSpan<T>(run: () => T, span?: SpanContext): T {
  const { context } = Reflect.get(globalThis, OTEL_API) ?? {};
  if (!span || !context) return run();
  const parent = { spanContext: () => ({ ...span, isRemote: true }) };
  return context.with(context.active().setValue(OTEL_SPAN, parent), run);
}

function createContext(
  { id, info, heartbeatDetails, serialization }: RunMessage,
  converter: PayloadConverter,
): Context {
  const controller = new AbortController();
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  cancelled.catch(() => {});
  const cancellation: { details?: ActivityCancellationDetails } = {};
  const heartbeat = (details?: unknown) => {
    try {
      const payload = details === undefined
        ? undefined
        : converter.toPayload(details, serialization);
      send({ type: "heartbeat", id, details: payload });
    } catch (error) {
      send({ type: "heartbeatFailed", id, message: String(error) });
    }
  };
  const context = new Context(
    {
      ...info,
      heartbeatDetails: heartbeatDetails &&
        converter.fromPayload(heartbeatDetails, serialization),
    },
    cancelled,
    controller.signal,
    heartbeat,
    undefined,
    createLogger(id),
    createMetricMeter(id),
    cancellation,
  );
  Object.defineProperty(context, "client", {
    get() {
      throw new IllegalStateError(
        "Cannot use the Worker's Client: not available in an Activity sandbox",
      );
    },
  });
  running.set(id, {
    context,
    cancel(reason, details) {
      const error = new CancelledFailure(reason);
      cancellation.details = details;
      controller.abort(error);
      reject(error);
    },
  });
  return context;
}

function createLogger(id: number): Logger {
  const log = (level: LogLevel, message: string, meta?: object) => {
    const text = `${message}`.slice(0, MAX_PRINTED);
    const entry = { type: "log", id, level, message: text } as const;
    try {
      send({ ...entry, meta });
    } catch {
      // Functions and the like cannot be sent, and not much of anything.
      const entries = Object.entries(meta ?? {});
      const inspected = entries.map(([key, value]) => [
        key,
        Deno.inspect(value).slice(0, MAX_PRINTED / entries.length),
      ]);
      try {
        send({ ...entry, meta: Object.fromEntries(inspected) });
      } catch {
        const attributes = Deno.inspect(meta).slice(0, MAX_PRINTED);
        send({ ...entry, meta: { attributes } });
      }
    }
  };
  return {
    log,
    trace: log.bind(null, "TRACE"),
    debug: log.bind(null, "DEBUG"),
    info: log.bind(null, "INFO"),
    warn: log.bind(null, "WARN"),
    error: log.bind(null, "ERROR"),
  };
}

function createMetricMeter(id: number, tags: MetricTags = {}): MetricMeter {
  // Each recorded value names its metric, so that nothing has to be kept outside.
  const create = (metric: MetricDescription, ownTags = tags) => {
    const merge = (tags?: MetricTags) => ({ ...ownTags, ...tags });
    const record = (value: number, tags?: MetricTags) =>
      send({ type: "metric", id, metric, value, tags: merge(tags) });
    const withTags = (tags: MetricTags): unknown => create(metric, merge(tags));
    // deno-lint-ignore no-explicit-any
    return { ...metric, add: record, record, set: record, withTags } as any;
  };
  const counts =
    (kind: Metric["kind"]) =>
    (name: string, unit?: string, description?: string) =>
      create({ kind, name, valueType: "int", unit, description });
  const measures = (kind: Metric["kind"]) =>
  (
    name: string,
    valueType: Metric["valueType"] = "int",
    unit?: string,
    description?: string,
  ) => create({ kind, name, valueType, unit, description });
  return {
    createCounter: counts("counter"),
    createUpDownCounter: counts("up-down-counter"),
    createHistogram: measures("histogram"),
    createGauge: measures("gauge"),
    withTags: (extraTags) => createMetricMeter(id, { ...tags, ...extraTags }),
  };
}

function toErrorMessage(
  error: unknown,
  converter: PayloadConverter,
  serialization: ActivitySerializationContext,
): ErrorMessage {
  // As the SDK does with what an Activity throws.
  const temporalFailure = error instanceof CancelledFailure
    ? error
    : ensureApplicationFailure(error);
  let failure: ProtoFailure;
  try {
    failure = defaultFailureConverter
      .errorToFailure(temporalFailure, converter, serialization);
  } catch (conversionError) {
    return toErrorMessage(conversionError, converter, serialization);
  }
  for (let f: ProtoFailure | null | undefined = failure; f; f = f.cause) {
    f.message &&= explainPermission(f.message);
    f.stackTrace &&= explainPermission(f.stackTrace);
    f.stackTrace = f.stackTrace?.split("\n").slice(0, frames(f.stackTrace))
      .join("\n");
    // Its type does not survive the way out; the outermost travels beside it.
    delete f.applicationFailureInfo?.nextRetryDelay;
  }
  return {
    failure,
    nextRetryDelay: "nextRetryDelay" in temporalFailure
      ? temporalFailure.nextRetryDelay as string | number
      : undefined,
    isAbortError: (error as Error | undefined)?.name === "AbortError",
  };
}

/** The number of a stack's lines before the first that belongs to this file. */
function frames(stack: string): number {
  const index = stack.split("\n")
    .findIndex((line) => line.includes(import.meta.url));
  return index < 0 ? Infinity : index;
}
