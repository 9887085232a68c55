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
import { deserialize, serialize } from "node:v8";
import { toFrame } from "./frames.ts";

/** The type of an Activity's failure when its process cannot complete it. */
export const SANDBOX_FAILURE = "ActivitySandboxFailure";

/** The length of the random bytes that precede each message of a process. */
export const KEY_LENGTH = 16;

/** How long the data of a result may be. */
const MAX_DATA = 2 ** 26;

/** How long the rest of a message may be: V8 makes up to 70 times as much of it. */
const MAX_MESSAGE = 2 ** 22;

/** How long a log entry may be: escaping control characters takes a second for 1 MB. */
const MAX_LOG = 2 ** 19;

/** How long a frame of a process may be. */
export const MAX_FRAME = KEY_LENGTH + 4 + MAX_DATA + MAX_MESSAGE;

/** How much of one text that an Activity logs or prints is kept. */
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

/** What the process sends to the SDK's side. The data of a result travels beside it. */
export type MessageOut =
  | { type: "loaded"; names: string[] }
  | { type: "notLoaded"; error: string }
  | { type: "pong" }
  | { type: "completed"; id: number; metadata: Payload["metadata"] }
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

/**
 * Converts a message, and the data of a result, to parts of a frame.
 *
 * @throws {Error} if they are too long, or a log entry holds what cannot be sent
 */
export function toBytes(
  message: MessageOut,
  data: Uint8Array = new Uint8Array(),
): Uint8Array[] {
  requireLength(data, MAX_DATA);
  const rest = serialize(message);
  requireLength(rest, MAX_MESSAGE);
  // Nothing else holds values that are not yet converted.
  if (message.type === "log") read(rest);
  return [toFrame(data), rest];
}

/**
 * Reads a message, and the data of a result.
 *
 * @throws {Error} if they are too long, or not plain data
 */
export function fromBytes(
  bytes: Uint8Array,
): { message: MessageOut; data: Uint8Array } {
  const { buffer, byteOffset } = bytes;
  const end = 4 + new DataView(buffer, byteOffset).getUint32(0);
  const data = bytes.subarray(4, end);
  const rest = bytes.subarray(end);
  requireLength(data, MAX_DATA);
  requireLength(rest, MAX_MESSAGE);
  return { message: read(rest), data };
}

function requireLength({ length }: Uint8Array, limit: number): void {
  if (length <= limit) return;
  throw new RangeError(
    `Cannot send "${length}" bytes from the Activity sandbox: the limit is ` +
      `${limit}; store them elsewhere, and pass a reference`,
  );
}

/**
 * Reads plain data in proportion to its bytes. From a few bytes, V8 also reads an
 * array of 4 billion holes, or an object that is in a million places: whoever formats
 * it would not come to an end, nor with a number of a million digits.
 */
function read(bytes: Uint8Array): MessageOut {
  let left = 4 * bytes.length;
  const take = (size: number) => {
    left -= size;
    if (left < 0) throw new RangeError("message of other than plain data");
  };
  const visit = (value: unknown): void => {
    take(1);
    if (typeof value === "string") return take(value.length);
    if (typeof value === "bigint") {
      return take(BigInt.asIntN(1_024, value) === value ? 0 : Infinity);
    }
    if (typeof value !== "object" || !value || value instanceof Date) return;
    if (ArrayBuffer.isView(value)) return take(value.byteLength);
    if (value instanceof Error) {
      return [value.message, value.stack, value.cause].forEach(visit);
    }
    if (Array.isArray(value)) {
      take(value.length);
      return Object.values(value).forEach(visit);
    }
    if (Object.getPrototypeOf(value) !== Object.prototype) take(Infinity);
    for (const [key, part] of Object.entries(value)) {
      take(key.length);
      visit(part);
    }
  };
  const message = deserialize(bytes);
  if (message.type === "log") requireLength(bytes, MAX_LOG);
  visit(message);
  return message;
}
