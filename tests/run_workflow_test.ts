/**
 * The tutorial's two tests. The Python tutorial's `test_run_workflow.py`.
 *
 * @module
 */

import { environment, useEnvironment } from "@temporal-on-deno/cli/testing";
import { Worker } from "@temporalio/worker";
import { assertEquals } from "@std/assert";
import * as activities from "../activities.ts";
import { SayHello } from "../workflows.ts";

useEnvironment();

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
