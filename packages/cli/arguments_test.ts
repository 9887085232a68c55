/** Command lines. */

import { assertEquals, assertThrows } from "@std/assert";
import { describeUsage, readArguments, readNumber } from "./arguments.ts";
import { UsageError } from "./errors.ts";

Deno.test.sanitizer({ ops: true, resources: true });

const options = {
  "NAME": "Whom to greet",
  "--queue NAME": "Task Queue",
  "--keep": "Keep it",
};

Deno.test("readArguments() returns the argument, values and switches", () => {
  const args = ["--queue", "q u e", "--keep", "Ada Lovelace"];
  const { NAME, queue, keep } = readArguments(args, options);
  assertEquals([NAME, queue, keep], ["Ada Lovelace", "q u e", true]);
});

Deno.test("readArguments() leaves undefined what is not given", () => {
  const { NAME, queue } = readArguments([], options);
  assertEquals([NAME, queue], [undefined, undefined]);
});

Deno.test("readArguments() keeps numbers, empty text and options after -- as text", () => {
  for (const name of ["42", "", "-x", "--keep"]) {
    assertEquals(readArguments(["--", name], options).NAME, name);
  }
});

for (
  const [args, message] of [
    [["--adress", "x"], 'Unknown option "--adress"'],
    [["Ada", "--queue"], 'Missing value for "--queue"'],
    [["Ada", "Lovelace"], 'Unexpected argument "Lovelace"'],
  ] as const
) {
  Deno.test(`readArguments() rejects ${args.join(" ")}`, () => {
    const read = () => readArguments([...args], options);
    assertThrows(read, UsageError, message);
  });
}

Deno.test("readNumber() accepts numbers from 0 on", () => {
  assertEquals(["0", "1.5"].map((text) => readNumber("--n", text)), [0, 1.5]);
  for (const text of ["many", "-1", "NaN"]) {
    const message = `Cannot use "${text}" for "--n"`;
    assertThrows(() => readNumber("--n", text), UsageError, message);
  }
});

Deno.test("describeUsage() lists the options in columns", () => {
  assertEquals(
    describeUsage("run", options),
    `Usage: run [OPTIONS]
  NAME          Whom to greet
  --queue NAME  Task Queue
  --keep        Keep it`,
  );
});
