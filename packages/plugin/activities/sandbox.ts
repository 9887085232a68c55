/**
 * Runs Activities in processes of their own that hold nothing but the permissions
 * listed for Activities, while the SDK stays outside. To the SDK each is an ordinary
 * Activity function: payload codecs, interceptors, retries and timeouts work as
 * without a sandbox.
 *
 * @module
 */

import { CompleteAsyncError, Context } from "@temporalio/activity";
import * as common from "@temporalio/common";
import {
  type ActivitySerializationContext,
  ApplicationFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  ensureApplicationFailure,
  type LogLevel,
  type MetricMeter,
  type Payload,
  type PayloadConverter,
  type ProtoFailure,
  RawValue,
  TemporalFailure,
  ValueError,
} from "@temporalio/common";
import { Runtime } from "@temporalio/worker";
import { createRequire } from "node:module";
import { serialize } from "node:v8";
import { DenoPluginError } from "../errors.ts";
import { sdkModule } from "../workflows/bundle.ts";
import { type ProcessOptions, toLauncherOptions } from "./command.ts";
import { type EndNotice, FrameReader, toFrame } from "./frames.ts";
import {
  type ErrorMessage,
  fromBytes,
  KEY_LENGTH,
  MAX_FRAME,
  MAX_PRINTED,
  type MessageIn,
  type MessageOut,
  OTEL_API,
  OTEL_SPAN,
  SANDBOX_FAILURE,
  type SpanContext,
} from "./messages.ts";
import { Launcher, type ProcessListener } from "./processes.ts";

type Timer = ReturnType<typeof setTimeout>;

const PINGS_UNTIL_UNRESPONSIVE = 5;
/** How much of what a process prints in one line, or at its end, is kept. */
const MAX_LINE = 10_000;

/** How many causes of an error are kept: messages of protobuf have 100 levels. */
const MAX_CAUSES = 50;

/** How much of a line of a stack trace is kept: the SDK searches it by slow patterns. */
const MAX_STACK_LINE = 2_000;

/** How long a result may be to be converted: JSON takes up to 22 times as much memory. */
const MAX_CONVERTED = 2 ** 24;

/** How deep JSON may be nested: V8 takes seconds to write what is a million deep. */
const MAX_DEPTH = 10_000;
/** JSON that is shorter needs no check. */
const MIN_DEEP_LENGTH = 100_000;

/** How many metrics, each with its attributes, are kept: the SDK forgets none. */
const MAX_METRICS = 10_000;
/** How long such a metric may be, as JSON. */
const MAX_METRIC_LENGTH = 2_000;

const { temporal } = createRequire(sdkModule)("@temporalio/proto");

/** A line of what V8 prints when it ends a process, or an empty one. */
const DUMP = /^(?:$|#|<--- |\[\d+:0x|==== C stack| {4}\S+\(\+0x)/;

/** Options of {@linkcode ActivitySandbox.start}. */
export interface ActivitySandboxOptions extends Omit<ProcessOptions, "module"> {
  /** The number of processes (default: 1). */
  processes?: number;
  /** How long loading the module may take (default: 60 s). */
  loadTimeoutMs?: number;
  /** How long a process may block until it counts as unresponsive (default: 5 s). */
  unresponsiveAfterMs?: number;
  /** How long the module may take to end (default: 5 s). */
  closeTimeoutMs?: number;
}

/** Ends the processes of a sandbox that nobody can use any more. */
const abandoned = new FinalizationRegistry((launcher: Launcher) => {
  launcher.close();
});

/** Processes that run the Activities of one module. */
export class ActivitySandbox {
  /** The Activities by their type, for the Worker's option `activities`. */
  readonly activities: Record<string, (...args: unknown[]) => Promise<unknown>>;
  /** Settles when no more processes can be started. */
  readonly ended: Promise<void>;
  readonly #processes: Set<ActivityProcess>;
  readonly #launcher: Launcher;
  readonly #settings: ProcessSettings;
  readonly #size: number;

  /**
   * Loads the module with the URL `module`. After that, this process may give up its
   * own permissions.
   *
   * @throws {DenoPluginError} if the module cannot be loaded
   */
  static async start(
    module: string,
    options: ActivitySandboxOptions = {},
  ): Promise<ActivitySandbox> {
    const { payloadConverter, processes: size = 1 } = options;
    if (!Number.isInteger(size) || size < 1) {
      throw new DenoPluginError(
        `Cannot run Activities in "${size}" processes: pass a positive integer`,
      );
    }
    const launcher = await Launcher.start(
      toLauncherOptions({ ...options, module }),
    );
    const unresponsiveAfterMs = options.unresponsiveAfterMs ?? 5_000;
    try {
      const settings: ProcessSettings = {
        module,
        closeTimeoutMs: options.closeTimeoutMs ?? 5_000,
        heapLimitMB: options.heapLimitMB,
        loadTimeoutMs: options.loadTimeoutMs ?? 60_000,
        metrics: new Set(),
        passesPayloads: false,
        pingIntervalMs: unresponsiveAfterMs / PINGS_UNTIL_UNRESPONSIVE,
        converter: limitDepth(
          payloadConverter
            ? (await import(payloadConverter)).payloadConverter
            : defaultPayloadConverter,
        ),
      };
      const processes = Array.from(
        { length: size },
        () => new ActivityProcess(settings, launcher),
      );
      const names = await processes[0].loaded;
      if (names.length === 0) {
        throw new DenoPluginError(
          `Cannot load Activities from "${module}": it exports no function`,
        );
      }
      return new ActivitySandbox(names, processes, launcher, settings);
    } catch (error) {
      await launcher.close();
      throw error;
    }
  }

  private constructor(
    names: string[],
    processes: ActivityProcess[],
    launcher: Launcher,
    settings: ProcessSettings,
  ) {
    this.#processes = new Set(processes);
    this.#launcher = launcher;
    this.#settings = settings;
    this.#size = processes.length;
    this.ended = launcher.ended;
    this.activities = Object.fromEntries(
      names.map((name) => [name, (...args) => this.#run(name, args)]),
    );
    abandoned.register(this, launcher, this);
  }

  /**
   * Lets arguments and results through as the Payloads that they are, which saves
   * converting them twice. Interceptors would see them as `RawValue`.
   */
  passPayloads(): void {
    // 1.23 does not have it.
    if (!("rawValueTypeInfo" in common)) return;
    const { rawValueTypeInfo: raw } = common;
    this.#settings.passesPayloads = true;
    const inputTypes = new Proxy([], { get: () => raw });
    const activityDefinitionOptions = {
      typeInfo: { inputTypes, outputType: raw },
    };
    for (const activity of Object.values(this.activities)) {
      Object.assign(activity, { activityDefinitionOptions });
    }
  }

  /** Lets the module end in each process. Activities that still run there fail. */
  async close(): Promise<void> {
    abandoned.unregister(this);
    await Promise.all(
      Array.from(this.#processes, (process) => process.close()),
    );
    await this.#launcher.close();
  }

  /** Runs an Activity in the process that is the least busy. */
  #run(name: string, args: unknown[]): Promise<unknown> {
    for (const process of this.#processes) {
      if (process.hasEnded) this.#processes.delete(process);
    }
    const active = [...this.#processes].filter(({ isRetired }) => !isRetired);
    while (active.length < this.#size) {
      const process = new ActivityProcess(this.#settings, this.#launcher);
      this.#processes.add(process);
      active.push(process);
    }
    return active.reduce((a, b) => b.load < a.load ? b : a).run(name, args);
  }
}

/** An Activity that runs in a process. */
interface Call {
  name: string;
  context: Context;
  serialization: ActivitySerializationContext;
  /** When its Start-To-Close Timeout has passed; the SDK notices seconds later. */
  deadline: number;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

interface ProcessSettings {
  module: string;
  converter: PayloadConverter;
  closeTimeoutMs: number;
  heapLimitMB?: number;
  loadTimeoutMs: number;
  /** What Activities have recorded so far, in whichever process. */
  metrics: Set<string>;
  passesPayloads: boolean;
  pingIntervalMs: number;
}

/** One process, seen from the SDK's side. */
class ActivityProcess implements ProcessListener {
  /** The names of the Activities, once their module is loaded. */
  readonly loaded: Promise<string[]>;
  /** Whether no further Activities should start here. */
  isRetired = false;
  hasEnded = false;

  readonly #calls = new Map<number, Call>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #frames = new FrameReader(MAX_FRAME);
  readonly #id: number;
  readonly #key = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
  readonly #launcher: Launcher;
  readonly #load = Promise.withResolvers<string[]>();
  readonly #loadTimer: Timer;
  /** For stdout and stderr: what is to become a line. */
  readonly #printed = [false, true].map((isError) => ({
    decoder: new TextDecoder(),
    isError,
    text: "",
  }));
  readonly #settings: ProcessSettings;
  #nextId = 0;
  #pings?: Timer;
  #unansweredPings = 0;
  #isLoaded = false;
  #ignoresMetrics = false;
  /** The end of what was printed on stderr, where Deno says why it ends. */
  #lastWords = "";

  constructor(settings: ProcessSettings, launcher: Launcher) {
    this.#settings = settings;
    this.#launcher = launcher;
    this.#id = launcher.start(this);
    launcher.write(this.#id, this.#key);
    this.loaded = this.#load.promise;
    this.loaded.catch(() => {});
    this.#loadTimer = setTimeout(
      () => this.end("it did not finish loading"),
      settings.loadTimeoutMs,
    );
  }

  /** How busy the process is. One that does not respond is busier than any other. */
  get load(): number {
    return this.#isUnresponsive ? Infinity : this.#calls.size;
  }

  get #isUnresponsive(): boolean {
    return this.#unansweredPings > PINGS_UNTIL_UNRESPONSIVE;
  }

  /** Runs the Activity `name`, in the SDK's context of the current Activity. */
  async run(name: string, args: unknown[]): Promise<unknown> {
    const context = Context.current();
    const { cancellationSignal: signal, info } = context;
    const serialization: ActivitySerializationContext = {
      type: "activity",
      namespace: info.namespace,
      activityId: info.activityId,
      workflowId: info.workflowExecution?.workflowId,
      isLocal: info.isLocal,
    };
    const toPayload = (value: unknown) =>
      value instanceof RawValue
        ? value.payload
        : this.#settings.converter.toPayload(value, serialization);
    const id = ++this.#nextId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const { heartbeatDetails: details } = info;
    this.#send({
      type: "run",
      id,
      name,
      args: args.map(toPayload),
      info: { ...info, heartbeatDetails: undefined },
      heartbeatDetails: details === undefined ? details : toPayload(details),
      serialization,
      span: currentSpan(),
    });
    const cancel = () => {
      const { cancellationDetails: details } = context;
      const { message: reason } = signal.reason;
      this.#send({ type: "cancel", id, reason, details });
    };
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel);
    const deadline = performance.now() +
      (info.startToCloseTimeoutMs || Infinity);
    const call = { name, context, serialization, deadline, resolve, reject };
    this.#calls.set(id, call);
    const { pingIntervalMs } = this.#settings;
    this.#pings ??= setInterval(() => this.#ping(), pingIntervalMs);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#calls.delete(id);
      if (this.#calls.size === 0) {
        clearInterval(this.#pings);
        this.#pings = undefined;
        this.#unansweredPings = 0;
        if (this.isRetired) this.end("it has been replaced");
      }
    }
  }

  /** Ends the process. What runs in it fails with `reason`, to be retried. */
  end(reason: string): void {
    if (this.hasEnded) return;
    if (this.#isLoaded && !this.isRetired) {
      log("WARN", `Activity sandbox restarts: ${reason}`);
    }
    this.hasEnded = this.isRetired = true;
    clearTimeout(this.#loadTimer);
    clearInterval(this.#pings);
    this.#launcher.kill(this.#id);
    this.#load.reject(
      new DenoPluginError(
        `Cannot load Activities from "${this.#settings.module}": ${reason}`,
      ),
    );
    for (const call of this.#calls.values()) failCall(call, reason);
  }

  /** Lets the module end, and then the process. */
  async close(): Promise<void> {
    const reason = "the Worker has stopped";
    this.isRetired = true;
    if (this.#isLoaded && !this.hasEnded) {
      for (const call of this.#calls.values()) failCall(call, reason);
      this.#send({ type: "close" });
      const { closeTimeoutMs } = this.#settings;
      const timer = setTimeout(() => this.#ended.resolve(), closeTimeoutMs);
      await this.#ended.promise;
      clearTimeout(timer);
    }
    this.end(reason);
  }

  *onData(bytes: Uint8Array): Generator<void> {
    try {
      for (const frame of this.#frames.read(bytes)) {
        if (this.hasEnded) return;
        if (!this.#key.every((byte, index) => byte === frame[index])) {
          throw new Error("wrong key");
        }
        const { message, data } = fromBytes(frame.subarray(KEY_LENGTH));
        yield* this.#receive(message, data);
        yield;
      }
    } catch {
      this.end(`its sandbox sent invalid data${this.#running}`);
    }
  }

  *onOutput(bytes: Uint8Array, isError: boolean): Generator<void> {
    const printed = this.#printed[Number(isError)];
    const text = printed.decoder.decode(bytes, { stream: true });
    if (isError) this.#lastWords = (this.#lastWords + text).slice(-MAX_LINE);
    if (this.#isLoaded) yield* this.#print(printed, text);
    // If the module does not load, this is the reason.
    else printed.text = (printed.text + text).slice(-MAX_LINE);
  }

  onEnd({ code, error, signal }: EndNotice): void {
    this.#ended.resolve();
    if (error) return this.end(error);
    if (this.#isLoaded) {
      // What is left is a line each.
      for (const printed of this.#printed) [...this.#print(printed, "\n")];
    } else {
      const [, reason] = /^error: (?:Uncaught (?:\(in promise\) )?)?(.*)/m
        .exec(this.#lastWords) ?? [];
      if (reason) return this.end(oneLine(this.#lastWords, reason));
    }
    const { heapLimitMB } = this.#settings;
    const limit = heapLimitMB ? ` (heapLimitMB: ${heapLimitMB})` : "";
    const reason = /JavaScript( heap)? out of memory/.test(this.#lastWords)
      ? `ran out of memory${limit}`
      : `ended with ${signal ?? `exit code ${code}`}`;
    this.end(`its sandbox ${reason}${this.#running}`);
  }

  /** Says which Activities run here, for the reason of an end. */
  get #running(): string {
    const names = Array.from(this.#calls.values(), ({ name }) => `"${name}"`);
    return names.length ? ` while it runs ${names.join(", ")}` : "";
  }

  #send(message: MessageIn): void {
    this.#launcher.write(this.#id, toFrame(serialize(message)));
  }

  /** Logs what is printed, line by line. */
  *#print(
    printed: { isError: boolean; text: string },
    text: string,
  ): Generator<void> {
    const lines = (printed.text + text).split("\n");
    printed.text = lines.pop()!;
    if (printed.text.length > MAX_LINE) {
      lines.push(printed.text);
      printed.text = "";
    }
    // Past the console, the Activity is known if there is but one.
    const [only, ...others] = this.#calls.values();
    const call = others.length === 0 ? only : undefined;
    for (const line of lines) {
      if (!DUMP.test(line)) logLine(line, printed.isError, call);
      yield;
    }
  }

  #ping(): void {
    if (!this.#isLoaded) return;
    this.#unansweredPings++;
    this.#send({ type: "ping" });
    const isLate = ({ deadline }: Call) => performance.now() > deadline;
    if (this.isRetired && this.#calls.values().every(isLate)) {
      return this.end("it has been replaced");
    }
    if (!this.#isUnresponsive) return;
    if (this.#unansweredPings === PINGS_UNTIL_UNRESPONSIVE + 1) {
      log("WARN", `Activity sandbox does not respond${this.#running}`);
    }
    // An Activity may compute for as long as its timeout allows, not longer.
    const isOverdue = (call: Call) =>
      call.context.cancellationSignal.aborted || isLate(call);
    if (this.#calls.values().some(isOverdue)) {
      this.end(`its sandbox does not respond${this.#running}`);
    }
  }

  *#receive(message: MessageOut, data: Uint8Array): Generator<void> {
    if (message.type === "pong") this.#unansweredPings = 0;
    const call = "id" in message ? this.#calls.get(message.id!) : undefined;
    try {
      if (call) this.#receiveFor(call, message, data);
    } catch (error) {
      // What Activity code has sent may not be convertible.
      call?.reject(error);
    }
    if (message.type === "loaded") {
      this.#isLoaded = true;
      clearTimeout(this.#loadTimer);
      for (const printed of this.#printed) yield* this.#print(printed, "");
      this.#load.resolve(message.names);
    } else if (message.type === "notLoaded") {
      this.end(oneLine(message.error.slice(0, MAX_LINE)));
    } else if (message.type === "print") {
      const text = message.text.slice(0, MAX_PRINTED);
      for (const line of text.trimEnd().split("\n")) {
        logLine(line, message.isError, call);
        yield;
      }
    } else if (message.type === "exit") {
      const code = Number(message.code);
      const where = call ? `in "${call.name}" ` : "";
      this.end(`Deno.exit(${code}) ${where}ended its sandbox`);
    } else if (message.type === "uncaught") {
      // Other Activities may complete, but no more start: the module's state may
      // be inconsistent.
      this.isRetired = true;
      const [only, ...others] = this.#calls.values();
      const culprit = call ?? (others.length === 0 ? only : undefined);
      const stack = `${message.stack}`.slice(0, MAX_PRINTED);
      log(
        "WARN",
        "Uncaught error in an Activity sandbox; restarting the sandbox",
        { stack },
      );
      if (culprit) {
        failCall(culprit, `uncaught error: ${message.message}`, stack);
      }
      if (!only) this.end("it has been replaced");
    }
  }

  #receiveFor(call: Call, message: MessageOut, data: Uint8Array): void {
    const { context, serialization } = call;
    const { converter, passesPayloads } = this.#settings;
    switch (message.type) {
      case "completed": {
        const { metadata } = message;
        const result = requirePayload({ metadata, data });
        if (passesPayloads || data.length > MAX_CONVERTED) {
          return call.resolve(RawValue.fromPayload(result));
        }
        try {
          return call.resolve(converter.fromPayload(result, serialization));
        } catch {
          // A RawValue, or what JSON leaves of a function: the payload stays as it is.
          return call.resolve(RawValue.fromPayload(result));
        }
      }
      case "completesAsync":
        return call.reject(new CompleteAsyncError());
      case "failed":
        return call.reject(toError(message.error, converter, serialization));
      case "heartbeat": {
        const { details } = message;
        return context.heartbeat(
          details &&
            converter.fromPayload(requirePayload(details), serialization),
        );
      }
      case "heartbeatFailed":
        // To the SDK, too, these are details that cannot be converted.
        return context.heartbeat({
          toJSON() {
            throw new ValueError(message.message);
          },
        });
      case "log":
        // A logger may trust what the SDK says of its own entries.
        return context.log.log(message.level, `${message.message}`, {
          ...message.meta,
          sdkComponent: "activity",
        });
      case "metric":
        if (this.#keeps(message)) record(context.metricMeter, message);
    }
  }

  /** Whether a metric with these attributes is known, or may become so. */
  #keeps({ metric, tags }: MessageOut & { type: "metric" }): boolean {
    const { metrics } = this.#settings;
    const text = JSON.stringify([metric, tags]);
    if (metrics.has(text)) return true;
    if (metrics.size < MAX_METRICS && text.length <= MAX_METRIC_LENGTH) {
      metrics.add(text);
      return true;
    }
    if (!this.#ignoresMetrics) {
      log(
        "WARN",
        "Activity sandbox ignores metrics: Activities can record " +
          `"${MAX_METRICS}" combinations of a metric and its attributes, each of ` +
          `up to "${MAX_METRIC_LENGTH}" characters; use attributes with few values`,
      );
    }
    this.#ignoresMetrics = true;
    return false;
  }
}

function failCall(call: Call, reason: string, stack = ""): void {
  const failure = ApplicationFailure.create({
    message: `Cannot complete Activity "${call.name}": ${reason}`,
    type: SANDBOX_FAILURE,
  });
  failure.stack = shortenStack(stack);
  call.reject(failure);
}

function record(
  meter: MetricMeter,
  { metric, value, tags }: MessageOut & { type: "metric" },
): void {
  const { kind, name, valueType: type, unit, description } = metric;
  if (kind === "counter") {
    meter.createCounter(name, unit, description).add(value, tags);
  } else if (kind === "up-down-counter") {
    meter.createUpDownCounter?.(name, unit, description).add(value, tags);
  } else if (kind === "histogram") {
    meter.createHistogram(name, type, unit, description).record(value, tags);
  } else if (kind === "gauge") {
    meter.createGauge(name, type, unit, description).set(value, tags);
  }
}

/**
 * Returns a payload of nothing but bytes.
 *
 * @throws {TypeError} if a process has sent something else: the SDK encodes it where
 * an error ends the Worker
 */
function requirePayload({ metadata, data }: Payload): Payload {
  const parts = [...Object.values(metadata!), ...data ? [data] : []];
  if (!parts.every((part: unknown) => part instanceof Uint8Array)) {
    throw new TypeError("Cannot read a payload: it holds other than bytes");
  }
  return { metadata, data };
}

/** The error that the SDK converts to the same failure as the one inside. */
function toError(
  { failure, isAbortError, nextRetryDelay }: ErrorMessage,
  converter: PayloadConverter,
  serialization: ActivitySerializationContext,
): Error {
  let last: ProtoFailure | null | undefined = failure;
  for (let causes = 0; last; last = last.cause) {
    // The one would hold the failure as it is, the other replace its stack.
    delete last.nexusHandlerFailureInfo;
    delete last.encodedAttributes;
    if (last.stackTrace) last.stackTrace = shortenStack(last.stackTrace);
    if (++causes === MAX_CAUSES) delete last.cause;
  }
  const error = defaultFailureConverter
    .failureToError(failure, converter, serialization);
  // The SDK would take these as they are, past the Worker's failure converter.
  for (let e: unknown = error; e instanceof TemporalFailure; e = e.cause) {
    delete e.failure;
  }
  Object.assign(error, nextRetryDelay && { nextRetryDelay });
  // The SDK recognizes an Activity that ends by its signal by this name.
  if (isAbortError) {
    Object.defineProperty(error, "name", { value: "AbortError" });
  }
  // The SDK encodes it where an error ends the Worker.
  temporal.api.failure.v1.Failure.encode(
    defaultFailureConverter.errorToFailure(
      ensureApplicationFailure(error),
      converter,
      serialization,
    ),
  );
  return error;
}

/** Shortens what patterns such as `\s+at .*` take a time for that grows by its square. */
function shortenStack(stack: string): string {
  return stack.split("\n").map((line) =>
    line.replace(/\s{50,}/g, " ").slice(0, MAX_STACK_LINE)
  ).join("\n");
}

/** Makes a converter refuse JSON that is nested too deeply. */
function limitDepth(converter: PayloadConverter): PayloadConverter {
  return {
    toPayload: (value, context) => converter.toPayload(value, context),
    fromPayload(payload, context) {
      const { data, metadata } = payload;
      const encoding = new TextDecoder().decode(metadata?.encoding);
      const isJson = encoding.startsWith("json/");
      if (isJson && data && data.length >= MIN_DEEP_LENGTH) requireDepth(data);
      return converter.fromPayload(payload, context);
    },
  };
}

const [QUOTE, BACKSLASH, BRACKET, BRACE, CLOSING_BRACKET, CLOSING_BRACE] =
  new TextEncoder().encode('"\\[{]}');

function requireDepth(json: Uint8Array): void {
  let depth = 0;
  let isText = false;
  for (let index = 0; index < json.length; index++) {
    const byte = json[index];
    if (byte === QUOTE) isText = !isText;
    else if (isText) index += Number(byte === BACKSLASH);
    else if (byte === BRACKET || byte === BRACE) depth++;
    else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) depth--;
    if (depth > MAX_DEPTH) {
      throw new RangeError("JSON that is nested too deeply");
    }
  }
}

/** Reduces what Deno or an error's stack says to the reason and its line. */
function oneLine(text: string, reason = text.split("\n", 1)[0]): string {
  const [place] = text.match(/(?:file|https?|data|npm|jsr):[^\s)]+:\d+/) ?? [];
  return escape(
    place && !reason.includes(place) ? `${reason} (${place})` : reason,
  );
}

/** Escapes control characters: what an Activity prints may not pass for other lines. */
function escape(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) =>
      character === "\t"
        ? character
        : `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

function logLine(line: string, isError: boolean, call?: Call): void {
  log(isError ? "WARN" : "INFO", escape(line.slice(0, MAX_LINE)), {
    sdkComponent: "activity",
    activityType: call?.name,
    activityId: call?.context.info.activityId,
    workflowId: call?.context.info.workflowExecution?.workflowId,
  });
}

function log(level: LogLevel, message: string, meta?: object): void {
  const { logger } = Runtime.instance();
  logger.log(level, message, { sdkComponent: "worker", ...meta });
}

/** The span of OpenTelemetry in which the SDK runs the current Activity. */
function currentSpan(): SpanContext | undefined {
  const span = Reflect.get(globalThis, OTEL_API)?.context?.active()
    .getValue(OTEL_SPAN)?.spanContext();
  return span && {
    traceId: span.traceId,
    spanId: span.spanId,
    traceFlags: span.traceFlags,
  };
}
