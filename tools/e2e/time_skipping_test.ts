/** A test that stops time skipping does not stop it for the tests after it. */

import { assertStringIncludes } from "@std/assert";
import {
  activityType,
  changedProject,
  readProjectFile,
  runTest,
} from "./_programs.ts";

const timeLimit = await readProjectFile("packages/cli/time_limit.ts");

const separateWorkers = `
import { ApplicationFailure, Context } from "@temporalio/activity";
import { useEnvironment } from "@temporal-on-deno/cli/testing";
import { assertRejects } from "@std/assert";
import { executeWorkflow } from "./_environment.ts";

useEnvironment();

Deno.test("a Workflow exceeds the time limit", async () => {
  const ${activityType} = async () => {
    throw new Error("not yet");
  };
  await assertRejects(() => executeWorkflow({ ${activityType} }));
});

Deno.test("a Workflow waits for an hour", async () => {
  const ${activityType} = async () => {
    if (Context.current().info.attempt > 1) return;
    throw ApplicationFailure.create({ nextRetryDelay: "1 hour" });
  };
  await executeWorkflow({ ${activityType} });
});
`;

const sharedWorker = `
import { Context } from "@temporalio/activity";
import { useEnvironment } from "@temporal-on-deno/cli/testing";
import { assertRejects } from "@std/assert";
import { createWorker, startWorkflow } from "./_environment.ts";

useEnvironment();

const started = Promise.withResolvers();
let worker;
let stopped;

Deno.test.beforeAll(async () => {
  const ${activityType} = async (name) => {
    if (name !== "wait") return;
    started.resolve();
    await Context.current().cancelled;
  };
  worker = await createWorker({ ${activityType} });
  stopped = worker.run();
});

Deno.test.afterAll(async () => {
  worker.shutdown();
  await stopped;
});

Deno.test("a Workflow is terminated", async () => {
  const handle = await startWorkflow("wait", worker.options.taskQueue);
  await started.promise;
  await handle.terminate();
  await assertRejects(() => handle.result());
});

Deno.test("another Workflow completes", async () => {
  const handle = await startWorkflow("World", worker.options.taskQueue);
  await handle.result();
});
`;

const project = await changedProject({
  "packages/cli/time_limit.ts": timeLimit.replace("= 30_000", "= 5_000"),
  "tests/separate_workers_test.ts": separateWorkers,
  "tests/shared_worker_test.ts": sharedWorker,
});

Deno.test.afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

Deno.test("time skipping goes on after a Workflow that times out, and a Worker of several tests after one that is terminated", async () => {
  const printed = await runTest([
    "tests/separate_workers_test.ts",
    "tests/shared_worker_test.ts",
  ], project.path);
  assertStringIncludes(printed, "4 passed | 0 failed");
});
