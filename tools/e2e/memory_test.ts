/**
 * Code that fills the memory: an Activity ends its own process, and Workflow code the
 * Worker's, as a service manager sees it.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  activityType,
  changedProject,
  readProjectFile,
  spawn,
  startDevServer,
  startWorker,
  workflowType,
} from "./_programs.ts";

const fill = "for (const all: number[][] = [];;) all.push(Array(1e5).fill(1));";
const workflows = await readProjectFile("workflows.ts");

const runWorker = await readProjectFile("run_worker.ts");
const config = await readProjectFile("deno.json");

const server = await startDevServer();
const args = ["--address", server.address];
const greedy = await changedProject({
  "activities.ts": `
    import { activityInfo } from "@temporalio/activity";
    export async function ${activityType}(name: string): Promise<string> {
      if (activityInfo().attempt === 1) ${fill}
      return \`Hello, \${name}!\`;
    }`,
  "run_worker.ts": runWorker
    .replace("new DenoPlugin({", "$& heapLimitMB: 100,"),
});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await greedy[Symbol.asyncDispose]();
});

Deno.test("an Activity that fills the memory ends its process, and is retried in another", async () => {
  await using worker = await startWorker(args, { cwd: greedy.path });
  await using client = spawn("start", args);
  assertEquals((await client.status).code, 0);
  assertEquals(client.stdout, "Result: Hello, Temporal!\n");
  assertEquals(worker.stderr.split("\n").length, 3, worker.stderr);
  assertStringIncludes(
    worker.stderr,
    "WARN Activity sandbox restarts: its sandbox ran out of memory " +
      `(heapLimitMB: 100) while it runs "${activityType}"\n`,
  );
});

Deno.test("a Worker whose Workflow code fills the memory ends, and the next one goes on", async () => {
  await Deno.writeTextFile(
    join(greedy.path, "workflows.ts"),
    workflows.replace(
      new RegExp(`(function ${workflowType}.*\n)`),
      `$1 ${fill}\n`,
    ),
  );
  await Deno.writeTextFile(
    join(greedy.path, "deno.json"),
    config.replace("--v8-flags=", "$&--max-old-space-size=100,"),
  );
  await using worker = await startWorker(args, { cwd: greedy.path });
  await using client = spawn("start", args);
  assertEquals((await worker.status).code, 133); // SIGTRAP
  assertStringIncludes(worker.stderr, "Fatal JavaScript out of memory");
  await using _next = await startWorker(args);
  assertEquals((await client.status).code, 0);
  assertEquals(client.stdout, "Result: Hello, Temporal!\n");
});
