/**
 * The inside of an Activity sandbox: runs the Activities of one module in this
 * isolate, with a real `Context`, on behalf of the SDK outside.
 *
 * It is evaluated before the module with the Activities, so that nothing the
 * module does at load comes first. The two share this isolate, however: what keeps
 * Activity code in are the isolate's permissions, not this file.
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
  type MetricMeter,
  type MetricTags,
  type PayloadConverter,
  type ProtoFailure,
  toPayloadWithTypeInfo,
} from "@temporalio/common";
import process from "node:process";
import { Script } from "node:vm";
import {
  type ErrorMessage,
  type MessageIn,
  type MessageOut,
  type MetricDescription,
  type RunMessage,
  SANDBOX_FAILURE,
} from "./messages.ts";

type ActivityFunction = ((...args: unknown[]) => unknown) & {
  activityDefinitionOptions?: ActivityDefinitionOptions;
};

// What is needed here is taken before Activity code can replace it.
const post: (port: MessagePort, message: MessageOut) => void = Function
  .prototype
  .call.bind(MessagePort.prototype.postMessage);
const connected = new Promise<MessagePort>((resolve) =>
  addEventListener("message", (event) => {
    event.stopImmediatePropagation();
    resolve((event as MessageEvent<MessagePort>).data);
  })
);
let send = (message: MessageOut): void => {
  connected.then((port) => post(port, message));
};
let isLoaded = false;
const running = new Map<number, {
  context: Context;
  cancel: (reason: string, details?: ActivityCancellationDetails) => void;
}>();

// Deno lets an isolate without permissions signal its own process, write to a
// cache on the disk, and end without telling its parent.
const refuseSignal = () => {
  throw new Deno.errors.NotCapable(
    "Cannot send a signal: not available in an Activity sandbox",
  );
};
Object.defineProperty(Deno, "kill", { value: refuseSignal });
Object.defineProperty(process, "_kill", { value: refuseSignal });
Object.defineProperty(globalThis, "caches", { value: undefined });
Object.defineProperty(globalThis, "close", { value: () => Deno.exit(0) });
addEventListener("unload", () => {
  send({ type: "exit", id: currentId(), code: Deno.exitCode });
});
addEventListener("error", (event) => reportUncaught(event, event.error));
addEventListener(
  "unhandledrejection",
  (event) => reportUncaught(event, event.reason),
);

function reportUncaught(event: Event, error: unknown): void {
  event.preventDefault();
  const { message, stack = "" } = ensureApplicationFailure(error);
  if (!isLoaded) send({ type: "notLoaded", error: stack || message });
  else send({ type: "uncaught", id: currentId(), message, stack });
}

/** The Activity whose code runs now, where its asynchronous context is known. */
function currentId(): number | undefined {
  const current = asyncLocalStorage.getStore();
  for (const [id, { context }] of running) if (context === current) return id;
}

/** Serves the Activities that `module` exports, until the isolate ends. */
export async function serve(
  module: Record<string, unknown>,
  converter: PayloadConverter = defaultPayloadConverter,
): Promise<void> {
  const port = await connected;
  send = (message) => post(port, message);
  port.onmessage = ({ data }: MessageEvent<MessageIn>) => {
    if (data.type === "run") {
      run(module[data.name] as ActivityFunction, data, converter);
    } else if (data.type === "cancel") {
      running.get(data.id)?.cancel(data.reason, data.details);
    } else send({ type: "pong" });
  };
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
    const args = message.args.map((payload, index) =>
      fromPayloadWithTypeInfo(
        converter,
        payload,
        serialization,
        inputTypes?.[index],
      )
    );
    const context = createContext(message, converter);
    const result = await interruptible(
      () => asyncLocalStorage.run(context, async () => await activity(...args)),
      message,
    );
    send({
      type: "completed",
      id,
      result: toPayloadWithTypeInfo(
        converter,
        result,
        serialization,
        outputType,
      ),
    });
  } catch (error) {
    if (error instanceof CompleteAsyncError) {
      send({ type: "completesAsync", id });
    } else {
      send({
        type: "failed",
        id,
        error: toErrorMessage(error, converter, serialization),
      });
    }
  } finally {
    running.delete(id);
  }
}

const callKey = Symbol.for("temporal-on-deno.call");
const callScript = new Script(
  `globalThis[Symbol.for(${JSON.stringify(callKey.description)})]()`,
);

/**
 * Starts an Activity. If it blocks this thread before its first `await`, it is
 * interrupted at its timeout: nobody can do so from outside.
 */
function interruptible<T>(start: () => T, { name, info }: RunMessage): T {
  let result: T;
  Object.assign(globalThis, { [callKey]: () => void (result = start()) });
  const timeout = Math.min(info.startToCloseTimeoutMs || Infinity, 2 ** 31 - 1);
  try {
    callScript.runInThisContext({ timeout });
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") {
      throw error;
    }
    throw ApplicationFailure.retryable(
      `Cannot complete Activity "${name}": it blocked its thread until its ` +
        "Start-To-Close Timeout",
      SANDBOX_FAILURE,
    );
  }
  return result!;
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
    try {
      send({ type: "log", id, level, message, meta });
    } catch {
      // Functions and the like cannot be sent.
      const entries = Object.entries(meta ?? {})
        .map(([key, value]) => [key, Deno.inspect(value)]);
      send({
        type: "log",
        id,
        level,
        message,
        meta: Object.fromEntries(entries),
      });
    }
  };
  return {
    log,
    trace: (message, meta) => log("TRACE", message, meta),
    debug: (message, meta) => log("DEBUG", message, meta),
    info: (message, meta) => log("INFO", message, meta),
    warn: (message, meta) => log("WARN", message, meta),
    error: (message, meta) => log("ERROR", message, meta),
  };
}

function createMetricMeter(id: number, tags: MetricTags = {}): MetricMeter {
  // Each recorded value names its metric, so that nothing has to be kept outside.
  const create = (metric: MetricDescription, ownTags = tags) => {
    const record = (value: number, extraTags?: MetricTags) =>
      send({
        type: "metric",
        id,
        metric,
        value,
        tags: { ...ownTags, ...extraTags },
      });
    const withTags = (extraTags: MetricTags): unknown =>
      create(metric, { ...ownTags, ...extraTags });
    // deno-lint-ignore no-explicit-any
    return { ...metric, add: record, record, set: record, withTags } as any;
  };
  return {
    createCounter: (name, unit, description) =>
      create({ kind: "counter", name, valueType: "int", unit, description }),
    createUpDownCounter: (name, unit, description) =>
      create({
        kind: "up-down-counter",
        name,
        valueType: "int",
        unit,
        description,
      }),
    createHistogram: (name, valueType = "int", unit, description) =>
      create({ kind: "histogram", name, valueType, unit, description }),
    createGauge: (name, valueType = "int", unit, description) =>
      create({ kind: "gauge", name, valueType, unit, description }),
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
