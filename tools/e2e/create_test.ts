/** A new project, created from a checkout and from a registry, does what this one does. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cp } from "node:fs/promises";
import { basename, join } from "node:path";
import { hasFreePorts } from "../../packages/cli/servers/dev_server.ts";
import { findPort } from "../../packages/cli/ports.ts";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import { emptyCache, startRegistry } from "../shared/registry.ts";
import {
  cleanEnv,
  deno,
  readProjectFile,
  removeBundles,
  root,
  startDeno,
  taskQueue,
  temporaryFolder,
  workflowId,
  workflowType,
} from "./_programs.ts";

// Both projects have this one, so that Deno compiles the SDK only once.
const cache = await emptyCache(cleanEnv.DENO_DIR);
const baseEnv = {
  DENO_DIR: cache.path,
  TEMPORAL_TEST_SERVER: await locateServer("test-server"),
};

Deno.test.afterAll(async () => await cache[Symbol.asyncDispose]());

/** What `deno task demo` prints in this project, and in a new one. */
function demoOutput(port: number): string {
  const address = `localhost:${port}`;
  return `Temporal Service at ${address}, Web UI at http://localhost:${
    port + 1000
  }
Worker is polling Task Queue "${taskQueue}" in Namespace "default" at ${address}; press Ctrl-C to stop it
Result: Hello, Temporal!
Worker is shutting down
`;
}

/** Runs the demo and the whole check in a new project. */
async function checkProject(cwd: string, env: Record<string, string>) {
  const port = findPort(hasFreePorts);
  const { stdout, stderr } = await deno(["task", "demo"], {
    cwd,
    env: { ...env, TEMPORAL_ADDRESS: `localhost:${port}` },
  });
  // Before it, the first one prints what it installs.
  assertEquals(
    stdout.slice(stdout.indexOf("Temporal Service")),
    demoOutput(port),
  );
  assertStringIncludes(stderr, `Started Workflow "${workflowId}": http://`);
  const checks = await deno(["task", "ok"], { cwd, env });
  const test = `./tests/run_workflow_test.ts => ${workflowType} returns the`;
  assertStringIncludes(checks.stdout, `${test} Activity's greeting ... ok`);
  assertStringIncludes(
    checks.stdout,
    `${test} greeting of a mocked Activity ... ok`,
  );
  assertStringIncludes(checks.stdout, "ok | 2 passed | 0 failed");
}

/** A process that serves HTTP, and executes a Workflow for each request. */
const serveSource = `
import { Client } from "@temporalio/client";
import { NativeConnection } from "@temporalio/worker";
import { ${workflowType} } from "./workflows.ts";

const connection = await NativeConnection.connect({
  address: Deno.env.get("TEMPORAL_ADDRESS"),
});
const { workflow } = new Client({ connection });
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(\`Serving at http://127.0.0.1:\${port}/\`),
}, async ({ url }) => {
  const greeting = await workflow.execute(${workflowType}, {
    args: [new URL(url).searchParams.get("name")!],
    taskQueue: "${taskQueue}",
    workflowId: crypto.randomUUID(),
  });
  return new Response(greeting);
});
`;

Deno.test("a project created from a checkout runs and passes its checks", async () => {
  await using folder = await temporaryFolder();
  await using registry = await startRegistry();
  // Nobody asks it.
  const env = { ...baseEnv, JSR_URL: registry.url };
  const cwd = join(folder.path, "my app");
  const { stdout } = await deno(["task", "-q", "create", cwd], {
    cwd: root,
    env,
  });
  assertEquals(
    stdout,
    `Created a project in "${cwd}"
It uses the packages of the checkout in "${root}"
Next:
  cd '${cwd}'
  deno task demo
`,
  );
  await checkProject(cwd, env);
  assertEquals(registry.requests, []);

  const bundle = async (cwd: string) => {
    await removeBundles(cwd);
    const { stdout } = await deno(["task", "-q", "bundle"], { cwd, env });
    assertEquals(stdout, 'Bundled Workflow code of "workflows.ts"\n');
  };
  await bundle(cwd);

  // docs/deploy.md takes the packages along.
  const deploy = await readProjectFile("docs/deploy.md");
  const [, lines] = /```json\n("links"[^`]+)```/.exec(deploy)!;
  const vendor = join(cwd, "vendor");
  await Deno.mkdir(vendor);
  for (const name of ["packages/cli", "packages/plugin", "tools/std"]) {
    const target = join(vendor, basename(name));
    await cp(join(root, name), target, { recursive: true });
  }
  const config = join(cwd, "deno.json");
  const text = await Deno.readTextFile(config);
  const changed = text.replace(/ +"links": .*\n/, lines);
  assert(changed !== text);
  await Deno.writeTextFile(config, changed);
  const moved = join(folder.path, "elsewhere");
  await Deno.rename(cwd, moved);
  await deno(["install"], { cwd: moved, env });
  await bundle(moved);
  await deno(["task", "-q", "ok"], { cwd: moved, env });
});

Deno.test("a project created from a registry runs and passes its checks", async () => {
  await using folder = await temporaryFolder();
  const registry = await startRegistry();
  const env = { ...baseEnv, JSR_URL: registry.url };
  const name = "jsr:@temporal-on-deno/create";
  const options = { cwd: folder.path, env };
  const flags = ["--no-prompt", "-R=other", "-W=other"];
  const { stdout } = await deno(["run", ...flags, name, "other"], options);
  assertEquals(
    stdout,
    `Created a project in "other"\nNext:\n  cd other\n  deno task demo\n`,
  );
  await deno(["create", "-y", name, "--", "my-app"], options);
  const cwd = join(folder.path, "my-app");
  for (const file of ["deno.json", "run_worker.ts"]) {
    assertEquals(
      await Deno.readTextFile(join(cwd, file)),
      await Deno.readTextFile(join(folder.path, "other", file)),
    );
  }
  await checkProject(cwd, env);

  // What is installed is enough.
  await registry[Symbol.asyncDispose]();
  const port = findPort(hasFreePorts);
  const address = `localhost:${port}`;
  const project = { cwd, env: { ...env, TEMPORAL_ADDRESS: address } };
  await using server = startDeno(
    ["task", "-q", "server", "--port", `${port}`],
    project,
  );
  await server.prints(`Web UI at http://localhost:${port + 1000}`);
  const bundled = await deno(["task", "-q", "bundle"], project);
  assertEquals(bundled.stdout, 'Bundled Workflow code of "workflows.ts"\n');
  await using dev = startDeno(["task", "-q", "dev"], project);
  await dev.prints("Worker is polling");
  const greeting = await deno(["task", "-q", "start", "Ada"], project);
  assertEquals(greeting.stdout, "Result: Hello, Ada!\n");
  const activities = join(cwd, "activities.ts");
  const text = await Deno.readTextFile(activities);
  await Deno.writeTextFile(activities, text.replaceAll("Hello", "Good day"));
  await dev.prints('Worker restarts: "activities.ts" has changed');
  dev.kill("SIGINT");
  assertEquals((await dev.status).code, 0);
  await using worker = startDeno(["task", "-q", "worker"], project);
  await worker.prints("Worker is polling");
  const changed = await deno(["task", "-q", "start"], project);
  assertEquals(changed.stdout, "Result: Good day, Temporal!\n");

  // The permission set "web"
  await Deno.writeTextFile(join(cwd, "serve.ts"), serveSource);
  const permitted = ["--no-prompt", "--cached-only", "-P=web"];
  await using web = startDeno(["run", "-q", ...permitted, "serve.ts"], project);
  await web.prints("Serving at ");
  const [, url] = web.stdout.match(/Serving at (\S+)/)!;
  const response = await fetch(`${url}?name=Ada`);
  assertEquals(await response.text(), "Good day, Ada!");

  for (const program of [worker, server]) {
    program.kill("SIGINT");
    assertEquals((await program.status).code, 0);
  }
});
