/**
 * What the tests share: one time-skipping environment and one Workflow bundle.
 * The Python tutorial's `conftest.py`.
 *
 * @module
 */

import { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import type * as activities from "../activities.ts";
import { workflowBundle } from "../lib/bundle.ts";
import { SayHello } from "../workflows.ts";

let environment: TestWorkflowEnvironment;

Deno.test.beforeAll(async () => {
  // The test server is an old one in the eyes of the SDK, which warns of that.
  Runtime.install({
    logger: new DefaultLogger("WARN"),
    telemetryOptions: {
      logging: { filter: { core: "ERROR", other: "ERROR" } },
    },
  });
  environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: "existing-path", path: await testServer() } },
  });
});

Deno.test.afterAll(async () => {
  await environment?.teardown();
});

/**
 * Runs `SayHello` for `name` on a Worker of its own, with these Activities, and
 * returns its result.
 */
export async function sayHello(
  name: string,
  implementation: typeof activities,
): Promise<string> {
  const taskQueue = crypto.randomUUID();
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: await workflowBundle(),
    activities: implementation,
  });
  return await worker.runUntil(
    environment.client.workflow.execute(SayHello, {
      args: [name],
      taskQueue,
      workflowId: crypto.randomUUID(),
    }),
  );
}

/** Returns the path of the test server, which is got first if need be. */
async function testServer(): Promise<string> {
  const { success, stdout } = await new Deno.Command("deno", {
    args: ["run", "-q", "-P=server", "dev/servers.ts", "test-server"],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("There is no test server to be had, see above");
  return new TextDecoder().decode(stdout).trim();
}
