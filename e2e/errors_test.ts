/** What a person reads who makes a mistake: text and exit code. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { changedProject, devServer, runTask, task } from "./_programs.ts";

/** An address at which nobody answers. */
const nowhere = "127.0.0.1:1";

for (
  const [program, args, message] of [
    ["worker", ["--adress", "x"], 'Unknown option "--adress"'],
    ["start", ["Ada", "--address"], '"--address" needs a value'],
    ["start", ["Ada", "Lovelace"], 'One argument too many: "Lovelace"'],
  ] as const
) {
  Deno.test(`${program} ${args.join(" ")} gets a line and the usage`, async () => {
    const { code, stdout, stderr } = await runTask(program, [...args]);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, `${message}\nUsage: deno task ${program}`);
  });
}

Deno.test("--help shows the usage", async () => {
  const { code, stdout, stderr } = await runTask("start", ["--help"]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "Usage: deno task start [NAME] [OPTIONS]\n");
});

Deno.test("a server that is not there, or does not answer, is told in a line", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addresses = [nowhere, `127.0.0.1:${silent.addr.port}`];
  const programs = ["worker", "start"] as const;
  await Promise.all(
    programs.flatMap((program) =>
      addresses.map(async (address) => {
        const { code, stdout, stderr } = await runTask(program, [
          "--address",
          address,
        ]);
        assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2]);
        assertStringIncludes(
          stderr,
          `No Temporal Server answers at "${address}" (`,
        );
        assertStringIncludes(stderr, 'start one with "deno task server"');
      })
    ),
  );
});

Deno.test("an address that is none is refused", async () => {
  const { code, stderr } = await runTask("start", ["--address", "http://x"]);
  assertEquals([code, stderr], [
    1,
    '"http://x" is not an address: write host:port\n',
  ]);
});

Deno.test("a host that deno.json does not permit is named", async () => {
  const { code, stderr } = await runTask("start", [
    "--address",
    "temporal.test",
  ]);
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    'Not permitted to connect to "temporal.test:7233"',
  );
});

Deno.test("a namespace that is not there is named", async () => {
  await using server = await devServer();
  const args = ["--address", server.address, "--namespace", "nowhere"];
  for (const program of ["worker", "start"] as const) {
    const { code, stdout, stderr } = await runTask(program, args);
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, "nowhere");
    assertEquals(stderr.split("\n").length, 2);
  }
});

Deno.test("a LOG_LEVEL that is none is named", async () => {
  const env = { LOG_LEVEL: "loud" };
  const { code, stderr } = await runTask("worker", [], { env });
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'LOG_LEVEL is "loud", which is none of TRACE');
});

Deno.test("a place where metrics cannot be served is named", async () => {
  const { code, stderr } = await runTask("worker", [
    "--metrics-address",
    "here",
  ]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'Cannot serve metrics at "here"');
});

Deno.test("Workflow code that does not bundle, or fails, is told", async () => {
  await using server = await devServer();
  await using project = await changedProject({
    "workflows.ts": "export async function SayHello() {\n  return (1;\n}\n",
  });
  const args = ["--address", server.address];
  const { code, stderr } = await runTask("worker", args, { cwd: project.path });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot bundle the Workflow code\n");
  assertStringIncludes(stderr, "Expected ',', got ';'");
  assertStringIncludes(stderr, join(project.path, "workflows.ts:2"));
  assertEquals(stderr.includes("node_modules"), false);

  await Deno.writeTextFile(
    join(project.path, "workflows.ts"),
    "export async function SayHello() {\n  return nothing();\n}\n",
  );
  await using _worker = task("worker", args, { cwd: project.path });
  await using starter = task("start", args);
  await starter.prints("The Workflow's code fails and is tried again: see the");
});
