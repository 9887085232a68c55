/** Mistakes: what the programs print, and their exit codes. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  activityType,
  changedProject,
  output,
  readProjectFile,
  spawn,
  startDeno,
  startDevServer,
  temporaryFolder,
  workflowType,
} from "./_programs.ts";

const server = await startDevServer();
const project = await changedProject({});
const cwd = project.path;

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

async function writeWorkflows(text: string) {
  await Deno.writeTextFile(join(cwd, "workflows.ts"), text);
}

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
  await writeWorkflows(
    `export async function ${workflowType}() {\n  return (1;\n}\n`,
  );
  const args = ["--address", server.address];
  const { code, stderr } = await output("worker", args, { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot bundle");
  assertStringIncludes(stderr, "Expected ',', got ';'");
  assertStringIncludes(stderr, join(cwd, "workflows.ts:2"));
  assertEquals(stderr.includes("node_modules"), false, stderr);

  await writeWorkflows(
    `export async function ${workflowType}() {\n  return nothing();\n}\n`,
  );
  await using _worker = spawn("worker", args, { cwd });
  await using client = spawn("start", args);
  await client.prints(
    "Workflow Task failed and is being retried: nothing is not defined",
  );
});

Deno.test("worker reports in one line an Activity that is not registered", async () => {
  const workflows = await readProjectFile("workflows.ts");
  await writeWorkflows(workflows.replaceAll(activityType, "missing"));
  const args = ["--address", server.address, "--task-queue", "missing"];
  await using worker = spawn("worker", args, { cwd });
  await using _client = spawn("start", [...args, "--workflow-id", "missing"]);
  await worker.prints("is not registered");
  assertEquals(
    worker.stderr.split("\n")[0].replace(/^\S+ /, ""),
    "ERROR Error while processing ActivityTask.start: Activity function missing is " +
      `not registered on this Worker, available activities: ["${activityType}"]; ` +
      "export it from the module of Activities, and restart the Worker Activity " +
      '"missing", Workflow "missing"',
  );
});

Deno.test({
  name: "worker and bundle report in one line a Deno that is missing or broken",
  ignore: Deno.build.os === "windows",
  async fn() {
    // Code for which there is no bundle
    await writeWorkflows(`${await readProjectFile("workflows.ts")}// New\n`);
    await using path = await temporaryFolder();
    const env = { PATH: path.path, TEMPORAL_ADDRESS: server.address };
    const run = async (module: string) => {
      const flags = ["-q", "--no-prompt", "--cached-only", "-P=worker"];
      const command = ["run", ...flags, "-R", module];
      await using program = startDeno(command, { cwd, env });
      const { code } = await program.status;
      assertEquals([code, program.stdout], [1, ""]);
      return program.stderr;
    };
    assertEquals(
      await run("run_worker.ts"),
      'Cannot start Activity processes: there is no "deno" on the PATH; add the ' +
        "folder of Deno to it\n",
    );
    assertStringIncludes(
      await run("@temporal-on-deno/cli/bundle"),
      "Cannot bundle Workflow code: No bundle in the cache is up to date, and " +
        "this process may not run Deno to make one",
    );
    await Deno.writeTextFile(
      join(path.path, "deno"),
      "#!/bin/sh\nexit 3\n",
      { mode: 0o755 },
    );
    const line = await run("run_worker.ts");
    assertStringIncludes(line, 'Cannot load Activities from "file:');
    assertStringIncludes(
      line,
      ": the process that starts it has ended with exit code 3\n",
    );
    assertEquals(line.split("\n").length, 2);
  },
});
