/** Runs the same Activities outside and inside the sandbox, on a server. */

import { Client } from "@temporalio/client";
import type { ActivityOptions, PayloadCodec } from "@temporalio/common";
import type { TestWorkflowEnvironment } from "@temporalio/testing";
import { Runtime, Worker, type WorkerOptions } from "@temporalio/worker";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { codec } from "../testdata/codec.ts";
import {
  createEnvironment,
  telemetryOptions,
} from "../testdata/environment.ts";
import { bundleWorkflowCode, DenoPlugin, DenoPluginError } from "../mod.ts";
import { ActivitySandbox } from "./sandbox.ts";
import * as outside from "./testdata/activities.ts";
import {
  type callSynchronous,
  compute,
  type computeWhileBeating,
  type passInvalidJson,
  type runActivity,
} from "./testdata/workflows.ts";

const silent = () => {};
Runtime.install({
  logger: {
    log: silent,
    trace: silent,
    debug: silent,
    info: silent,
    warn: silent,
    error: silent,
  },
  telemetryOptions,
});

let environment: TestWorkflowEnvironment;
let sandbox: ActivitySandbox;
let workflowBundle: WorkerOptions["workflowBundle"];
const workers: { run: Promise<void>; worker: Worker }[] = [];

Deno.test.beforeAll(async () => {
  environment = await createEnvironment();
  workflowBundle = await bundleWorkflowCode({
    workflowsPath: `${import.meta.dirname}/testdata/workflows.ts`,
  });
  sandbox = await ActivitySandbox.start(
    import.meta.resolve("./testdata/activities.ts"),
    { unresponsiveAfterMs: 500 },
  );
  await startWorker("outside", outside);
  // As in a Worker without interceptors; `sandbox_test.ts` has the other case.
  sandbox.passPayloads();
  await startWorker("inside", sandbox.activities);
});

Deno.test.afterAll(async () => {
  for (const { worker } of workers) worker.shutdown();
  await Promise.all(workers.map(({ run }) => run));
  await sandbox?.close();
  await environment?.teardown();
});

async function startWorker(taskQueue: string, activities: object) {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    activities,
    workflowBundle,
  });
  workers.push({ worker, run: worker.run() });
}

type Options = ActivityOptions & { local?: boolean; cancelAfterMs?: number };

async function execute(
  taskQueue: "outside" | "inside",
  name: string,
  args: unknown[] = [],
  options: Options = {},
): Promise<unknown> {
  return await environment.client.workflow.execute<typeof runActivity>(
    "runActivity",
    { taskQueue, workflowId: crypto.randomUUID(), args: [name, args, options] },
  );
}

const once: Options = { retry: { maximumAttempts: 1 } };

const cases: [string, unknown[], Options?][] = [
  ["failFirst", []],
  ["hangFirst", [], { startToCloseTimeout: "2s" }],
  ["echo", [1, null, { a: [] }]],
  ["runs the default Activity", ["x"]],
  ...["undefined", "date", "bytes", "toJSON", "map", "bigint"].map((value) =>
    ["getValue", [value], once] as [string, unknown[], Options]
  ),
  ...Object.keys(outside.errors).filter((e) => e !== "CompleteAsyncError").map((
    error,
  ) => ["throwError", [error], once] as [string, unknown[], Options]),
  ["getValue", ["date"], { ...once, local: true }],
  ["throwError", ["TypeError"], { ...once, local: true }],
  [
    "beatUntilCancelled",
    [],
    { heartbeatTimeout: "1s", cancelAfterMs: 100 },
  ],
];

for (const [name, args, options] of cases) {
  const title = [name, ...args.map(String), options?.local ? "local" : ""];
  Deno.test(`the same on a server: ${title.join(" ")}`, async () => {
    // One after the other: together they would skip more time than there is.
    const expected = await execute("outside", name, args, options);
    assertEquals(await execute("inside", name, args, options), expected);
  });
}

Deno.test("an argument that cannot be converted fails as without the sandbox", async () => {
  const run = (taskQueue: string) =>
    environment.client.workflow.execute<typeof passInvalidJson>(
      "passInvalidJson",
      { taskQueue, workflowId: crypto.randomUUID() },
    );
  // One after the other: together they would skip more time than there is.
  const expected = await run("outside");
  const actual = await run("inside");
  assertEquals(actual, expected);
  assertStringIncludes(JSON.stringify(actual), "Failed to parse activity args");
});

Deno.test("an Activity completes asynchronously", async () => {
  for (const taskQueue of ["outside", "inside"] as const) {
    const workflowId = crypto.randomUUID();
    const handle = await environment.client.workflow.start<typeof runActivity>(
      "runActivity",
      {
        taskQueue,
        workflowId,
        args: ["throwError", ["CompleteAsyncError"], {}],
      },
    );
    let isCompleted = false;
    while (!isCompleted) {
      isCompleted = await environment.client.activity
        .complete({ workflowId, activityId: "1" }, "done")
        .then(() => true, () => false);
    }
    assertEquals(
      await handle.result(),
      { type: "[object String]", result: "done" },
    );
  }
});

Deno.test("payload codecs see what an Activity inside is given and returns", async () => {
  const seen: string[] = [];
  const recorder: PayloadCodec = {
    encode: (payloads) => codec.encode(payloads),
    async decode(payloads) {
      const decoded = await codec.decode(payloads);
      seen.push(...decoded.map(({ data }) => new TextDecoder().decode(data!)));
      return decoded;
    },
  };
  const dataConverter = { payloadCodecs: [recorder] };
  const { connection, nativeConnection } = environment;
  const { workflow } = new Client({ connection, dataConverter });
  const outcomes = await Promise.all(
    Object.entries({ outside, inside: sandbox.activities })
      .map(async ([name, activities]) => {
        const taskQueue = `codec ${name}`;
        const worker = await Worker.create({
          connection: nativeConnection,
          taskQueue,
          activities,
          workflowBundle,
          dataConverter,
          debugMode: true, // Without a thread, which takes longer than the rest
        });
        return await worker.runUntil(
          workflow.execute<typeof runActivity>("runActivity", {
            taskQueue,
            workflowId: taskQueue,
            args: ["echo", ["secret"], {}],
          }),
        );
      }),
  );
  assertEquals(outcomes[1], outcomes[0]);
  assertEquals(JSON.stringify(outcomes[1]).includes("secret"), true);
  assertEquals(seen.includes('"secret"'), true);
});

Deno.test("a Worker that shuts down cancels its Activities after the grace time", async () => {
  const outcomes: string[] = [];
  const activities = import.meta.resolve("./testdata/activities.ts");
  const plugin = new DenoPlugin({ activities, keepPermissions: true });
  for (
    const [name, options] of Object.entries({
      outside: { activities: outside },
      inside: { plugins: [plugin] },
    })
  ) {
    const started = Promise.withResolvers<void>();
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: `grace ${name}`,
      workflowBundle,
      debugMode: true, // as above
      shutdownGraceTime: 100,
      ...options,
      interceptors: {
        activity: [() => ({
          inbound: {
            async execute(input, next) {
              const outcome = next(input);
              started.resolve();
              outcomes.push(JSON.stringify(await outcome));
              return outcome;
            },
          },
        })],
      },
    });
    const run = worker.run();
    const handle = await environment.client.workflow.start<typeof runActivity>(
      "runActivity",
      {
        taskQueue: worker.options.taskQueue,
        workflowId: name,
        args: ["waitForCancellation", [], once],
      },
    );
    await started.promise;
    worker.shutdown();
    await run;
    await handle.terminate();
  }
  assertEquals(outcomes.length, 2);
  assertEquals(outcomes[1], outcomes[0]);
  assertStringIncludes(outcomes[0], "WORKER_SHUTDOWN");
});

Deno.test("a synchronous function is an Activity", async () => {
  const result = await environment.client.workflow.execute<
    typeof callSynchronous
  >("callSynchronous", {
    taskQueue: "inside",
    workflowId: "synchronous",
    args: [3],
  });
  assertEquals(result, 3);
});

Deno.test("an Activity that ends its process is tried again", async () => {
  assertEquals(
    await execute("inside", "exitFirst"),
    { type: "[object Number]", result: 2 },
  );
});

Deno.test("an Activity that blocks is tried again after its timeout", async () => {
  // The second attempt may start in the process before it has ended.
  const { result } = await execute("inside", "blockFirst", [], {
    startToCloseTimeout: "2s",
  }) as { result: number };
  assertEquals(result === 2 || result === 3, true);
});

/** Creates a Worker with the plugin, as an application does. */
async function createPluginWorker(taskQueue: string): Promise<Worker> {
  return await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowsPath: import.meta.resolve("./testdata/workflows.ts"),
    plugins: [
      new DenoPlugin({
        activities: import.meta.resolve("./testdata/activities.ts"),
      }),
    ],
  });
}

for (const time of ["first", "second"]) {
  Deno.test(`a Worker with a sandbox runs in a process that does other work, too: the ${time}`, async () => {
    const taskQueue = `${time} Worker`;
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("served"),
    );
    const worker = await createPluginWorker(taskQueue);
    const result = await worker.runUntil(async () => {
      const url = `http://127.0.0.1:${server.addr.port}`;
      assertEquals(await (await fetch(url)).text(), "served");
      return await environment.client.workflow.execute<typeof runActivity>(
        "runActivity",
        { taskQueue, workflowId: taskQueue, args: ["countCalls", [], {}] },
      );
    });
    assertEquals(result, { type: "[object Number]", result: 1 });
  });
}

Deno.test("a Worker whose launcher is killed fails, to be restarted", async () => {
  // Nobody removes the cache of a launcher that is killed.
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", folder);
  const worker = await createPluginWorker("launcher");
  if (before === undefined) Deno.env.delete("TMPDIR");
  else Deno.env.set("TMPDIR", before);
  const run = worker.run();
  const { stdout } = await new Deno.Command("ps", {
    args: ["-o", "pid=,args=", "--ppid", `${Deno.pid}`],
  }).output();
  const launchers = new TextDecoder().decode(stdout).split("\n")
    .filter((line) => line.includes("launcher.ts"));
  // The last is this Worker's: the sandbox that the tests share has another.
  Deno.kill(parseInt(launchers.at(-1)!), "SIGKILL");
  const error = await assertRejects(() => run, DenoPluginError);
  assertStringIncludes(error.message, "Cannot run Activities: ");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an Activity beats while a Workflow of its Worker computes", async () => {
  const begin = performance.now();
  await compute(3e7);
  const steps = Math.round(3e7 * 2_000 / (performance.now() - begin));
  const taskQueue = "computes";
  const worker = await createPluginWorker(taskQueue);
  const result = await worker.runUntil(
    environment.client.workflow.execute<typeof computeWhileBeating>(
      "computeWhileBeating",
      { taskQueue, workflowId: taskQueue, args: [steps] },
    ),
  );
  assertEquals(result, { type: "[object Number]", result: 1 });
});
