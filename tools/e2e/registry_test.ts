/**
 * An application in the style of Temporal's hello-world adds the plugin from a
 * registry, and runs with the permissions of its tasks.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join, relative } from "node:path";
import config from "../../deno.json" with { type: "json" };
import plugin from "../../packages/plugin/deno.json" with { type: "json" };
import { run } from "../../packages/cli/processes.ts";
import {
  emptyCache,
  packPlugin,
  startNpmRegistry,
  startRegistry,
} from "../shared/registry.ts";
import {
  cleanEnv,
  deno,
  output,
  root,
  startDeno,
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
const command = "deno run -q --no-prompt --cached-only";

const files = {
  "deno.json": JSON.stringify({
    tasks: {
      client: `${command} -P=client src/client.ts`,
      bundle: `${command} -P=worker -W=. src/bundle.ts`,
      worker: `${command} -P=worker src/worker.ts`,
      restarted: `${command} -P=restarted src/worker.ts`,
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

const server = await startDevServer();
/** What all applications but those on Node.js have: no registry but a test's own. */
const cache = await emptyCache(cleanEnv.DENO_DIR);
const packed = await temporaryFolder();
const pluginFile = join(packed.path, "plugin.tgz");

Deno.test.beforeAll(async () => await packPlugin(pluginFile));

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await cache[Symbol.asyncDispose]();
  await packed[Symbol.asyncDispose]();
});

/** An application in a folder of its own. */
async function createApplication(
  env: Record<string, string> = {},
  contents: Record<string, string> = files,
) {
  const folder = await temporaryFolder();
  await Deno.mkdir(join(folder.path, "src"));
  for (const [name, text] of Object.entries(contents)) {
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  const options = {
    cwd: folder.path,
    env: {
      DENO_DIR: cache.path,
      TEMPORAL_ADDRESS: server.address,
      ...env,
    },
  };
  return {
    path: folder.path,
    start: (...args: string[]) => startDeno(args, options),
    /** Runs `deno` to its end, and returns what it printed. */
    deno: async (...args: string[]) => (await deno(args, options)).stdout,
    /** Changes its `deno.json`. */
    async configure(change: Record<string, unknown>) {
      const path = join(folder.path, "deno.json");
      const before = JSON.parse(await Deno.readTextFile(path));
      const imports = { ...before.imports, ...change.imports as object };
      const text = JSON.stringify({ ...before, ...change, imports });
      await Deno.writeTextFile(path, text);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

type Application = Awaited<ReturnType<typeof createApplication>>;

/** Runs a task with a Worker, and the Client. */
async function greet(app: Application, ...task: string[]): Promise<string> {
  await using worker = app.start("task", "-q", ...task);
  await worker.prints("RUNNING");
  const greeting = await app.deno("task", "-q", "client");
  worker.kill("SIGINT");
  await worker.status;
  return greeting;
}

/** Runs the Worker in each way, with nothing but what is installed. */
async function runWorkers(app: Application) {
  const inSandbox = "Hello, Temporal! ffi is prompt\n";
  const inProcess = "Hello, Temporal! ffi is granted\n";
  assertEquals(await greet(app, "worker", "sandbox"), inSandbox);
  // It may not run Deno to make a bundle: that in the cache is up to date.
  assertEquals(await greet(app, "restarted", "plain"), inProcess);
  await app.deno("task", "-q", "bundle");
  await Deno.remove(join(app.path, "node_modules/.cache"), { recursive: true });
  assertEquals(await greet(app, "restarted", "bundle"), inProcess);
}

Deno.test("an application runs with the plugin from JSR", async () => {
  const registry = await startRegistry();
  await using app = await createApplication({ JSR_URL: registry.url });
  await app.deno("add", "jsr:@temporal-on-deno/plugin");
  assertStringIncludes(
    await Deno.readTextFile(join(app.path, "deno.json")),
    `"jsr:@temporal-on-deno/plugin@^${plugin.version}"`,
  );
  // create_test.ts checks types with the packages from JSR.
  await app.deno("install", "--frozen");
  await registry[Symbol.asyncDispose]();
  await runWorkers(app);
});

Deno.test("an application runs with the plugin from npm", async () => {
  await using app = await createApplication();
  const registry = await startNpmRegistry(pluginFile);
  await Deno.writeTextFile(
    join(app.path, ".npmrc"),
    `@temporal-on-deno:registry=${registry.url}\n`,
  );
  await app.deno("add", "npm:@temporal-on-deno/plugin");
  await app.deno("install", "--frozen");
  await app.deno("check", "--frozen", "src/");
  await registry[Symbol.asyncDispose]();
  await runWorkers(app);
});

Deno.test("an application runs with the plugin from a file of npm", async () => {
  await using app = await createApplication();
  // It does not have the package.
  await using registry = await startRegistry();
  await Deno.writeTextFile(
    join(app.path, ".npmrc"),
    `@temporal-on-deno:registry=${registry.url}\n`,
  );
  const signal = AbortSignal.timeout(20_000);
  await run(["tar", "-xzf", pluginFile], { cwd: app.path, signal });
  await app.configure({
    links: ["./package"],
    imports: {
      "@temporal-on-deno/plugin":
        `npm:@temporal-on-deno/plugin@${plugin.version}`,
    },
  });
  await app.deno("install");
  assertEquals(
    await greet(app, "worker", "sandbox"),
    "Hello, Temporal! ffi is prompt\n",
  );
});

/** An application on Node.js, in the form of Temporal's hello-world. */
const onNode = {
  "package.json": JSON.stringify({
    dependencies: Object.fromEntries(
      Object.entries({ ...activity, ...client, ...worker, ...workflow })
        .map(([name, url]) => [name, url.replace(/^.*@/, "")]),
    ),
  }),
  "src/activities.ts": `
export async function greet(name: string): Promise<string> {
  return \`Hello, \${name}!\`;
}
`,
  "src/workflows.ts": files["src/workflows.ts"]
    .replace("./activities.ts", "./activities"),
  "src/worker.ts": `
import { NativeConnection, Worker } from "@temporalio/worker";
import * as activities from "./activities";

async function run() {
  const connection = await NativeConnection.connect({
    address: "localhost:7233",
  });
  const worker = await Worker.create({
    connection,
    taskQueue: "hello-world",
    workflowsPath: require.resolve("./workflows"),
    activities,
  });
  await worker.run();
  await connection.close();
}

run().catch((error) => {
  console.error(error);
  process.exit(1);
});
`,
  "src/client.ts": files["src/client.ts"]
    .replace("./workflows.ts", "./workflows"),
};

/** Temporal's own, if `SAMPLES_TYPESCRIPT` names a clone of its samples. */
async function readHelloWorld(): Promise<Record<string, string>> {
  const clone = Deno.env.get("SAMPLES_TYPESCRIPT");
  if (!clone) return onNode;
  const signal = AbortSignal.timeout(20_000);
  const git = ["git", "-C", clone, "show"];
  const entries = Object.keys(onNode).map(async (file) => [
    file,
    await run([...git, `HEAD:hello-world/${file}`], { signal }),
  ]);
  const sample = Object.fromEntries(await Promise.all(entries));
  // Its tools are not needed.
  const { dependencies } = JSON.parse(sample["package.json"]);
  return { ...sample, "package.json": JSON.stringify({ dependencies }) };
}

Deno.test("an application on Node.js moves to Deno by the task move", async () => {
  const moved = Object.entries(await readHelloWorld()).map(([file, text]) => [
    file,
    text.replace("localhost:7233", server.address),
  ]);
  await using app = await createApplication({
    // Deno does not follow the links of an empty cache for this.
    DENO_DIR: cleanEnv.DENO_DIR,
  }, Object.fromEntries(moved));
  await app.deno("install");
  const { code, stdout, stderr } = await output("move", [app.path]);
  assertEquals(code, 0, `${stdout}${stderr}`);
  await app.deno("install");
  await app.deno("check", "src/");
  await using worker = app.start("run", "-A", "--cached-only", "src/worker.ts");
  await worker.prints("RUNNING");
  const printed = await app.deno("run", "-A", "--cached-only", "src/client.ts");
  assertStringIncludes(printed, "Hello, Temporal!\n");
  worker.kill("SIGINT");
  await worker.status;
});

Deno.test("an application without nodeModulesDir reports that it has to set it", async () => {
  await using app = await createApplication({
    // Deno does not follow the links of an empty cache for this.
    DENO_DIR: cleanEnv.DENO_DIR,
  });
  await app.configure({
    nodeModulesDir: "none",
    links: [relative(app.path, join(root, "packages/plugin"))],
    imports: {
      "@temporal-on-deno/plugin":
        `jsr:@temporal-on-deno/plugin@${plugin.version}`,
    },
  });
  await using worker = app.start("run", "-A", "src/worker.ts", "plain");
  assertEquals((await worker.status).code, 1);
  assertStringIncludes(
    worker.stderr,
    'There is no folder "node_modules": set "nodeModulesDir" to "auto" in deno.json\n',
  );
});
