/** What the programs make of Activities that are slow, fail, or try too much. */

import { assertEquals, assertMatch } from "@std/assert";
import { Client, Connection } from "@temporalio/client";
import { SayHello } from "../workflows.ts";
import { changedProject, devServer, root, task } from "./_programs.ts";

const server = await devServer();
const env = { TEMPORAL_ADDRESS: server.address };
const read = (file: string) => Deno.readTextFile(`${root}/${file}`);
const project = await changedProject({
  "activities.ts": await read("e2e/_activities.ts"),
  "run_worker.ts": (await read("run_worker.ts"))
    .replace("10 seconds", "1 second").replace("20 seconds", "2 seconds"),
});
const cwd = project.path;
const connection = await Connection.connect({ address: server.address });
const { workflow } = new Client({ connection });

Deno.test.afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} lets a running Activity finish`, async () => {
    await using worker = task("worker", [], { env, cwd });
    await using starter = task("start", ["slow", "--workflow-id", signal], {
      env,
    });
    await worker.prints("say_hello begins");
    worker.kill(signal);
    await worker.prints("Worker stops, waiting for Activities to finish (1); ");
    assertEquals((await worker.status).code, 0);
    await using _next = task("worker", [], { env });
    assertEquals((await starter.status).code, 0);
    assertEquals(starter.stdout, "Result: Hello, slow!\n");
  });

  Deno.test(`a second ${signal} ends the Worker at once`, async () => {
    await using worker = task("worker", [], { env, cwd });
    const args = ["forever", "--workflow-id", `${signal} twice`];
    await using _starter = task("start", args, { env });
    await worker.prints("say_hello begins");
    worker.kill(signal);
    await worker.prints("Worker stops");
    worker.kill(signal);
    assertEquals((await worker.status).code, signal === "SIGINT" ? 130 : 143);
  });
}

Deno.test("an Activity that never ends does not hold the Worker for ever", async () => {
  await using worker = task("worker", [], { env, cwd });
  const args = ["forever", "--workflow-id", "bound"];
  await using _starter = task("start", args, { env });
  await worker.prints("say_hello begins");
  worker.kill("SIGTERM");
  assertEquals((await worker.status).code, 1);
  assertEquals(
    worker.stderr,
    "Worker gave up, waiting for Activities to finish (1)\n",
  );
});

Deno.test("a failed and a cancelled Workflow are told in one line", async () => {
  await using _worker = task("worker", [], { env, cwd });
  await using failing = task("start", ["fail", "--workflow-id", "f"], { env });
  await using waiting = task("start", ["slow", "--workflow-id", "c"], { env });
  await waiting.prints('Started Workflow "c"');
  await workflow.getHandle("c").cancel();
  for (
    const [starter, line] of [
      [failing, /\nWorkflow "f" failed: no words left\n$/],
      [waiting, /\nWorkflow "c" was cancelled: .+\n$/],
    ] as const
  ) {
    assertEquals((await starter.status).code, 1);
    assertEquals(starter.stdout, "");
    assertMatch(starter.stderr, line);
  }
});

Deno.test("an Activity can do what the Worker's permissions allow, no more", async () => {
  await using _worker = task("worker", [], { env, cwd });
  const expected = {
    "Temporal": "Hello, Temporal!",
    "read a file of the project": "Hello, read a file of the project!",
    "see a named variable": "Hello, see a named variable!",
    ...Object.fromEntries([
      "read a file outside",
      "list a folder outside",
      "write into the project",
      "write outside",
      "change the next Worker's bundle",
      "fetch",
      "open a socket",
      "listen",
      "spawn",
      "see another variable",
      "see all variables",
      "learn the system's release",
      "load a library",
    ].map((attempt) => [attempt, "NotCapable"])),
  };
  const results: Record<string, string> = {};
  for (const name in expected) {
    results[name] = await workflow.execute(SayHello, {
      args: [name],
      taskQueue: "hello-task-queue",
      workflowId: name,
    });
  }
  assertEquals(results, expected);
});

Deno.test("the starter tells of an Activity that fails again and again", async () => {
  await using _worker = task("worker", [], { env, cwd });
  const args = ["stumble", "--workflow-id", "stumble"];
  await using starter = task("start", args, { env });
  await starter.prints(
    'Activity "say_hello" fails and is tried again: Error: stumbled\n',
  );
});
