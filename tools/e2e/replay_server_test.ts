/** Event Histories of a server: the tasks `replay` and `dev`, and the Worker's log. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { connectClient } from "../shared/client.ts";
import {
  activityType,
  changedProject,
  cleanEnv,
  output,
  readProjectFile,
  run,
  spawn,
  startDevServer,
  temporaryFolder,
  waitFor,
  workflowType,
} from "./_programs.ts";

const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };
const cli = [cleanEnv.TEMPORAL_CLI, "--address", server.address];
const workflows = await readProjectFile("workflows.ts");
const project = await changedProject({
  // It is retried, so that the Workflow stays open.
  "activities.ts": `export async function ${activityType}(name: string) {
    if (name === "nobody") throw new Error("nobody is here");
    return "Hello, " + name;
  }`,
});

const { connection, workflow } = await connectClient(server.address);

Deno.test.afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

async function temporal(...args: string[]): Promise<string> {
  const [program, ...address] = cli;
  const signal = AbortSignal.timeout(60_000);
  return await run([program, ...args, ...address], { signal });
}

/** Starts Workflows on Task Queues of their own, and waits for their first Activity. */
async function startOpen(taskQueue: string, ids: string[]) {
  for (const workflowId of ids) {
    const args = ["nobody"];
    const options = { args, taskQueue, workflowId };
    const handle = await workflow.start(workflowType, options);
    await waitFor("the Activity", async () => {
      const { events } = await handle.fetchHistory();
      return events!.some((e) => e.activityTaskScheduledEventAttributes);
    }, { seconds: 60 });
  }
}

/** The Workflow code with a step that was inserted. */
const withTimer = workflows
  .replace("import { proxyActivities }", "import { proxyActivities, sleep }")
  .replace("  return await", '  await sleep("1 minute");\n  return await');

async function write(text: string) {
  await Deno.writeTextFile(join(project.path, "workflows.ts"), text);
}

Deno.test("replay takes open and closed Workflow Executions, saves them, and reports what is incompatible", async () => {
  const options = { env, cwd: project.path };
  const queue = ["--task-queue", "replay-test"];
  await write(workflows);
  await using worker = spawn("worker", queue, options);
  await worker.prints("Worker is polling");
  const closed = await output("start", [
    "Ada",
    ...queue,
    "--workflow-id",
    "*/a",
  ], options);
  assertEquals(closed.code, 0, closed.stderr);
  await startOpen("replay-test", ["open 1", "open-2"]);

  await using folder = await temporaryFolder();
  const saved = await output(
    "replay",
    [...queue, "--save", folder.path],
    options,
  );
  assertEquals(
    [saved.code, saved.stdout, saved.stderr.trimEnd().split("\n").at(-1)],
    [0, "", "Replayed 3 Event Histories; all compatible with the code"],
  );
  const files = Array.from(Deno.readDirSync(folder.path), ({ name }) => name);
  assertEquals(files.length, 3);
  assertMatch(files.toSorted()[0], /^%2A%2Fa\.[\da-f-]{36}\.json$/);
  const text = await Deno.readTextFile(join(folder.path, files[0]));
  assertEquals(text.includes(`@${Deno.hostname()}`), false);

  await write(withTimer);
  const problem =
    `(${workflowType}) does not replay: at event 5, the code starts a ` +
    `Timer, but the Event History has ActivityTaskScheduled "${activityType}"`;
  const query = 'ExecutionStatus = "Running"';
  const open = await output("replay", [...queue, "--query", query], options);
  assertEquals(
    [open.code, open.stdout.trimEnd().split("\n").toSorted()],
    [1, [`Workflow "open 1" ${problem}`, `Workflow "open-2" ${problem}`]],
  );
  for (const limit of [["--limit", "1"], ["--per-type", "1"]]) {
    const one = await output("replay", [...queue, ...limit], options);
    assertEquals(
      [one.code, one.stdout],
      [1, `Workflow "open-2" ${problem}\n`],
    );
  }
  const fromFiles = await output("replay", [folder.path], options);
  assertEquals(fromFiles.stdout.trimEnd().split("\n").length, 3);
});

Deno.test("replay reports in a line what the Temporal Service refuses", async () => {
  for (
    const [args, message] of [
      [["--query", "Foo ="], "Cannot list Workflow Executions: invalid query"],
      [
        ["--namespace", "nope"],
        "Cannot list Workflow Executions: Namespace nope is not found.",
      ],
      [
        ["--address", "localhost:1"],
        'Cannot connect to a Temporal Service at "localhost:1": ',
      ],
    ] as const
  ) {
    const { code, stderr } = await output("replay", [...args], { env });
    assertEquals([code, stderr.trimEnd().split("\n").length], [1, 1], stderr);
    assertStringIncludes(stderr, message);
  }
});

Deno.test("dev reports the open Workflow that a change is incompatible with, as in docs/mistakes.md", async () => {
  const options = { env, cwd: project.path };
  const queue = ["--task-queue", "dev-test"];
  await write(workflows);
  await using dev = spawn("dev", queue, options);
  await dev.prints("Worker is polling");
  await startOpen("dev-test", ["hello-workflow"]);
  await write(withTimer);
  await dev.prints("temporal workflow reset");
  await dev.prints("new code");
  await dev.prints("Worker is polling");
  const lines = dev.stderr.split("\n");
  const first = lines.findIndex((line) => line.includes("incompatible with"));
  const message = lines.slice(first, first + 5).join("\n");
  assertStringIncludes(
    await readProjectFile("docs/mistakes.md"),
    message.replaceAll(` --address ${server.address}`, ""),
  );

  const commands = message.match(/(?<=^ {2}deno task temporal ).*/gm)!;
  for (const command of commands.toReversed()) {
    // It is a command for a shell, with words that are not in quotes.
    const args = command.replaceAll('"', "").replace("new code", "new-code");
    await temporal(
      ...args.split(" ").filter((arg) =>
        arg !== "--address" && arg !== server.address
      ),
    );
  }
  assertEquals(dev.stderr.split("incompatible with").length, 2);
});

Deno.test("a Worker says once why a Workflow Task fails, and then how often", async () => {
  const options = { env, cwd: project.path };
  await write(
    workflows.replace("  return await", "  if (name) nothing;\n  return await")
      .replace("export async", "declare const nothing: string;\nexport async"),
  );
  const queue = ["--task-queue", "task-test"];
  await using worker = spawn("worker", queue, options);
  await worker.prints("Worker is polling");
  const [, taskQueue] = queue;
  const args = ["Ada"];
  await workflow.start(workflowType, { args, taskQueue, workflowId: "task" });
  await worker.prints('Workflow "task" has failed 2 Workflow Tasks in a row');
  assertStringIncludes(
    worker.stderr,
    'Workflow "task" makes no progress, since its Workflow Task fails and is ' +
      "retried: nothing is not defined; fix the Workflow code, and restart the " +
      "Worker; to fail the Workflow instead, throw an ApplicationFailure\n" +
      "  ReferenceError: nothing is not defined\n" +
      `    at ${workflowType} (${join(project.path, "workflows.ts:")}`,
  );
  assertEquals(worker.stderr.includes("Workflow failed"), false, worker.stderr);
  assertEquals(worker.stderr.split("makes no progress").length, 2);
  assertEquals(worker.stderr.split("ReferenceError").length, 2, worker.stderr);
});
