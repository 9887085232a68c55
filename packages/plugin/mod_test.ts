/**
 * What the SDK documents of bundling, conversion, interception and replay works
 * with the plugin, with a bundle that is made and with the same one from the cache.
 */

import { Client, WorkflowFailedError } from "@temporalio/client";
import type { TestWorkflowEnvironment } from "@temporalio/testing";
import {
  type BundlerPlugin,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkerOptions,
  type WorkerPlugin,
} from "@temporalio/worker";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import {
  bundleWorkflowCode,
  DenoPlugin,
  DenoPluginError,
  type DenoPluginOptions,
} from "./mod.ts";
import { codec } from "./testdata/codec.ts";
import { createEnvironment, telemetryOptions } from "./testdata/environment.ts";
import { Greeting } from "./testdata/greeting.ts";
import { cacheFolder } from "./workflows/bundle.ts";

const logged: string[] = [];
Runtime.install({
  logger: new DefaultLogger("WARN", ({ message }) => logged.push(message)),
  telemetryOptions,
});

const testdata = join(import.meta.dirname!, "testdata");
const workflowsPath = join(testdata, "workflows.ts");
const payloadConverterPath = join(testdata, "payload_converter.ts");
const failureConverterPath = join(testdata, "failure_converter.ts");
const interceptorModule = join(testdata, "interceptors.ts");
const importsOs = join(testdata, "imports_os.ts");

/** How many bundles were made, each by a process. */
let bundles = 0;
const { Command } = Deno;
Deno.Command = class extends Command {
  constructor(...args: ConstructorParameters<typeof Command>) {
    super(...args);
    bundles++;
  }
};

let environment: TestWorkflowEnvironment;

Deno.test.beforeAll(async () => {
  await Deno.mkdir(cacheFolder, { recursive: true });
  for await (const { name } of Deno.readDir(cacheFolder)) {
    const file = join(cacheFolder, name);
    if ((await Deno.readTextFile(file)).includes(testdata)) {
      await Deno.remove(file);
    }
  }
  environment = await createEnvironment({ plugins: [new DenoPlugin()] });
});

Deno.test.afterAll(async () => {
  await environment?.teardown();
});

/** Creates a Worker and executes a Workflow on it with the argument "x". */
async function execute(
  workflow: string,
  options: Partial<WorkerOptions> = {},
): Promise<{ result: unknown; isCached: boolean }> {
  const { connection, nativeConnection } = environment;
  const { dataConverter, taskQueue = crypto.randomUUID() } = options;
  const plugins = [new DenoPlugin()];
  const client = new Client({ connection, dataConverter, plugins });
  const before = bundles;
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowsPath,
    activities: { greet: (name: string) => new Greeting(name) },
    ...options,
  });
  const isCached = bundles === before;
  const result = await worker.runUntil(
    client.workflow.execute(workflow, {
      args: ["x"],
      taskQueue,
      workflowId: crypto.randomUUID(),
      // Ends one that makes no progress; time is skipped.
      workflowExecutionTimeout: "1 minute",
    }),
  );
  return { result, isCached };
}

/** A plugin that is not known to `DenoPlugin`. */
const otherPlugin: BundlerPlugin & WorkerPlugin = {
  name: "other",
  configureBundler: (options) => ({
    ...options,
    workflowInterceptorModules: [interceptorModule],
  }),
};

/** A plugin that comes later and replaces what the bundler was to take. */
const replacingPlugin: BundlerPlugin & WorkerPlugin = {
  name: "replacing",
  configureBundler: (options) => ({
    ...options,
    workflowsPath: importsOs,
    ignoreModules: ["os"],
  }),
};

/** A connection's plugin, which comes after those of the Worker. */
const laterPlugin: WorkerPlugin = {
  name: "later",
  configureWorker: (options) => ({
    ...options,
    interceptors: { workflowModules: [interceptorModule] },
  }),
};

for (
  const [what, workflow, options, expected] of [
    ["a file as workflowsPath", "echo", {}, "x"],
    ["a file: URL as workflowsPath", "echo", {
      workflowsPath: import.meta.resolve("./testdata/workflows.ts"),
    }, "x"],
    ["a folder as workflowsPath", "echo", {
      workflowsPath: join(testdata, "folder"),
    }, "x"],
    ["payloadConverterPath, from an Activity", "receivesGreeting", {
      dataConverter: { payloadConverterPath },
    }, true],
    ["file: URLs as interceptors.workflowModules", "echo", {
      interceptors: {
        workflowModules: [pathToFileURL(interceptorModule).href],
      },
    }, "<x>"],
    ["a file: URL as payloadConverterPath", "receivesGreeting", {
      dataConverter: {
        payloadConverterPath: pathToFileURL(payloadConverterPath).href,
      },
    }, true],
    ["payloadConverterPath, to the Client", "returnsGreeting", {
      dataConverter: { payloadConverterPath },
    }, new Greeting("x")],
    [
      "payloadCodecs",
      "echo",
      { dataConverter: { payloadCodecs: [codec] } },
      "x",
    ],
    ["interceptors.workflowModules", "echo", {
      interceptors: { workflowModules: [interceptorModule] },
    }, "<x>"],
    ["bundlerOptions.ignoreModules", "readsHostname", {
      workflowsPath: importsOs,
      bundlerOptions: { ignoreModules: ["os"] },
    }, "undefined"],
    ["no bundlerOptions.preloadModules", "isPreloaded", {}, false],
    ["bundlerOptions.preloadModules", "isPreloaded", {
      bundlerOptions: { preloadModules: [join(testdata, "preloaded.ts")] },
    }, true],
    ["another plugin's configureBundler", "echo", {
      plugins: [otherPlugin],
    }, "<x>"],
    ["a plugin that comes later", "echo", {
      plugins: [new DenoPlugin(), laterPlugin],
    }, "<x>"],
    ["a later plugin's configureBundler", "readsHostname", {
      workflowsPath: "replaced",
      plugins: [new DenoPlugin(), replacingPlugin],
    }, "undefined"],
    ["the plugin given twice", "echo", {
      plugins: [new DenoPlugin(), new DenoPlugin()],
    }, "x"],
  ] as [string, string, Partial<WorkerOptions>, unknown][]
) {
  Deno.test(`DenoPlugin supports ${what}, made and cached`, async () => {
    // Without a thread for Workflows, which takes longer than the rest: other tests
    // have one.
    const run = () => execute(workflow, { debugMode: true, ...options });
    const first = await run();
    const second = await run();
    assertEquals([first.result, second], [
      expected,
      { result: expected, isCached: true },
    ]);
  });
}

Deno.test("DenoPlugin supports failureConverterPath, made and cached", async () => {
  for (const _ of ["made", "cached"]) {
    const dataConverter = { failureConverterPath };
    const { cause } = await assertRejects(
      () => execute("fails", { dataConverter }),
      WorkflowFailedError,
    );
    assertEquals(cause?.message, "no (marked)");
    // The stack, as with the SDK's own converter, names lines of source files.
    assertStringIncludes(cause!.stack!, `${workflowsPath}:23:`);
  }
});

Deno.test("DenoPlugin calls webpackConfigHook for each bundle", async () => {
  let calls = 0;
  const bundlerOptions: WorkerOptions["bundlerOptions"] = {
    webpackConfigHook(config) {
      calls++;
      return { ...config, performance: false };
    },
  };
  for (const call of [1, 2]) {
    const { result } = await execute("echo", {
      bundlerOptions,
      debugMode: true,
    });
    assertEquals([result, calls], ["x", call]);
  }
});

Deno.test("DenoPlugin supports Workers with other Workflows in one process", async () => {
  const results = await Promise.all([
    execute("echo"),
    execute("echo", { interceptors: { workflowModules: [interceptorModule] } }),
    execute("readsHostname", {
      workflowsPath: importsOs,
      bundlerOptions: { ignoreModules: ["os"] },
    }),
  ]);
  assertEquals(results.map(({ result }) => result), ["x", "<x>", "undefined"]);
});

Deno.test("DenoPlugin supports a Worker without Workflows", async () => {
  const taskQueue = crypto.randomUUID();
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    activities: { greet: (name: string) => ({ name }) },
  });
  const options = { activities: undefined, taskQueue };
  const { result } = await worker.runUntil(
    execute("receivesGreeting", options),
  );
  assertEquals(result, false);
});

Deno.test("a Worker that cannot be created does not keep its program from ending", async () => {
  const { stdout } = await new Command(Deno.execPath(), {
    args: [
      ..."run -q -A --no-check".split(" "),
      import.meta.resolve("./testdata/cannot_create.ts"),
      environment.address,
    ],
    stderr: "inherit",
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "IllegalStateError\n");
});

Deno.test("DenoPlugin supports replay, made and cached", async () => {
  const { client, nativeConnection } = environment;
  const taskQueue = crypto.randomUUID();
  const interceptors = { workflowModules: [interceptorModule] };
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowsPath,
    interceptors,
  });
  const handle = await client.workflow.start("echo", {
    args: ["x"],
    taskQueue,
    workflowId: crypto.randomUUID(),
  });
  assertEquals(await worker.runUntil(handle.result()), "<x>");
  const history = await handle.fetchHistory();
  for (const _ of ["made", "cached"]) {
    await Worker.runReplayHistory({
      workflowsPath,
      interceptors,
      plugins: [new DenoPlugin()],
      replayName: "x",
    }, history);
  }
});

// sandbox_test.ts has one of the SDK's bundler.
Deno.test("DenoPlugin takes a prebuilt bundle", async () => {
  const workflowBundle = await bundleWorkflowCode({ workflowsPath });
  const options = { workflowsPath: undefined, workflowBundle };
  assertEquals((await execute("echo", options)).result, "x");
});

Deno.test("bundleWorkflowCode() bundles what a later plugin chose", async () => {
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: "replaced",
    plugins: [new DenoPlugin(), replacingPlugin],
  });
  const options = { workflowsPath: undefined, workflowBundle };
  assertEquals((await execute("readsHostname", options)).result, "undefined");
});

Deno.test("bundleWorkflowCode() refuses options of a wrong type", async () => {
  const wrong = {
    workflowsPath: undefined,
    preloadModules: "one",
    ignoreModules: "one",
    workflowInterceptorModules: "one",
  };
  for (const [name, value] of Object.entries(wrong)) {
    await assertRejects(
      () => bundleWorkflowCode({ workflowsPath, [name]: value }),
      DenoPluginError,
      `Cannot bundle Workflow code: The option ${name} has the value ` +
        `${Deno.inspect(value)}: pass `,
    );
  }
});

Deno.test("bundleWorkflowCode() takes a path from the current folder", async () => {
  const path = relative(Deno.cwd(), join(testdata, "folder", "index.ts"));
  const { code } = await bundleWorkflowCode({ workflowsPath: `./${path}` });
  assertEquals(code.includes("testdata/folder/index.ts"), true);
});

Deno.test("bundleWorkflowCode() refuses a webpackConfigHook", async () => {
  await assertRejects(
    () =>
      bundleWorkflowCode({
        workflowsPath,
        webpackConfigHook: (config) => config,
      }),
    DenoPluginError,
    'Cannot bundle Workflow code: "webpackConfigHook" is for webpack; use ' +
      "bundleWorkflowCode of @temporalio/worker with " +
      '"plugins: [new DenoPlugin()]"',
  );
});

Deno.test("DenoPlugin says how to correct options of wrong types", async () => {
  const activities = import.meta.resolve("./testdata/greeting.ts");
  const cases: [DenoPluginOptions, string][] = [
    [
      { activities: "./activities.ts" },
      'Cannot load Activities from "./activities.ts": it is not a URL; pass ' +
      'import.meta.resolve("./activities.ts")',
    ],
    [
      { activities, heapLimitMB: -1 },
      'Cannot limit Activities to "-1" MB: pass a positive integer',
    ],
    [
      { keepPermissions: "yes\n" } as unknown as DenoPluginOptions,
      'Cannot use DenoPlugin: the option "keepPermissions" has the value "yes\\n"; ' +
      "pass one of the type boolean",
    ],
    [
      { activities: new URL(activities) } as unknown as DenoPluginOptions,
      `Cannot use DenoPlugin: the option "activities" has the value URL "${activities}"; ` +
      "pass one of the type string",
    ],
    [
      { permissions: null } as unknown as DenoPluginOptions,
      'Cannot use DenoPlugin: the option "permissions" has the value null; ' +
      "pass one of the type object",
    ],
    [
      {
        activities,
        permissions: { read: [5] },
      } as unknown as DenoPluginOptions,
      'Cannot give Activities the permission "read" with the value [5]: pass ' +
      "true, false or a list of strings",
    ],
  ];
  for (const [options, message] of cases) {
    await assertRejects(
      async () =>
        await new DenoPlugin(options).configureWorker({ taskQueue: "x" }),
      DenoPluginError,
      message,
    );
  }
  await assertRejects(
    () =>
      execute("echo", {
        workflowsPath: undefined,
        workflowBundle: { codePath: "/no/bundle.js" },
      }),
    DenoPluginError,
    "Cannot use the Workflow bundle: No such file",
  );
});

Deno.test("DenoPlugin warns of options that do not exist", async () => {
  const options = { activites: "x" } as DenoPluginOptions;
  await new DenoPlugin(options).configureWorker({ taskQueue: "x" });
  assertEquals(
    logged.at(-1),
    'DenoPlugin ignores the option "activites", which does not exist; the options ' +
      "are activities, permissions, processes, heapLimitMB, inspect, keepPermissions",
  );
});

Deno.test("DenoPlugin refuses a prebuilt bundle made without it", async () => {
  // sandbox_test.ts makes such a bundle with webpack.
  const workflowBundle = { code: "var __TEMPORAL__ = {};" };
  await assertRejects(
    () => execute("echo", { workflowsPath: undefined, workflowBundle }),
    DenoPluginError,
    "Cannot use the Workflow bundle: it was made without DenoPlugin; pass " +
      '"plugins: [new DenoPlugin()]" to bundleWorkflowCode',
  );
});

for (
  const [what, options, message] of [
    ["a workflowsPath that does not exist", {
      workflowsPath: join(testdata, "missing.ts"),
    }, `Cannot bundle Workflow code: "${join(testdata, "missing.ts")}" does`],
    ["a payloadConverterPath that does not exist", {
      dataConverter: { payloadConverterPath: join(testdata, "missing.ts") },
    }, "Could not find a file at the specified payloadConverterPath"],
    ["a payload converter without the export", {
      dataConverter: { payloadConverterPath: failureConverterPath },
    }, "does not have a `payloadConverter` named export"],
    ["an interceptor module that does not exist", {
      interceptors: { workflowModules: [join(testdata, "missing.ts")] },
    }, "missing.ts"],
  ] as [string, Partial<WorkerOptions>, string][]
) {
  Deno.test(`DenoPlugin reports ${what}`, async () => {
    const error = await assertRejects(() => execute("echo", options), Error);
    assertStringIncludes(error.message, message);
    assertEquals(error.message.includes("webpack/lib"), false);
  });
}

Deno.test("the SDK warns of no option that it ignores", () => {
  assertEquals(logged.filter((message) => message.includes("Ignor")), []);
});

Deno.test("a Worker can be shut down as soon as it runs", async () => {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: crypto.randomUUID(),
    workflowsPath,
  });
  await assertRejects(
    () => worker.runUntil(() => Promise.reject(new Error("at once"))),
    Error,
    "at once",
  );
});
