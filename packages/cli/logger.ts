/**
 * What a Worker logs, and where it serves its metrics.
 *
 * @module
 */

import {
  DefaultLogger,
  type LogEntry,
  type LogLevel,
  type LogMetadata,
  makeTelemetryFilterString,
  Runtime,
} from "@temporalio/worker";
import { escapeControls, toText, UserError } from "./errors.ts";
import { type Execution, TaskFailures } from "./task_failures.ts";

const logLevels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] as const;

/** The part of the SDK's core that logs each call it has to repeat. */
const retries = "temporalio_client::retry";

/** Messages that the program reports in its own words when the Worker fails. */
const failures = new Set([
  "Network error while describing namespace for heartbeat capabilities",
  "Worker failed",
]);

/** Attributes that the SDK adds to each entry, and the text format omits. */
const sdkAttributes = new Set(
  ("activityId activityType attempt durationMs error isLocal namespace runId " +
    "sdkComponent spanContexts target taskQueue taskToken workflowId " +
    "workflowRunId workflowType").split(" "),
);

/** Options of {@linkcode installRuntime}. */
export interface RuntimeOptions {
  /** Called when a call to the Temporal Service fails and is repeated. */
  onRetry: () => void;
  /** Asks the Temporal Service for the current attempt of a Workflow Task. */
  countAttempts: (execution: Execution) => Promise<number>;
  /** `text`, a line each, or `json`, an object each (default: text). */
  logFormat?: string;
  /** Where to serve metrics for Prometheus, as `IP:PORT`. */
  metricsAddress?: string;
}

/**
 * Sets up the SDK's runtime. By default it logs what Workflows and Activities log
 * from INFO on, and what the SDK logs from WARN on; `LOG_LEVEL` sets both.
 *
 * @throws {UserError} if there is no such level, format or address
 */
export function installRuntime(options: RuntimeOptions) {
  const { logFormat = "text", metricsAddress } = options;
  const wanted = Deno.env.get("LOG_LEVEL");
  const level = logLevels.find((level) => level === wanted?.toUpperCase());
  if (wanted && !level) {
    throw new UserError(
      `Cannot use LOG_LEVEL "${wanted}": use ${logLevels.join(", ")}`,
    );
  }
  const format = new Map([["text", formatText], ["json", formatJson]])
    .get(logFormat);
  if (!format) {
    throw new UserError(
      `Cannot use log format "${logFormat}": use text or json`,
    );
  }
  const logger = new WorkerLogger(level, options, format);
  const core = level ?? "WARN";
  const filter = makeTelemetryFilterString({ core, other: "ERROR" });
  try {
    Runtime.install({
      logger,
      telemetryOptions: {
        // Without "forward", the core prints its logs itself.
        logging: { filter: `${filter},${retries}=DEBUG`, forward: {} },
        ...metricsAddress &&
          { metrics: { prometheus: { bindAddress: metricsAddress } } },
      },
    });
  } catch (error) {
    if (!metricsAddress) throw error;
    throw new UserError(
      `Cannot serve metrics at "${metricsAddress}": ` +
        `${(error as Error).message}; pass IP:PORT`,
    );
  }
}

/** Drops entries below the minimum level before it formats them. */
class WorkerLogger extends DefaultLogger {
  readonly #minimum: { application: number; sdk: number };
  readonly #onRetry: () => void;
  readonly #failures: TaskFailures;

  constructor(
    level: LogLevel | undefined,
    { countAttempts, onRetry }: RuntimeOptions,
    format: (entry: LogEntry) => string,
  ) {
    super("TRACE", (entry) => console.error(format(entry)));
    this.#minimum = {
      application: logLevels.indexOf(level ?? "INFO"),
      sdk: logLevels.indexOf(level ?? "WARN"),
    };
    this.#onRetry = onRetry;
    this.#failures = new TaskFailures(
      (message, meta) => this.log("WARN", message, meta),
      countAttempts,
    );
  }

  override log(level: LogLevel, given: string, meta?: LogMetadata) {
    let message = toText(given);
    const component = meta?.sdkComponent;
    const isApplication = component === "activity" || component === "workflow";
    if (!isApplication && meta?.target === retries) return this.#onRetry();
    // What an Activity logs may have attributes of the same names.
    const isOwn = component !== "activity";
    if (isOwn && this.#failures.take(message, meta)) return;
    if (isOwn && meta?.taskEncoded) {
      // The whole task, as JSON and as base64, at each attempt.
      const { task: _task, taskEncoded: _taskEncoded, ...printed } = meta;
      if (message.includes("is not registered on this Worker")) {
        message +=
          "; export it from the module of Activities, and restart the Worker";
        // The stack repeats the message, and is the SDK's own.
        delete printed.error;
      }
      meta = printed;
    }
    const { application, sdk } = this.#minimum;
    const minimum = isApplication ? application : sdk;
    if (logLevels.indexOf(level) >= minimum && !failures.has(message)) {
      super.log(level, message, meta);
    }
  }
}

/**
 * Time, level, message, whose it is, its own attributes, and an error's stack, whose
 * lines are indented: nothing else starts a line.
 */
export function formatText(
  { level, message, meta = {}, ...entry }: LogEntry,
): string {
  const { activityType, error, workflowId } = meta;
  const subjects = [
    activityType && ` Activity "${toText(activityType)}"`,
    workflowId && !message.startsWith(`Workflow "`) &&
    ` Workflow "${toText(workflowId)}"`,
  ].filter(Boolean).join(",");
  const attributes = Object.entries(meta)
    .filter(([key, value]) => !sdkAttributes.has(key) && value !== undefined)
    .map(([key, value]) => ` ${key}=${toJson(value)}`);
  // Errors from Workflow code belong to another realm: instanceof is false.
  const stack = error?.stack
    ? `\n${toText(error.stack)}`.replace(/\n(?! )/g, "\n  ")
    : "";
  const line = `${time(entry)} ${level} ${message}${subjects}`;
  return escapeControls(line + attributes.join("")) +
    escapeControls(stack, /\n/);
}

/** All attributes, as one object. None takes the place of time, level or message. */
export function formatJson(
  { level, message, meta, ...entry }: LogEntry,
): string {
  const own = { time: time(entry), level, message };
  const attributes = Object.entries({ ...own, ...meta, ...own })
    .map(([key, value]) => [JSON.stringify(key), toJson(value)])
    .filter(([_, json]) => json !== undefined);
  // JSON.stringify leaves some control characters as they are.
  return escapeControls(
    `{${attributes.map((pair) => pair.join(":")).join(",")}}`,
  );
}

function time({ timestampNanos }: Pick<LogEntry, "timestampNanos">): string {
  return new Date(Number(timestampNanos / 1_000_000n)).toISOString();
}

function toJson(value: unknown): string | undefined {
  // deno-lint-ignore no-explicit-any
  const replace = (_: string, value: any) => {
    if (typeof value === "bigint") return value.toString();
    if (typeof value?.stack !== "string") return value;
    const { name, message, stack } = value;
    return { ...value, name, message, stack };
  };
  try {
    return JSON.stringify(value, replace);
  } catch {
    // A circle, for instance. Nobody would catch an error of the log.
    return JSON.stringify(Deno.inspect(value));
  }
}
