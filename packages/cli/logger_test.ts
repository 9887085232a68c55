import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "./errors.ts";
import { formatJson, formatText, installRuntime } from "./logger.ts";

Deno.test.sanitizer({ ops: true, resources: true });

const error = new TypeError("no\x1b[2J\nforged");
error.stack = `${error}\n    at here`;

const entry = {
  level: "WARN" as const,
  message: "Activity\nfailed",
  timestampNanos: 1_000_000_000n,
  meta: {
    activityType: "say_hello",
    attempt: 2,
    count: 3n,
    error,
    sdkComponent: "worker",
    workflowId: "hello-workflow",
  },
};

Deno.test("formatText() prints a line, and an error's stack, indented", () => {
  assertEquals(
    formatText(entry),
    '1970-01-01T00:00:01.000Z WARN Activity\\nfailed Activity "say_hello", ' +
      'Workflow "hello-workflow" count="3"\n' +
      "  TypeError: no\\u001b[2J\n  forged\n    at here",
  );
});

Deno.test("formatJson() prints all attributes as one object", () => {
  const { error: printed, ...rest } = JSON.parse(formatJson(entry));
  assertEquals([printed.name, printed.message, printed.stack], [
    "TypeError",
    error.message,
    error.stack,
  ]);
  assertEquals(rest, {
    time: "1970-01-01T00:00:01.000Z",
    level: "WARN",
    message: "Activity\nfailed",
    activityType: "say_hello",
    attempt: 2,
    count: "3",
    sdkComponent: "worker",
    workflowId: "hello-workflow",
  });
});

Deno.test("formatJson() keeps time, level and message whatever the attributes are", () => {
  const meta = { level: "DEBUG", message: "forged", time: "never" };
  assertEquals(JSON.parse(formatJson({ ...entry, meta })), {
    time: "1970-01-01T00:00:01.000Z",
    level: "WARN",
    message: "Activity\nfailed",
  });
});

Deno.test("formatJson() escapes control characters", () => {
  const message = "\x1b[2J \x9b2J \u202e";
  const printed = formatJson({
    ...entry,
    message,
    meta: { [message]: message },
  });
  assertStringIncludes(printed, String.raw`"\u001b[2J \u009b2J \u202e"`);
  const { time: _time, level: _level, ...rest } = JSON.parse(printed);
  assertEquals(rest, { message, [message]: message });
});

Deno.test("a Worker's log prints attributes that are no JSON", () => {
  const circle: Record<string, unknown> = {};
  circle.circle = circle;
  const strange = { ...entry, meta: { circle, taskQueue: 1 } };
  assertStringIncludes(formatText(strange), "WARN Activity\\nfailed circle=");
  const { circle: printed, taskQueue } = JSON.parse(formatJson(strange));
  assertStringIncludes(printed, "[Circular");
  assertEquals(taskQueue, 1);
});

Deno.test("formatText() prints attributes that are no text where text belongs", () => {
  const strange = { toString: 1, valueOf: 1 };
  const meta = {
    activityType: strange,
    error: { stack: strange },
    workflowId: strange,
  };
  const printed = "{ toString: 1, valueOf: 1 }";
  assertEquals(
    formatText({ ...entry, message: "no", meta }),
    `1970-01-01T00:00:01.000Z WARN no Activity "${printed}", ` +
      `Workflow "${printed}"\n  ${printed}`,
  );
});

Deno.test("installRuntime() rejects an unknown log format", () => {
  const options = { onRetry() {}, countAttempts: () => Promise.resolve(1) };
  assertThrows(
    () => installRuntime({ ...options, logFormat: "xml" }),
    UserError,
    'Cannot use log format "xml": use text or json',
  );
});

Deno.test("formatText() indents lines of a stack that start with an invisible space", () => {
  const error = { stack: "Error: x\n\ufeff2026 INFO forged" };
  const text = formatText({ ...entry, meta: { error } });
  assertEquals(text.includes("\n  \ufeff2026"), true);
});
