/** Code that fills the memory ends the Worker's process, as a service manager sees it. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  changedProject,
  readProjectFile,
  spawn,
  startDevServer,
  startWorker,
} from "./_programs.ts";

const fill = "for (const all: number[][] = [];;) all.push(Array(1e5).fill(1));";
const workflows = await readProjectFile("workflows.ts");

const code = {
  "activities.ts":
    `export async function say_hello(): Promise<string> { ${fill} }`,
  "workflows.ts": workflows.replace(
    /(function SayHello.*\n)/,
    `$1 if (name === "Workflow") { ${fill} }\n`,
  ),
};

const config = await readProjectFile("deno.json");
const limit = "--max-old-space-size=100,";

Deno.test("a Worker whose code fills the memory ends, and the next one goes on", async () => {
  await using server = await startDevServer();
  await using greedy = await changedProject({
    ...code,
    "deno.json": config.replace("--v8-flags=", `--v8-flags=${limit}`),
  });
  const fillMemory = async (name: string) => {
    const args = ["--address", server.address, "--task-queue", name];
    await using worker = await startWorker(args, { cwd: greedy.path });
    const id = ["--workflow-id", name];
    await using client = spawn("start", [name, ...args, ...id]);
    assertEquals((await worker.status).code, 133); // SIGTRAP
    assertStringIncludes(worker.stderr, "Fatal JavaScript out of memory");
    await using _next = await startWorker(args);
    assertEquals((await client.status).code, 0);
    assertEquals(client.stdout, `Result: Hello, ${name}!\n`);
  };
  await fillMemory("Activity");
  await fillMemory("Workflow");
});
