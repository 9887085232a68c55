/**
 * An application in the style of Temporal's hello-world adds the plugin from a
 * registry, and runs with the permissions of its tasks.
 */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import plugin from "../../packages/plugin/deno.json" with { type: "json" };
import {
  emptyCache,
  type Registry,
  startRegistry,
} from "../shared/registry.ts";
import {
  cleanEnv,
  Program,
  startDevServer,
  temporaryFolder,
} from "./_programs.ts";

const { activity, client, common, worker, workflow } = Object.fromEntries(
  Object.entries(config.imports).map(([name, url]) => [
    name.replace("@temporalio/", ""),
    { [name]: url },
  ]),
);

const env = { allow: ["GRPC_*", "TEMPORAL_*"], ignore: true };
const permissions = {
  env,
  ffi: ["node_modules"],
  read: ["."],
  run: ["deno"],
  sys: ["gid", "hostname", "uid"],
};
const run = "deno run -q --no-prompt --cached-only";

const files = {
  "deno.json": JSON.stringify({
    tasks: {
      client: `${run} -P=client src/client.ts`,
      bundle: `${run} -P=worker -W=. src/bundle.ts`,
      worker: `${run} -P=worker src/worker.ts`,
      restarted: `${run} -P=restarted src/worker.ts`,
    },
    imports: { ...activity, ...client, ...common, ...worker, ...workflow },
    nodeModulesDir: "auto",
    permissions: {
      client: { env, net: ["localhost", "127.0.0.1"], sys: ["hostname"] },
      worker: {
        ...permissions,
        write: ["node_modules/.cache/temporal-on-deno"],
      },
      restarted: { ...permissions, run: [] },
    },
  }),
  "src/activities.ts": `
export async function greet(name: string): Promise<string> {
  const { state } = Deno.permissions.querySync({ name: "ffi", path: "node_modules" });
  return \`Hello, \${name}! ffi is \${state}\`;
}
`,
  "src/workflows.ts": `
import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { greet } = proxyActivities<typeof activities>({
  startToCloseTimeout: "1 minute",
});

export async function example(name: string): Promise<string> {
  return await greet(name);
}
`,
  "src/worker.ts": `
import { NativeConnection, Worker } from "@temporalio/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";
import * as activities from "./activities.ts";

const [mode] = Deno.args;
const connection = await NativeConnection.connect({
  address: Deno.env.get("TEMPORAL_ADDRESS"),
});
try {
  const worker = await Worker.create({
    connection,
    namespace: "default",
    taskQueue: "hello-world",
    ...mode === "bundle"
      ? { workflowBundle: { codePath: "workflow-bundle.js" } }
      : { workflowsPath: import.meta.resolve("./workflows.ts") },
    ...mode === "sandbox" ? {} : { activities },
    plugins: [
      new DenoPlugin(
        mode === "sandbox"
          ? { activities: import.meta.resolve("./activities.ts") }
          : {},
      ),
    ],
  });
  await worker.run();
} finally {
  await connection.close();
}
`,
  "src/bundle.ts": `
import { bundleWorkflowCode } from "@temporal-on-deno/plugin";

const { code } = await bundleWorkflowCode({
  workflowsPath: import.meta.resolve("./workflows.ts"),
});
await Deno.writeTextFile("workflow-bundle.js", code);
`,
  "src/client.ts": `
import { Client, Connection } from "@temporalio/client";
import { example } from "./workflows.ts";

const connection = await Connection.connect({
  address: Deno.env.get("TEMPORAL_ADDRESS"),
});
const client = new Client({ connection });
const handle = await client.workflow.start(example, {
  taskQueue: "hello-world",
  args: ["Temporal"],
  workflowId: "workflow-" + crypto.randomUUID(),
});
console.log(await handle.result());
await connection.close();
`,
};

/** An application, with a registry and a cache of its own. */
async function createApplication(
  { files: changes = {}, packages = {} }: {
    files?: Record<string, string>;
    packages?: Record<string, string>;
  } = {},
) {
  const stack = new AsyncDisposableStack();
  const registry: Registry = await startRegistry(packages);
  stack.defer(() => registry[Symbol.asyncDispose]());
  const cache = stack.use(await emptyCache(cleanEnv.DENO_DIR));
  const folder = stack.use(await temporaryFolder());
  await Deno.mkdir(join(folder.path, "src"));
  for (const [name, text] of Object.entries({ ...files, ...changes })) {
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  const env: Record<string, string> = {
    ...cleanEnv,
    DENO_DIR: cache.path,
    JSR_URL: registry.url,
  };
  const start = (...args: string[]) =>
    new Program([Deno.execPath(), ...args], {
      cwd: folder.path,
      env,
      clearEnv: true,
    });
  return {
    env,
    registry,
    path: folder.path,
    start,
    /** Runs \`deno\` to its end. */
    async deno(...args: string[]) {
      await using program = start(...args);
      const { code } = await program.status;
      const { stdout, stderr } = program;
      return { code, stdout, stderr };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("an application adds the plugin and runs with its tasks' permissions", async () => {
  await using server = await startDevServer();
  await using app = await createApplication();
  app.env.TEMPORAL_ADDRESS = server.address;
  const added = await app.deno("add", "jsr:@temporal-on-deno/plugin");
  assertEquals(added.code, 0, added.stderr);
  const { imports } = JSON.parse(
    await Deno.readTextFile(join(app.path, "deno.json")),
  );
  assertEquals(
    imports["@temporal-on-deno/plugin"],
    `jsr:@temporal-on-deno/plugin@^${plugin.version}`,
  );
  const installed = await app.deno("install", "--frozen");
  assertEquals(installed.code, 0, installed.stderr);
  const checked = await app.deno("check", "--frozen");
  assertEquals(checked.code, 0, checked.stderr);

  // What is installed is enough.
  await app.registry[Symbol.asyncDispose]();
  const greeting = async (...task: string[]) => {
    await using worker = app.start("task", "-q", ...task);
    await worker.prints("RUNNING");
    const { stdout, stderr } = await app.deno("task", "-q", "client");
    worker.kill("SIGINT");
    assertEquals((await worker.status).code, 0);
    return stdout || stderr;
  };
  assertEquals(
    await greeting("worker", "sandbox"),
    "Hello, Temporal! ffi is prompt\n",
  );
  assertEquals(
    await greeting("worker", "plain"),
    "Hello, Temporal! ffi is granted\n",
  );
  // It may not run Deno to make a bundle: that in the cache is up to date.
  assertEquals(
    await greeting("restarted", "plain"),
    "Hello, Temporal! ffi is granted\n",
  );
  const bundled = await app.deno("task", "-q", "bundle");
  assertEquals(bundled.code, 0, bundled.stderr);
  await Deno.remove(join(app.path, "node_modules/.cache"), { recursive: true });
  assertEquals(
    await greeting("restarted", "bundle"),
    "Hello, Temporal! ffi is granted\n",
  );
});
