/** The program `run` of `packages/cli`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  cleanEnv,
  Program,
  root,
  startDevServer,
  temporaryFolder,
} from "./_programs.ts";

const server = await startDevServer();
const folder = await temporaryFolder();
const tasks = {
  web: "deno run web.ts",
  worker: "deno run worker.ts",
  killed: "deno run -A killed.ts",
  wrong: "deno run wrong.ts",
};
const programs = {
  "web.ts": 'console.log("one\\ntwo"); setInterval(() => {}, 1_000);',
  "worker.ts": 'console.error("three"); setInterval(() => {}, 1_000);',
  "killed.ts": 'Deno.kill(Deno.pid, "SIGKILL"); setInterval(() => {}, 1_000);',
  "wrong.ts": "Deno.exit(2);",
};
const files = { ...programs, "deno.json": JSON.stringify({ tasks }) };
for (const [name, text] of Object.entries(files)) {
  await Deno.writeTextFile(join(folder.path, name), text);
}

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function run(...names: string[]): Program {
  const flags = ["-q", "-A", "--config", join(root, "deno.json")];
  const program = join(root, "packages/cli/run_tasks.ts");
  return new Program([Deno.execPath(), "run", ...flags, program, ...names], {
    cwd: folder.path,
    clearEnv: true,
    env: { ...cleanEnv, TEMPORAL_ADDRESS: server.address },
  });
}

Deno.test("run names the task of each line, and stops all tasks on Ctrl-C", async () => {
  await using program = run("worker", "web");
  await program.prints("web    | two");
  await program.prints("worker | three");
  program.kill("SIGINT");
  assertEquals((await program.status).code, 0);
  assertEquals(
    program.stdout,
    `Temporal Service at ${server.address} is running already
web    | one
web    | two
`,
  );
  assertEquals(program.stderr, "worker | three\n");
});

Deno.test("run keeps the other tasks running if one is killed", async () => {
  await using program = run("killed", "web");
  await program.prints(
    'killed | It has ended; start it again with "deno task killed"',
  );
  await program.prints("web    | two");
  program.kill("SIGTERM");
  assertEquals((await program.status).code, 0);
});

Deno.test("run stops all tasks if one fails", async () => {
  await using program = run("web", "wrong");
  assertEquals((await program.status).code, 1);
  assertEquals(program.stderr, 'Cannot run task "wrong": it failed\n');
});

Deno.test("run needs a task", async () => {
  await using program = run();
  assertEquals((await program.status).code, 2);
  assertStringIncludes(program.stderr, "Missing TASK\n");
});
