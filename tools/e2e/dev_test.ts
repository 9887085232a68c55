/** The task `dev`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { findPort } from "../../packages/cli/ports.ts";
import { hasFreePorts } from "../../packages/cli/servers/dev_server.ts";
import {
  activityType,
  changedProject,
  cleanEnv,
  output,
  Program,
  readProjectFile,
  root,
  spawn,
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

const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };
const project = await changedProject({
  "activities.ts": activities("Hello"),
  // A lost attempt is not retried: the Workflow fails.
  "workflows.ts": (await readProjectFile("workflows.ts")).replace(
    '"5 seconds",',
    '"5 seconds", retry: { maximumAttempts: 1 },',
  ),
});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

function write(file: string, text: string, folder = project.path) {
  return Deno.writeTextFile(join(folder, file), text);
}

async function greet(name: string): Promise<string> {
  const { stdout } = await output("start", [name, "--workflow-id", name], {
    env,
  });
  return stdout;
}

Deno.test("dev restarts the Worker after a change, when its Activities have finished", async () => {
  await using dev = spawn("dev", [], { env, cwd: project.path });
  await dev.prints("Worker is polling");
  const slow = greet("slow");
  await dev.prints("Activity runs");
  await write("activities.ts", activities("Goodbye"));
  await dev.prints('Worker restarts: "activities.ts" has changed');
  await dev.prints(
    "Worker is shutting down, waiting for Activities to finish (1)",
  );
  assertEquals(await slow, "Result: Hello, slow\n");
  assertEquals(await greet("Ada"), "Result: Goodbye, Ada\n");

  await write("run_worker.ts", "an error");
  await dev.prints("Worker ended with code 1; waiting for a change");
  const worker = await readProjectFile("run_worker.ts");
  await write("run_worker.ts", worker);
  assertEquals(await greet("Grace"), "Result: Goodbye, Grace\n");

  dev.kill("SIGINT");
  assertEquals((await dev.status).code, 0);
  assertStringIncludes(dev.stdout, "Worker is shutting down\n");
});

Deno.test("dev does not restart the Worker after a change of a test", async () => {
  await using dev = spawn("dev", [], { env, cwd: project.path });
  await dev.prints("Worker is polling");
  await write("tests/new_test.ts", "");
  await write("packages/plugin/new_test.ts", "");
  await write("packages/plugin/new.ts", "");
  await dev.prints("Worker restarts: ");
  assertStringIncludes(
    dev.stdout,
    `"${join("packages", "plugin", "new.ts")}" has changed`,
  );
});

Deno.test("dev restarts the Worker after a change in a new folder", async () => {
  await using dev = spawn("dev", [], { env, cwd: project.path });
  await dev.prints("Worker is polling");
  await Deno.mkdir(join(project.path, "later"));
  await dev.prints('Worker restarts: "later" has changed');
  await dev.prints("Worker is shutting down");
  await greet("later"); // by the next Worker
  await write("later/new.ts", "");
  await dev.prints(`"${join("later", "new.ts")}" has changed`);
});

Deno.test("dev lets a running Activity finish on Ctrl-C", async () => {
  await using dev = spawn("dev", [], { env, cwd: project.path });
  await dev.prints("Worker is polling");
  const args = ["slow", "--workflow-id", "last"];
  const client = output("start", args, { env });
  await dev.prints("Activity runs");
  dev.kill("SIGINT");
  assertEquals((await dev.status).code, 0);
  await using _worker = spawn("worker", [], { env, cwd: project.path });
  assertEquals((await client).stdout, "Result: Goodbye, slow\n");
});

Deno.test("dev starts the Worker again when a server comes up", async () => {
  const port = findPort(hasFreePorts);
  const address = `localhost:${port}`;
  await using dev = spawn("dev", ["--address", address], {
    cwd: project.path,
  });
  await dev.prints(
    `Worker ended with code 1; waiting for a change or for a server at ${address}`,
  );
  await using _server = await startDevServer({ port });
  await dev.prints(`Worker restarts: a server answers at ${address}\n`);
  await dev.prints("Worker is polling");
});

Deno.test("dev restarts the Worker once for a new package, when it is installed", async () => {
  await using project = await changedProject({});
  const config = JSON.parse(await readProjectFile("deno.json"));
  const path = join(project.path, "deno.json");
  const save = async () =>
    await Deno.writeTextFile(path, JSON.stringify(config));
  config.lock.frozen = false;
  await save();
  // A package that is installed already, so that no registry is needed.
  const [name] = Array.from(
    Deno.readDirSync(join(root, "node_modules/.deno")),
    ({ name }) => name,
  ).filter((name) => name.startsWith("nexus-rpc@"));
  await using dev = spawn("dev", [], { env, cwd: project.path });
  await dev.prints("Worker is polling");
  // As "deno add" does it: first this file, then packages, then deno.lock
  await using adding = new Program([Deno.execPath(), "add", `npm:${name}`], {
    cwd: project.path,
    env: cleanEnv,
    clearEnv: true,
  });
  await dev.prints("Worker restarts: ");
  await Deno.stat(join(project.path, "node_modules", "nexus-rpc"));
  assertStringIncludes(
    await Deno.readTextFile(join(project.path, "deno.lock")),
    `"npm:${name}"`,
  );
  assertEquals((await adding.status).code, 0, adding.stderr);
  await greet("added"); // by the next Worker
  await write("later.ts", "", project.path);
  await dev.prints('Worker restarts: "later.ts" has changed');
  assertEquals(dev.stdout.match(/Worker restarts: /g)?.length, 2, dev.stdout);
});

Deno.test("dev keeps the Worker if packages cannot be installed", async () => {
  await using project = await changedProject({});
  await using dev = spawn("dev", [], { env, cwd: project.path });
  await dev.prints("Worker is polling");
  const config = JSON.parse(await readProjectFile("deno.json"));
  config.imports["nexus-rpc"] = "npm:nexus-rpc@0.0.1";
  await write("deno.json", JSON.stringify(config), project.path);
  await dev.prints("Cannot install packages: ");
  await write("later.ts", "", project.path);
  await dev.prints('Worker restarts: "later.ts" has changed');
  assertEquals(dev.stdout.match(/Worker restarts: /g)?.length, 1, dev.stdout);
});
