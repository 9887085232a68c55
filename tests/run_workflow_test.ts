/**
 * The tutorial's two tests. The Python tutorial's `test_run_workflow.py`.
 *
 * @module
 */

import {
  createOtherEnvironment,
  plugins,
  timeSkippingServer as server,
} from "@temporal-on-deno/cli/testing";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { Worker } from "@temporalio/worker";
import { assertEquals } from "@std/assert";
import * as activities from "../activities.ts";
import { SayHello } from "../workflows.ts";

let environment: TestWorkflowEnvironment;

Deno.test.beforeAll(async () => {
  environment = await createOtherEnvironment() ??
    await TestWorkflowEnvironment.createTimeSkipping({ server, plugins });
});

Deno.test.afterAll(async () => {
  await environment?.teardown();
});

Deno.test("SayHello returns the Activity's greeting", async () => {
  const { client, nativeConnection } = environment;
  const taskQueue = crypto.randomUUID();
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities,
  });
  const result = await worker.runUntil(
    client.workflow.execute(SayHello, {
      args: ["World"],
      taskQueue,
      workflowId: crypto.randomUUID(),
    }),
  );
  assertEquals(result, "Hello, World!");
});

Deno.test("SayHello returns the greeting of a mocked Activity", async () => {
  const { client, nativeConnection } = environment;
  const taskQueue = crypto.randomUUID();
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities: {
      say_hello: async (name: string) => `Hello, ${name} from mocked activity!`,
    },
  });
  const result = await worker.runUntil(
    client.workflow.execute(SayHello, {
      args: ["World"],
      taskQueue,
      workflowId: crypto.randomUUID(),
    }),
  );
  assertEquals(result, "Hello, World from mocked activity!");
});
