/** The task `dev`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { findPort } from "../../packages/cli/ports.ts";
import { hasFreePorts } from "../../packages/cli/servers/dev_server.ts";
import {
  activityType,
  changedProject,
  output,
  type Program,
  readProjectFile,
  root,
  spawn,
  startDeno,
  startDevServer,
} from "./_programs.ts";

/** The Activity, which takes longer than `deno run --watch` would wait. */
const activities = (greeting: string) => `
  export async function ${activityType}(name: string): Promise<string> {
    if (name === "slow") {
      console.log("Activity runs");
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    return "${greeting}, " + name;
  }`;

const runWorker = await readProjectFile("run_worker.ts");
/** Starts in a tenth of the time, for tests that need no Worker to poll. */
const standIn = `
  console.log("Worker is polling");
  setInterval(() => {}, 1_000);`;

const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };
const project = await changedProject({
  "run_worker.ts": standIn,
  "activities.ts": activities("Hello"),
  // A lost attempt is not retried: the Workflow fails.
  "workflows.ts": (await readProjectFile("workflows.ts")).replace(
    '"5 seconds",',
    '"5 seconds", retry: { maximumAttempts: 1 },',
  ),
  // So that a package can be added.
  "deno.json": (await readProjectFile("deno.json"))
    .replace('"frozen": true', '"frozen": false'),
});

/** The program of all tests but one: to start it takes longer than a restart. */
let dev: Program;

Deno.test.beforeAll(async () => {
  dev = spawn("dev", [], { env, cwd: project.path });
  await isPolling();
});

Deno.test.afterAll(async () => {
  await dev[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

/** Waits until the next Worker polls, and forgets what was printed before. */
async function isPolling() {
  await dev.prints("Worker is polling");
  dev.stdout = dev.stderr = "";
}

/** Returns how often the Worker was restarted since the last one polled. */
function countRestarts(): number | undefined {
  return dev.stdout.match(/Worker restarts: /g)?.length;
}

function write(file: string, text: string) {
  return Deno.writeTextFile(join(project.path, file), text);
}

async function greet(name: string): Promise<string> {
  const args = [name, "--workflow-id", name];
  return (await output("start", args, { env })).stdout;
}

Deno.test("dev restarts the Worker after a change, when its Activities have finished", async () => {
  await write("run_worker.ts", runWorker);
  await isPolling();
  const slow = greet("slow");
  await dev.prints("Activity runs");
  await write("activities.ts", activities("Goodbye"));
  await dev.prints('Worker restarts: "activities.ts" has changed');
  await dev.prints(
    "Worker is shutting down, waiting for Activities to finish (1)",
  );
  assertEquals(await slow, "Result: Hello, slow\n");
  assertEquals(await greet("Ada"), "Result: Goodbye, Ada\n");
  await isPolling();

  await write("run_worker.ts", "an error");
  await dev.prints("Worker is shutting down\n");
  await dev.prints("Worker ended with code 1; waiting for a change");
  await write("run_worker.ts", standIn);
  await isPolling();
});

Deno.test("dev does not restart the Worker after a change of a test", async () => {
  await write("tests/new_test.ts", "");
  await write("packages/plugin/new_test.ts", "");
  await write("packages/plugin/new.ts", "");
  await dev.prints("Worker restarts: ");
  const file = join("packages", "plugin", "new.ts");
  await dev.prints(`"${file}" has changed`);
  await isPolling();
});

Deno.test("dev restarts the Worker after a change in a new folder", async () => {
  await Deno.mkdir(join(project.path, "later"));
  await dev.prints('Worker restarts: "later" has changed');
  await isPolling();
  await write("later/new.ts", "");
  await dev.prints(`"${join("later", "new.ts")}" has changed`);
  await isPolling();
});

Deno.test("dev restarts the Worker once for a new package, when it is installed", async () => {
  // A package that is installed already, so that no registry is needed.
  const [name] = Array.from(
    Deno.readDirSync(join(root, "node_modules/.deno")),
    ({ name }) => name,
  ).filter((name) => name.startsWith("nexus-rpc@"));
  // As "deno add" does it: first this file, then packages, then deno.lock
  const cwd = project.path;
  await using adding = startDeno(["add", `npm:${name}`], { cwd });
  await dev.prints("Worker restarts: ");
  await Deno.stat(join(cwd, "node_modules", "nexus-rpc"));
  assertStringIncludes(
    await Deno.readTextFile(join(cwd, "deno.lock")),
    `"npm:${name}"`,
  );
  assertEquals((await adding.status).code, 0, adding.stderr);
  await isPolling();
  await write("later.ts", "");
  await dev.prints('Worker restarts: "later.ts" has changed');
  assertEquals(countRestarts(), 1, dev.stdout);
  await isPolling();
});

Deno.test("dev keeps the Worker if packages cannot be installed", async () => {
  const before = await Deno.readTextFile(join(project.path, "deno.json"));
  const config = JSON.parse(before);
  config.imports["nexus-rpc"] = "npm:nexus-rpc@0.0.1";
  // It is not in the lock file, and no registry is asked.
  config.lock.frozen = true;
  await write("deno.json", JSON.stringify(config));
  await dev.prints("Cannot install packages: ");
  await write("deno.json", before);
  await write("even_later.ts", "");
  await dev.prints('Worker restarts: "even_later.ts" has changed');
  assertEquals(countRestarts(), 1, dev.stdout);
  await isPolling();
});

Deno.test("dev starts the Worker again when a server comes up, and lets an Activity finish on Ctrl-C", async () => {
  const port = findPort(hasFreePorts);
  const address = `localhost:${port}`;
  await write("run_worker.ts", runWorker);
  await using dev = spawn("dev", ["--address", address], {
    cwd: project.path,
  });
  await dev.prints(
    `Worker ended with code 1; waiting for a change or for a server at ${address}`,
  );
  await using _server = await startDevServer({ port });
  await dev.prints(`Worker restarts: a server answers at ${address}\n`);
  await dev.prints("Worker is polling");

  const args = ["slow", "--address", address];
  const client = output("start", args);
  await dev.prints("Activity runs");
  dev.kill("SIGINT");
  assertEquals((await dev.status).code, 0);
  await using _worker = spawn("worker", args.slice(1), { cwd: project.path });
  assertStringIncludes((await client).stdout, ", slow\n");
});
