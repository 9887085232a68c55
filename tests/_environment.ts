/**
 * What the tests share: an environment, a Workflow bundle, and a way to run
 * `SayHello`. The Python tutorial's `conftest.py`.
 *
 * Like there, an option says which environment: `deno test -P --
 * --workflow-environment local`, where the default is `time-skipping`.
 *
 * Deno's sanitizers of tests stay off: what the SDK keeps from one test to the
 * next, a timer of ten seconds for each Worker and its listeners for signals, they
 * take for leaks. They find nothing else.
 *
 * @module
 */

import type { WorkflowHandle } from "@temporalio/client";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { Worker, type WorkerOptions } from "@temporalio/worker";
import type * as activities from "../activities.ts";
import { readArguments } from "../lib/arguments.ts";
import { workflowBundle } from "../lib/bundle.ts";
import { SayHello } from "../workflows.ts";
import { resultOf } from "./_outcome.ts";
import "./_quiet.ts";

const { "workflow-environment": kind = "time-skipping" } = readArguments(
  Deno.args,
  { "--workflow-environment KIND": "time-skipping, local or HOST:PORT" },
);

const bundle = await workflowBundle();

/** Whether the environment skips time; the others take as long as it takes. */
export const skipsTime = kind === "time-skipping";

/** The environment of this file's tests, once they run. */
export let environment: TestWorkflowEnvironment;

Deno.test.beforeAll(async () => {
  environment = await createEnvironment();
});

Deno.test.afterAll(async () => {
  await environment?.teardown();
});

async function createEnvironment(): Promise<TestWorkflowEnvironment> {
  if (skipsTime) {
    return await TestWorkflowEnvironment.createTimeSkipping({
      server: await existing("test-server"),
    });
  }
  if (kind === "local") {
    return await TestWorkflowEnvironment.createLocal({
      server: await existing("dev-server"),
    });
  }
  if (/:\d+$/.test(kind)) {
    return await TestWorkflowEnvironment.createFromExistingServer({
      address: kind,
    });
  }
  throw new Error(
    `--workflow-environment is "${kind}", not time-skipping, local or HOST:PORT`,
  );
}

/** Names a server's executable, which is got first if need be. */
async function existing(kind: "dev-server" | "test-server") {
  const { success, stdout } = await new Deno.Command("deno", {
    args: ["run", "-q", "-P=server", "dev/servers.ts", kind],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`There is no ${kind} to be had, see above`);
  const path = new TextDecoder().decode(stdout).trim();
  return { executable: { type: "existing-path", path } } as const;
}

/** A Worker with these Activities, on a Task Queue of its own if none is named. */
export async function createWorker(
  activities: WorkerOptions["activities"],
  taskQueue: string = crypto.randomUUID(),
): Promise<Worker> {
  return await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: bundle,
    activities,
    // With no Workflow kept between its tasks, each task replays the history:
    // Workflow code that is not deterministic fails here.
    maxCachedWorkflows: 0,
    // In this thread: to start one takes longer than most tests. It would take
    // away the limit on endless loops, too.
    debugMode: true,
    ...{ isolateExecutionTimeout: "5 seconds" },
  });
}

/** Starts `SayHello` for `name` under an id of its own. */
export async function startSayHello(
  name: string,
  taskQueue: string,
): Promise<WorkflowHandle<typeof SayHello>> {
  return await environment.client.workflow.start(SayHello, {
    args: [name],
    taskQueue,
    workflowId: crypto.randomUUID(),
  });
}

/**
 * Runs `SayHello` for `name` on a Worker of its own, with these Activities, and
 * returns its result; `meanwhile` may do something to it.
 */
export async function sayHello(
  name: string,
  implementation: typeof activities,
  meanwhile?: (handle: WorkflowHandle<typeof SayHello>) => Promise<unknown>,
): Promise<string> {
  const worker = await createWorker(implementation);
  return await worker.runUntil(async () => {
    const handle = await startSayHello(name, worker.options.taskQueue);
    return await resultOf(handle, meanwhile?.(handle));
  });
}
