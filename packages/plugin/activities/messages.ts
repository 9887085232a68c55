/**
 * The messages between the two sides of an Activity sandbox. Values travel as
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

/** The type of an Activity's failure when its isolate cannot complete it. */
export const SANDBOX_FAILURE = "ActivitySandboxFailure";

/** What starts an Activity. Values travel as payloads, which lose nothing. */
export interface RunMessage {
  type: "run";
  id: number;
  name: string;
  args: Payload[];
  info: Info;
  heartbeatDetails?: Payload;
  serialization: ActivitySerializationContext;
}

/** What the SDK's side sends to the isolate. */
export type MessageIn =
  | RunMessage
  | {
    type: "cancel";
    id: number;
    reason: string;
    details?: ActivityCancellationDetails;
  }
  | { type: "ping" };

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

/** What the isolate sends to the SDK's side. */
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
  | {
    type: "metric";
    id: number;
    metric: MetricDescription;
    value: number;
    tags: MetricTags;
  }
  | { type: "uncaught"; id?: number; message: string; stack: string }
  | { type: "exit"; id?: number; code: number };
