/**
 * What the tests share. The Python tutorial's `conftest.py`.
 *
 * `deno test -P -- --workflow-environment local` runs the tests on a full server,
 * `--workflow-environment HOST:PORT` on one that is running.
 *
 * @module
 */

import type { WorkflowHandle } from "@temporalio/client";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import {
  DefaultLogger,
  type NativeConnectionPlugin,
  Runtime,
  Worker,
  type WorkerOptions,
  type WorkerPlugin,
} from "@temporalio/worker";
import { readArguments } from "../cli/arguments.ts";
import { DenoPlugin } from "../plugin/mod.ts";
import { SayHello } from "../workflows.ts";
import { TimeLimitPlugin } from "./_time_limit.ts";

// Many tests expect failures, which the SDK would log.
Runtime.install({
  logger: new DefaultLogger("ERROR", () => {}),
  telemetryOptions: { logging: { filter: { core: "ERROR", other: "ERROR" } } },
});

/** Runs Workflows in the test's own thread: starting another takes longer. */
class SameThreadPlugin implements NativeConnectionPlugin, WorkerPlugin {
  readonly name = "SameThreadPlugin";

  configureWorker(options: WorkerOptions): WorkerOptions {
    return {
      debugMode: true,
      // Debugging would take away the time limit on endless loops.
      ...{ isolateExecutionTimeout: "5 seconds" },
      ...options,
    };
  }

  /** The SDK has loaded its libraries: a mock has none to load. */
  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>) {
    Deno.permissions.revokeSync({ name: "ffi" });
    await next(worker);
  }
}

/** Plugins of a test environment. */
export const plugins = [
  new SameThreadPlugin(),
  new TimeLimitPlugin(),
  new DenoPlugin(),
];

/** The time-skipping test server; undefined if the SDK is to download it. */
export const timeSkippingServer = findExecutable(
  "TEMPORAL_TEST_SERVER",
  ".test-server",
);

const { "workflow-environment": kind = "time-skipping" } = readArguments(
  Deno.args,
  { "--workflow-environment KIND": "time-skipping, local or HOST:PORT" },
);

/** Whether the environment skips time; the others take as long as it takes. */
export const skipsTime = kind === "time-skipping";

/** Creates the environment of `--workflow-environment`, if it skips no time. */
export async function createOtherEnvironment(): Promise<
  TestWorkflowEnvironment | undefined
> {
  if (skipsTime) return;
  if (kind === "local") {
    const server = findExecutable("TEMPORAL_CLI", ".dev-server");
    return await TestWorkflowEnvironment.createLocal({ server, plugins });
  }
  if (/:\d+$/.test(kind)) {
    return await TestWorkflowEnvironment.createFromExistingServer({
      address: kind,
      plugins,
    });
  }
  throw new Error(
    `Cannot test in environment "${kind}": use time-skipping, local or HOST:PORT`,
  );
}

/** The environment of a file's tests; {@linkcode useEnvironment} creates it. */
export let environment: TestWorkflowEnvironment;

/** Creates {@linkcode environment} before the file's tests, and ends it after them. */
export function useEnvironment() {
  Deno.test.beforeAll(async () => {
    environment = await createOtherEnvironment() ??
      await TestWorkflowEnvironment.createTimeSkipping({
        server: timeSkippingServer,
        plugins,
      });
  });
  Deno.test.afterAll(async () => {
    await environment?.teardown();
  });
}

/** Creates a Worker for `workflows.ts` on a Task Queue, by default one of its own. */
export async function createWorker(
  activities: WorkerOptions["activities"],
  taskQueue: string = crypto.randomUUID(),
): Promise<Worker> {
  return await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities,
    // With no Workflow Execution cached, each Workflow Task replays the Event
    // History: Workflow code that is not deterministic fails.
    maxCachedWorkflows: 0,
  });
}

/** Starts `SayHello` under a Workflow Id of its own. */
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

/** Executes `SayHello` for "World" on a Worker with these Activities. */
export async function executeSayHello(
  activities: WorkerOptions["activities"],
): Promise<string> {
  const worker = await createWorker(activities);
  return await worker.runUntil(async () => {
    const handle = await startSayHello("World", worker.options.taskQueue);
    return await handle.result();
  });
}

/** The server that `deno task test` located, now or in an earlier run. */
function findExecutable(variable: string, file: string) {
  const path = Deno.env.get(variable) ?? readOptional(file);
  return path
    ? { executable: { type: "existing-path", path } } as const
    : undefined;
}

function readOptional(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(`node_modules/${file}`);
  } catch {
    // Then the SDK downloads the server.
  }
}
