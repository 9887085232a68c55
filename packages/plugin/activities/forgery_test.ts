/** What an Activity process forges does not end the Worker, on a server. */

import type { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { assert, assertEquals } from "@std/assert";
import {
  createEnvironment,
  telemetryOptions,
} from "../testdata/environment.ts";
import { bundleWorkflowCode, DenoPlugin } from "../mod.ts";
import { forgeries } from "./testdata/forges.ts";
import type { runActivity } from "./testdata/workflows.ts";

const logged: string[] = [];
Runtime.install({
  logger: new DefaultLogger(
    "INFO",
    ({ message, meta }) => logged.push(`${message}${meta?.stack ?? ""}`),
  ),
  telemetryOptions,
});

let environment: TestWorkflowEnvironment;
let worker: Worker;
let running: Promise<void>;

Deno.test.beforeAll(async () => {
  environment = await createEnvironment();
  worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: "forgery",
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: `${import.meta.dirname}/testdata/workflows.ts`,
    }),
    plugins: [
      new DenoPlugin({
        activities: import.meta.resolve("./testdata/forges.ts"),
        keepPermissions: true,
      }),
    ],
  });
  running = worker.run();
  running.catch(() => {});
});

Deno.test.afterAll(async () => {
  if (worker.getState() === "RUNNING") worker.shutdown();
  await running;
  await environment.teardown();
});

/** Runs an Activity once; returns its result, or its failure. */
async function execute(name: string, ...args: unknown[]): Promise<unknown> {
  const result = environment.client.workflow.execute<typeof runActivity>(
    "runActivity",
    {
      taskQueue: "forgery",
      workflowId: crypto.randomUUID(),
      // Workflow code cannot read what is no Payload.
      workflowExecutionTimeout: "10s",
      args: [name, args, {
        retry: { maximumAttempts: 1 },
        startToCloseTimeout: "8s",
      }],
    },
  );
  const ended = running.then(() => Promise.reject(new Error("Worker ended")));
  return await Promise.race([result, ended]);
}

const done = { type: "[object String]", result: "done" };

for (const name of forgeries.metadata) {
  Deno.test(`a Worker survives an Activity that returns a Payload whose metadata are ${name}`, async () => {
    await execute("forgeResult", name);
    assertEquals(await execute("work"), done);
  });
}

for (const name of forgeries.failures) {
  Deno.test(`a Worker survives an Activity that fails with no failure: ${name}`, async () => {
    await execute("forgeFailure", name);
    assertEquals(await execute("work"), done);
  });
}

for (const causes of [90, 150, 2_000]) {
  Deno.test(`an Activity fails for ${causes} reasons`, async () => {
    await execute("failForManyReasons", causes);
    assertEquals(await execute("work"), done);
  });
}

for (const type of ["exit", "notLoaded", "uncaught", "print"]) {
  Deno.test(`a Worker survives a forged message: ${type}`, async () => {
    logged.length = 0;
    const begin = performance.now();
    await execute("forge", type);
    assertEquals(await execute("work"), done);
    assert(performance.now() - begin < 30_000, "the Worker is not blocked");
    assertEquals(logged.filter((line) => line.includes("\n")), []);
    assert(logged.length < 200_000, `${logged.length} lines`);
    assert(logged.every(({ length }) => length < 200_000), "no line is long");
  });
}

Deno.test("a Worker does other work while it logs what an Activity prints", async () => {
  logged.length = 0;
  const counts = new Set<number>();
  const timer = setInterval(() => counts.add(logged.length));
  await execute("forge", "print");
  clearInterval(timer);
  const between = [...counts].filter((count) => 10 < count && count < 49_000);
  assert(between.length > 0, `${[...counts]}`);
});
