/** Activities that forge what their process sends to the Worker's. */

import { log } from "@temporalio/activity";
import { Buffer } from "node:buffer";
import { deserialize, serialize } from "node:v8";

// deno-lint-ignore no-explicit-any
type Message = any;

const { concat } = Buffer;

/** Changes the next message of a type, past everything that its process checks. */
function change(type: string, change: (message: Message) => void): void {
  Buffer.concat = (parts, ...rest) => {
    const [head, key, data, content] = parts as Buffer[];
    const message = content && deserialize(content);
    if (message?.type !== type) return concat(parts, ...rest);
    Buffer.concat = concat;
    change(message);
    const changed = serialize(message);
    head.writeUInt32BE(key.length + data.length + changed.length);
    return concat([head, key, data, changed], ...rest);
  };
}

/** A list of errors, each the cause of the next. */
function chain(length: number): Message {
  let failure: Message = { message: "innermost" };
  while (--length) failure = { message: "outer", cause: failure };
  return failure;
}

const json = new TextEncoder().encode("json/plain");

/** What the metadata of a Payload are not. */
const metadata: Record<string, unknown> = {
  "null": null,
  "a string": "text",
  "an array": [1],
  "objects": { encoding: {} },
  "text": { encoding: "text" },
  "a cycle": (() => {
    const encoding: unknown[] = [];
    encoding.push(encoding);
    return { encoding };
  })(),
  "an object of a length that it has not": {
    encoding: { length: 2 ** 32 - 1 },
  },
};

/** What a failure is not. */
const failures: Record<string, (error: Message) => void> = {
  "no failure": (error) => error.failure = null,
  "a stack that is a number": (error) => error.failure.stackTrace = 1,
  "a stack of a million spaces": (error) =>
    error.failure.stackTrace = " ".repeat(1_000_000),
  "encoded attributes with a stack of a million spaces": (error) =>
    error.failure.encodedAttributes = {
      metadata: { encoding: json },
      data: new TextEncoder().encode(
        JSON.stringify({ message: "", stack_trace: " ".repeat(1_000_000) }),
      ),
    },
  "a type that is an object": (error) =>
    error.failure.applicationFailureInfo.type = { length: 3 },
  "a message that is an object": (error) => error.failure.message = {},
  "a delay that is no time": (error) => error.nextRetryDelay = "soon",
  "a delay that is an object": (error) => error.nextRetryDelay = {},
  "a delay of NaN": (error) => error.nextRetryDelay = NaN,
  "a delay without end": (error) => error.nextRetryDelay = Infinity,
  "a delay below zero": (error) => error.nextRetryDelay = -1000,
  "a category that is unknown": (error) =>
    error.failure.applicationFailureInfo.category = 99,
  "details that are no Payloads": (error) =>
    error.failure.applicationFailureInfo.details = { payloads: [1] },
  "details of 4 billion holes": (error) =>
    error.failure.applicationFailureInfo.details = {
      payloads: Array(2 ** 32 - 1),
    },
  "details of a length that they have not": (error) =>
    error.failure.cause = {
      nexusHandlerFailureInfo: { type: "INTERNAL" },
      encodedAttributes: { data: { length: 2 ** 32 - 1 } },
    },
  "an identity that is an object": (error) =>
    error.failure.cause = {
      activityFailureInfo: {
        activityType: { name: {} },
        identity: { length: 3 },
      },
    },
  "90 causes": (error) => error.failure.cause = chain(90),
  "150 causes": (error) => error.failure.cause = chain(150),
  "2,000 causes": (error) => error.failure.cause = chain(2_000),
  "causes in a circle": (error) => error.failure.cause = error.failure,
};

/** The names of all forgeries. */
export const forgeries = {
  metadata: Object.keys(metadata),
  failures: Object.keys(failures),
};

/** Returns what is no Payload. */
export async function forgeResult(name: string): Promise<void> {
  change("completed", (message) => message.metadata = metadata[name]);
}

/** Fails with what is no failure. */
export async function forgeFailure(name: string): Promise<never> {
  change("failed", ({ error }) => failures[name](error));
  throw new Error("failed");
}

/** Fails with an error that has many causes. */
export async function failForManyReasons(causes: number): Promise<never> {
  let error = new Error("innermost");
  while (--causes) error = new Error("outer", { cause: error });
  throw error;
}

/** Reports a failure to load that is long, or the end of its process by a forged code. */
export async function forge(type: string): Promise<void> {
  const forged: Record<string, Message> = {
    exit: { type, code: "0)\nERROR forged" },
    notLoaded: { type, error: "data:".repeat(2_000_000) },
    uncaught: { type, message: "forged", stack: " ".repeat(1_000_000) },
    print: { type, isError: false, text: "x\n".repeat(60_000) },
  };
  change("log", (message) => {
    const { id } = message;
    for (const key of Object.keys(message)) delete message[key];
    Object.assign(message, { id }, forged[type]);
  });
  log.info("to be changed");
  if (type !== "print") await new Promise(() => {});
}

/** Works as usual. */
export async function work(): Promise<string> {
  return "done";
}
