/**
 * Runs Activities in isolates of their own (Deno Workers) that hold nothing but the
 * permissions listed for Activities, while the SDK stays outside. To the SDK each
 * is an ordinary Activity function: payload codecs, interceptors, retries and
 * timeouts work as without a sandbox.
 *
 * @module
 */

import { CompleteAsyncError, Context } from "@temporalio/activity";
import {
  type ActivitySerializationContext,
  ApplicationFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  type MetricMeter,
  type Payload,
  type PayloadConverter,
  RawValue,
  TemporalFailure,
  ValueError,
} from "@temporalio/common";
import { Runtime } from "@temporalio/worker";
import { DenoPluginError } from "../errors.ts";
import type { BrokerNotice, BrokerRequest } from "./broker.ts";
import {
  type ErrorMessage,
  type MessageIn,
  type MessageOut,
  SANDBOX_FAILURE,
} from "./messages.ts";
import { startWorker, type WorkerSetup } from "./worker.ts";

const LOAD_TIMEOUT_MS = 60_000;
type Timer = ReturnType<typeof setTimeout>;

const PINGS_UNTIL_UNRESPONSIVE = 5;
const PERMISSIONS = new Set(
  ["env", "ffi", "import", "net", "read", "run", "sys", "write"],
);
// deno-lint-ignore no-control-regex
const ANSI = /\x1b\[[0-9;]*m/g;

/** Options of {@linkcode ActivitySandbox.start}. */
export interface ActivitySandboxOptions {
  /**
   * What Activities may do, as for a Deno Worker: nothing by default. Loading their
   * module needs no permission of theirs.
   */
  permissions?: Deno.PermissionOptionsObject;
  /** The number of isolates, each in a thread of its own (default: 1). */
  isolates?: number;
  /** The URL of the module that `dataConverter.payloadConverterPath` names. */
  payloadConverter?: string;
  /** How long an isolate may block until it counts as unresponsive (default: 5 s). */
  unresponsiveAfterMs?: number;
}

/** Isolates that run the Activities of one module. */
export class ActivitySandbox {
  /** The Activities by their type, for the Worker's option `activities`. */
  readonly activities: Record<string, (...args: unknown[]) => Promise<unknown>>;
  readonly #isolates: Set<Isolate>;
  readonly #broker: Broker;

  /**
   * Loads the module with the URL `module`. Fails if it cannot be loaded, or if
   * this process does not hold all of `permissions`. After that, this process may
   * give up its own permissions.
   */
  static async start(
    module: string,
    options: ActivitySandboxOptions = {},
  ): Promise<ActivitySandbox> {
    const { isolates: size = 1, payloadConverter, permissions = {} } = options;
    const unknown = Object.keys(permissions)
      .find((kind) => !PERMISSIONS.has(kind));
    if (unknown) throw refusal(unknown, permissions, "no such permission");
    const imports = Object.entries({
      "{ serve }": import.meta.resolve("./isolate.ts"),
      ...payloadConverter && { "{ payloadConverter }": payloadConverter },
      "* as activities": new URL(module).href,
    }).map(([names, url]) => `import ${names} from ${JSON.stringify(url)};\n`);
    const setup = {
      source: `${imports.join("")}serve(activities${
        payloadConverter ? ", payloadConverter" : ""
      });`,
      permissions,
    };
    const settings: IsolateSettings = {
      module,
      converter: payloadConverter
        ? (await import(payloadConverter)).payloadConverter
        : defaultPayloadConverter,
      pingIntervalMs: (options.unresponsiveAfterMs ?? 5_000) /
        PINGS_UNTIL_UNRESPONSIVE,
    };
    const start: Start = (port, onError) => startWorker(setup, port, onError);
    let isolates: Isolate[];
    try {
      isolates = Array.from(
        { length: size },
        () => new Isolate(settings, start),
      );
    } catch (error) {
      // Deno says no more than that something is refused.
      findRefusal(permissions);
      throw error;
    }
    const broker = new Broker(setup);
    try {
      const [names] = await Promise.all([isolates[0].loaded, broker.ready]);
      if (names.length === 0) {
        throw new DenoPluginError(
          `Cannot load Activities from "${module}": it exports no function`,
        );
      }
      return new ActivitySandbox(names, isolates, broker, settings);
    } catch (error) {
      for (const isolate of isolates) isolate.end("another has failed");
      broker.terminate();
      throw error;
    }
  }

  private constructor(
    names: string[],
    isolates: Isolate[],
    broker: Broker,
    settings: IsolateSettings,
  ) {
    this.#isolates = new Set(isolates);
    this.#broker = broker;
    const leastBusy = () => {
      for (const isolate of this.#isolates) {
        if (isolate.hasEnded) this.#isolates.delete(isolate);
      }
      const active = [...this.#isolates].filter(({ isRetired }) => !isRetired);
      while (active.length < isolates.length) {
        const isolate = new Isolate(settings, broker.start);
        this.#isolates.add(isolate);
        active.push(isolate);
      }
      return active.reduce((a, b) => b.load < a.load ? b : a);
    };
    this.activities = Object.fromEntries(
      names.map((name) => [name, (...args) => leastBusy().run(name, args)]),
    );
  }

  /** Ends the isolates. Activities that still run in them fail. */
  close(): void {
    for (const isolate of this.#isolates) isolate.end("the Worker has stopped");
    this.#broker.terminate();
  }
}

/** Throws an error that names the permission that Deno refuses to a Deno Worker. */
function findRefusal(permissions: Deno.PermissionOptionsObject): void {
  for (const [kind, value] of Object.entries(permissions)) {
    try {
      new Worker("data:text/javascript,", {
        type: "module",
        deno: { permissions: { [kind]: value } },
      }).terminate();
    } catch (error) {
      const reason = error instanceof Deno.errors.NotCapable
        ? "this process does not have it; add it to the permissions of the " +
          "process, and create all Workers before one runs"
        : (error as Error).message;
      throw refusal(kind, permissions, reason);
    }
  }
}

function refusal(kind: string, permissions: object, reason: string) {
  const value = JSON.stringify(Reflect.get(permissions, kind));
  return new DenoPluginError(
    `Cannot give Activities the permission "${kind}" with the value ${value}: ` +
      reason,
  );
}

/** Starts a Deno Worker. */
type Start = (
  port: MessagePort,
  onError: (error: string) => void,
) => { terminate(): void };

/** The thread that starts Deno Workers once this one lacks the permissions. */
class Broker {
  /** Resolves once the broker holds its permissions. */
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #onError = new Map<number, (error: string) => void>();
  #nextId = 0;

  constructor(readonly setup: WorkerSetup) {
    this.#worker = new Worker(import.meta.resolve("./broker.ts"), {
      type: "module",
      name: "activity broker",
      deno: {
        // With the last two it loads modules. Activities do not inherit these.
        permissions: {
          ...setup.permissions,
          read: "inherit",
          import: "inherit",
        },
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot start the Activity broker: ${event.message}`));
    };
    this.#worker.onmessage = ({ data }: MessageEvent<BrokerNotice>) => {
      if (data.id === undefined) resolve();
      else this.#onError.get(data.id)?.(data.error!);
    };
  }

  readonly start: Start = (port, onError) => {
    const id = this.#nextId++;
    this.#onError.set(id, onError);
    this.#send({ type: "start", id, setup: this.setup, port }, [port]);
    return {
      terminate: () => {
        this.#onError.delete(id);
        this.#send({ type: "terminate", id });
      },
    };
  };

  #send(request: BrokerRequest, transfer: Transferable[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  terminate(): void {
    this.#worker.terminate();
  }
}

/** An Activity that runs in an isolate. */
interface Call {
  name: string;
  context: Context;
  serialization: ActivitySerializationContext;
  /** When its Start-To-Close Timeout has passed; the SDK notices seconds later. */
  deadline: number;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

interface IsolateSettings {
  module: string;
  converter: PayloadConverter;
  pingIntervalMs: number;
}

/** One isolate, seen from the SDK's side. */
class Isolate {
  /** The names of the Activities, once their module is loaded. */
  readonly loaded: Promise<string[]>;
  /** Whether no further Activities should start here. */
  isRetired = false;
  hasEnded = false;

  readonly #calls = new Map<number, Call>();
  readonly #port: MessagePort;
  readonly #worker: { terminate(): void };
  readonly #load = Promise.withResolvers<string[]>();
  readonly #loadTimer: Timer;
  #nextId = 0;
  #pings?: Timer;
  #unansweredPings = 0;
  #isLoaded = false;

  constructor(readonly settings: IsolateSettings, start: Start) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    // If Deno refuses to start it, nothing is left to end.
    this.#worker = start(port2, (error) => this.end(oneLine(error)));
    port1.onmessage = ({ data }) => this.#receive(data);
    this.loaded = this.#load.promise;
    this.loaded.catch(() => {});
    this.#loadTimer = setTimeout(
      () => this.end("it did not finish loading"),
      LOAD_TIMEOUT_MS,
    );
  }

  /** How busy the isolate is. One that does not respond is busier than any other. */
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
    const toPayload = (value: unknown) => {
      const payload = this.settings.converter.toPayload(value, serialization);
      // A view would take the whole buffer with it, which may hold other values.
      return { ...payload, data: payload.data && new Uint8Array(payload.data) };
    };
    const id = ++this.#nextId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#send({
      type: "run",
      id,
      name,
      args: args.map(toPayload),
      info: {
        ...info,
        taskToken: new Uint8Array(info.taskToken),
        heartbeatDetails: undefined,
      },
      heartbeatDetails: info.heartbeatDetails === undefined
        ? undefined
        : toPayload(info.heartbeatDetails),
      serialization,
    });
    const cancel = () =>
      this.#send({
        type: "cancel",
        id,
        reason: signal.reason.message,
        details: context.cancellationDetails,
      });
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel);
    const deadline = performance.now() +
      (info.startToCloseTimeoutMs || Infinity);
    this.#calls.set(id, {
      name,
      context,
      serialization,
      deadline,
      resolve,
      reject,
    });
    this.#pings ??= setInterval(
      () => this.#ping(),
      this.settings.pingIntervalMs,
    );
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

  /**
   * Ends the isolate. What runs in it fails with `reason`, to be retried. Deno
   * cannot interrupt a thread that never yields: it has no effect any more, but
   * runs until the process exits.
   */
  end(reason: string): void {
    if (this.hasEnded) return;
    this.hasEnded = this.isRetired = true;
    clearTimeout(this.#loadTimer);
    clearInterval(this.#pings);
    this.#port.close();
    this.#worker.terminate();
    this.#load.reject(
      new DenoPluginError(
        `Cannot load Activities from "${this.settings.module}": ${reason}`,
      ),
    );
    for (const call of this.#calls.values()) failCall(call, reason);
  }

  #send(message: MessageIn): void {
    this.#port.postMessage(message);
  }

  #ping(): void {
    if (!this.#isLoaded) return;
    this.#unansweredPings++;
    this.#send({ type: "ping" });
    if (!this.#isUnresponsive) return;
    const calls = [...this.#calls.values()];
    const names = calls.map(({ name }) => `"${name}"`).join(", ");
    if (this.#unansweredPings === PINGS_UNTIL_UNRESPONSIVE + 1) {
      log(
        `Activity sandbox does not respond: it is blocked by ${names}`,
      );
    }
    // An Activity may compute for as long as its timeout allows, not longer.
    const isOverdue = ({ context, deadline }: Call) =>
      context.cancellationSignal.aborted || performance.now() > deadline;
    if (calls.some(isOverdue)) {
      this.end(`its sandbox does not respond while it runs ${names}`);
    }
  }

  #receive(message: MessageOut): void {
    this.#unansweredPings = 0;
    const call = "id" in message ? this.#calls.get(message.id!) : undefined;
    try {
      if (call) this.#receiveFor(call, message);
    } catch (error) {
      // What Activity code has sent may not be convertible.
      call?.reject(error);
    }
    if (message.type === "loaded") {
      this.#isLoaded = true;
      clearTimeout(this.#loadTimer);
      this.#load.resolve(message.names);
    } else if (message.type === "notLoaded") {
      this.end(oneLine(message.error));
    } else if (message.type === "exit") {
      const { code } = message;
      this.end(
        `Deno.exit(${code}) ${
          call ? `in "${call.name}" ` : ""
        }ended its sandbox`,
      );
    } else if (message.type === "uncaught") {
      // Other Activities may complete, but no more start: the module's state may
      // be inconsistent.
      this.isRetired = true;
      const [only, ...others] = this.#calls.values();
      const culprit = call ?? (others.length === 0 ? only : undefined);
      const { stack } = message;
      log("Uncaught error in an Activity sandbox; restarting the sandbox", {
        stack,
      });
      if (culprit) {
        failCall(culprit, `uncaught error: ${message.message}`, stack);
      }
      if (!only) this.end("it has been replaced");
    }
  }

  #decodeResult(
    result: Payload,
    serialization: ActivitySerializationContext,
  ): unknown {
    try {
      return this.settings.converter.fromPayload(result, serialization);
    } catch {
      // A RawValue, or what JSON leaves of a function: the payload stays as it is.
      return RawValue.fromPayload(result);
    }
  }

  #receiveFor(call: Call, message: MessageOut): void {
    const { context, serialization } = call;
    switch (message.type) {
      case "completed":
        return call.resolve(
          this.#decodeResult(message.result, serialization),
        );
      case "completesAsync":
        return call.reject(new CompleteAsyncError());
      case "failed":
        return call.reject(
          toError(message.error, this.settings.converter, serialization),
        );
      case "heartbeat":
        return context.heartbeat(
          message.details &&
            this.settings.converter.fromPayload(message.details, serialization),
        );
      case "heartbeatFailed":
        // To the SDK, too, these are details that cannot be converted.
        return context.heartbeat({
          toJSON() {
            throw new ValueError(message.message);
          },
        });
      case "log":
        return context.log.log(message.level, message.message, message.meta);
      case "metric":
        return record(context.metricMeter, message);
    }
  }
}

function failCall(call: Call, reason: string, stack?: string): void {
  const failure = ApplicationFailure.create({
    message: `Cannot complete Activity "${call.name}": ${reason}`,
    type: SANDBOX_FAILURE,
  });
  failure.stack = stack ?? "";
  call.reject(failure);
}

function record(
  meter: MetricMeter,
  { metric, value, tags }: MessageOut & { type: "metric" },
): void {
  const { kind, name, valueType, unit, description } = metric;
  switch (kind) {
    case "counter":
      return meter.createCounter(name, unit, description).add(value, tags);
    case "up-down-counter":
      return meter.createUpDownCounter?.(name, unit, description)
        .add(value, tags);
    case "histogram":
      return meter.createHistogram(name, valueType, unit, description)
        .record(value, tags);
    case "gauge":
      return meter.createGauge(name, valueType, unit, description)
        .set(value, tags);
  }
}

/** The error that the SDK converts to the same failure as the one inside. */
function toError(
  { failure, isAbortError, nextRetryDelay }: ErrorMessage,
  converter: PayloadConverter,
  serialization: ActivitySerializationContext,
): Error {
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
  return error;
}

/** Reduces what Deno or an error's stack says to the reason and its line. */
function oneLine(text: string): string {
  const plain = text.replace(ANSI, "");
  const [reason] = plain.split("\n", 1);
  const [place] = plain.match(/(?:file|https?|data|npm|jsr):[^\s)]+:\d+/) ?? [];
  return place && !reason.includes(place) ? `${reason} (${place})` : reason;
}

function log(message: string, meta?: object): void {
  Runtime.instance().logger.warn(message, { sdkComponent: "worker", ...meta });
}
