/**
 * The messages between the SDK's side and an Activity process. Values travel as
 * payloads: structured clone would lose classes and `toJSON` methods.
 *
 * @module
 */

import type { Info } from "@temporalio/activity";
import type {
  ActivityCancellationDetails,
  ActivitySerializationContext,
  LogLevel,
  Metric,
  MetricTags,
  Payload,
  ProtoFailure,
} from "@temporalio/common";

/** The type of an Activity's failure when its process cannot complete it. */
export const SANDBOX_FAILURE = "ActivitySandboxFailure";

/** The length of the random bytes that precede each message of a process. */
export const KEY_LENGTH = 16;

/** How much of one text that an Activity prints is kept. */
export const MAX_PRINTED = 100_000;

/** Where OpenTelemetry, whether Deno's or a package's, has its global state. */
export const OTEL_API = Symbol.for("opentelemetry.js.api.1");

/** Where a context of OpenTelemetry has its span. */
export const OTEL_SPAN = Symbol.for("OpenTelemetry Context Key SPAN");

/** The span of OpenTelemetry that an Activity belongs to. */
export interface SpanContext {
  traceId: string;
  spanId: string;
  traceFlags: number;
}

/** What starts an Activity. Values travel as payloads, which lose nothing. */
export interface RunMessage {
  type: "run";
  id: number;
  name: string;
  args: Payload[];
  info: Info;
  heartbeatDetails?: Payload;
  serialization: ActivitySerializationContext;
  span?: SpanContext;
}

/** What the SDK's side sends to the process. */
export type MessageIn =
  | RunMessage
  | {
    type: "cancel";
    id: number;
    reason: string;
    details?: ActivityCancellationDetails;
  }
  | { type: "ping" }
  | { type: "close" };

/** An error, as a failure whose values are payloads. */
export interface ErrorMessage {
  failure: ProtoFailure;
  nextRetryDelay?: string | number | null;
  isAbortError: boolean;
}

/** A metric that an Activity has created. */
export type MetricDescription = Pick<
  Metric,
  "name" | "kind" | "valueType" | "unit" | "description"
>;

/** What the process sends to the SDK's side. */
export type MessageOut =
  | { type: "loaded"; names: string[] }
  | { type: "notLoaded"; error: string }
  | { type: "pong" }
  | { type: "completed"; id: number; result: Payload }
  | { type: "completesAsync"; id: number }
  | { type: "failed"; id: number; error: ErrorMessage }
  | { type: "heartbeat"; id: number; details?: Payload }
  | { type: "heartbeatFailed"; id: number; message: string }
  | { type: "log"; id: number; level: LogLevel; message: string; meta?: object }
  | { type: "print"; id?: number; isError: boolean; text: string }
  | {
    type: "metric";
    id: number;
    metric: MetricDescription;
    value: number;
    tags: MetricTags;
  }
  | { type: "uncaught"; id?: number; message: string; stack: string }
  | { type: "exit"; id?: number; code: number };
