/** Mistakes: what the programs print, and their exit codes. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  changedProject,
  output,
  spawn,
  startDevServer,
  workflowType,
} from "./_programs.ts";

const server = await startDevServer();

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

for (
  const [program, args, code, message] of [
    [
      "worker",
      ["--adress", "x"],
      2,
      'Unknown option "--adress"\nUsage: deno task worker [OPTIONS]\n',
    ],
    [
      "start",
      ["Ada", "Love\x1blace"],
      2,
      'Unexpected argument "Love\\u001blace"\n' +
      "Usage: deno task start [NAME] [OPTIONS]\n",
    ],
    [
      "drill",
      ["--workflows", "many"],
      2,
      'Cannot use "many" for "--workflows": use a number that is 0 or greater\n',
    ],
    [
      "start",
      ["--address", "\x1b[::1"],
      1,
      'Cannot use address "\\u001b[::1": write HOST:PORT, such as',
    ],
    [
      "start",
      ["--address", "temporal.test"],
      1,
      'Cannot connect to "temporal.test:7233": the permission "net" is missing',
    ],
    [
      "worker",
      ["--metrics-address", "here"],
      1,
      'Cannot serve metrics at "here": ',
    ],
  ] as const
) {
  Deno.test(`${program} rejects ${JSON.stringify(args)}`, async () => {
    const result = await output(program, [...args]);
    assertEquals([result.code, result.stdout], [code, ""]);
    assertEquals(result.stderr.slice(0, message.length), message);
    if (code === 1) assertEquals(result.stderr.split("\n").length, 2);
  });
}

Deno.test("worker rejects an unknown LOG_LEVEL", async () => {
  const env = { LOG_LEVEL: "loud" };
  const { code, stderr } = await output("worker", [], { env });
  assertEquals(code, 1);
  assertEquals(
    stderr,
    'Cannot use LOG_LEVEL "loud": use TRACE, DEBUG, INFO, WARN, ERROR\n',
  );
});

Deno.test("start --help prints the usage", async () => {
  const { code, stdout, stderr } = await output("start", ["--help"]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "Usage: deno task start [NAME] [OPTIONS]\n");
});

Deno.test("worker and start report a Namespace that does not exist in one line", async () => {
  const args = ["--address", server.address, "--namespace", "nowhere"];
  for (const program of ["worker", "start"] as const) {
    const { code, stdout, stderr } = await output(program, args);
    assertEquals(code, 1);
    assertEquals(stdout, "");
    assertEquals(
      stderr,
      'Cannot access Namespace "nowhere": it does not exist; create it, or pass ' +
        "another one with --namespace\n",
    );
  }
});

Deno.test("worker reports code that cannot be bundled, start code that fails", async () => {
  await using project = await changedProject({
    "workflows.ts":
      `export async function ${workflowType}() {\n  return (1;\n}\n`,
  });
  const args = ["--address", server.address];
  const cwd = project.path;
  const { code, stderr } = await output("worker", args, { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot bundle");
  assertStringIncludes(stderr, "Expected ',', got ';'");
  assertStringIncludes(stderr, join(project.path, "workflows.ts:2"));
  assertEquals(stderr.includes("node_modules"), false, stderr);

  await Deno.writeTextFile(
    join(project.path, "workflows.ts"),
    `export async function ${workflowType}() {\n  return nothing();\n}\n`,
  );
  await using _worker = spawn("worker", args, { cwd });
  await using client = spawn("start", args);
  await client.prints(
    "Workflow Task failed and is being retried: nothing is not defined",
  );
});
