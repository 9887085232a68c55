/** What may pass from an Activity process to the Worker's. */

import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { serialize } from "node:v8";
import { toFrame } from "./frames.ts";
import { fromBytes, type MessageOut, toBytes } from "./messages.ts";

/** An array in arrays, each of which holds the next one twice. */
function double(times: number): unknown[] {
  let list: unknown[] = [];
  while (times--) list = [list, list];
  return list;
}

function log(meta: object): MessageOut {
  return { type: "log", id: 1, level: "INFO", message: "text", meta };
}

Deno.test("a message arrives as it was sent, with the data of a result", () => {
  const meta = {
    date: new Date(0),
    error: new TypeError("wrong", { cause: "reason" }),
    list: [1, "two", undefined, null, NaN, 3n, { "": [] }],
    bytes: new Uint8Array([1, 2, 3]),
  };
  const data = new Uint8Array(100_000).fill(1);
  const bytes = new Uint8Array(Buffer.concat(toBytes(log(meta), data)));
  assertEquals(fromBytes(bytes), { message: log(meta), data });
});

for (
  const [name, value] of Object.entries({
    "an array of 4 billion holes": Array(2 ** 32 - 1),
    "an object in a billion places": double(30),
    "a circle": [(() => {
      const circle: unknown[] = [];
      return circle[0] = circle;
    })()],
    "a text in a thousand places": Array(1_000).fill(["x".repeat(1_000)]),
    "a number of 300,000 digits": 1n << 1_000_000n,
    "what is no plain data": new Map(),
    "more than anybody reads in a log": "x".repeat(600_000),
  })
) {
  Deno.test(`a message is not read, nor sent, that holds ${name}`, () => {
    const message = log({ value });
    const bytes = Buffer.concat([toFrame(), serialize(message)]);
    assertThrows(() => fromBytes(bytes), RangeError);
    assertThrows(() => toBytes(message), RangeError);
  });
}

Deno.test("a message that is too long is not read", () => {
  for (const [data, rest] of [[2 ** 26 + 1, 0], [0, 2 ** 22]]) {
    const message = serialize("x".repeat(rest));
    const bytes = Buffer.concat([toFrame(new Uint8Array(data)), message]);
    assertThrows(() => fromBytes(bytes), RangeError, "Cannot send ");
  }
});
