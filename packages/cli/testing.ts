/**
 * The environments in which `deno task test` tests Workflows. Importing this module
 * silences the SDK's log: many tests expect failures.
 *
 * `deno test -P -- --workflow-environment local` runs the tests on a full server,
 * `--workflow-environment HOST:PORT` on one that is running.
 *
 * @module
 */

import type { ConnectionPlugin } from "@temporalio/client";
import {
  type EphemeralServerExecutable,
  TestWorkflowEnvironment,
} from "@temporalio/testing";
import {
  DefaultLogger,
  type NativeConnectionPlugin,
  Runtime,
  type Worker,
  type WorkerOptions,
  type WorkerPlugin,
} from "@temporalio/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";
import { readArguments } from "./arguments.ts";
import { requireTestAddress } from "./connect.ts";
import { ReplayPlugin } from "./replay_plugin.ts";
import { TimeLimitPlugin } from "./time_limit.ts";

Runtime.install({
  logger: new DefaultLogger("ERROR", () => {}),
  telemetryOptions: { logging: { filter: { core: "ERROR", other: "ERROR" } } },
});

/** Runs Workflows in the test's own thread: starting another takes longer. */
class SameThreadPlugin implements NativeConnectionPlugin, WorkerPlugin {
  readonly name = "SameThreadPlugin";
  /** The number of Workers that run. */
  running = 0;

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
    this.running++;
    try {
      await next(worker);
    } finally {
      this.running--;
    }
  }
}

const sameThread = new SameThreadPlugin();
const timeLimit = new TimeLimitPlugin();

/** Plugins of a test environment. */
export const plugins: (ConnectionPlugin & NativeConnectionPlugin)[] = [
  sameThread,
  timeLimit,
  new ReplayPlugin(),
  // A test decides by its own plugin.
  new DenoPlugin({ keepPermissions: true }),
];

const kind: string = readArguments(
  Deno.args,
  { "--workflow-environment KIND": "time-skipping, local or HOST:PORT" },
)["workflow-environment"] ?? "time-skipping";

/** Whether the environment skips time; the others take as long as it takes. */
export const skipsTime: boolean = kind === "time-skipping";

/** The environment of a file's tests; {@linkcode useEnvironment} creates it. */
export let environment: TestWorkflowEnvironment;

/**
 * Creates {@linkcode environment} before the file's tests, and ends it after them. If
 * a test has stopped time skipping, the next test gets a new environment.
 */
export function useEnvironment(): void {
  Deno.test.beforeAll(async () => {
    environment = await createEnvironment();
  });
  Deno.test.beforeEach(async () => {
    // A Worker that still runs is for several tests, and needs its environment.
    if (!skipsTime || sameThread.running > 0) return;
    if (!await timeLimit.mayHaveStoppedSkipping()) return;
    await environment.teardown();
    environment = await createEnvironment();
  });
  Deno.test.afterAll(async () => {
    await environment?.teardown();
  });
}

async function createEnvironment(): Promise<TestWorkflowEnvironment> {
  if (skipsTime) return await createTimeSkipping();
  if (kind === "local") {
    const server = findExecutable("TEMPORAL_CLI", ".dev-server");
    return await TestWorkflowEnvironment.createLocal({ server, plugins });
  }
  requireTestAddress(kind);
  return await TestWorkflowEnvironment.createFromExistingServer({
    address: kind,
    plugins,
  });
}

/**
 * Creates a time-skipping environment. It tries three times: the SDK gives the
 * server 5 seconds to start, which may be too few on a busy machine.
 */
async function createTimeSkipping(
  attempts = 3,
): Promise<TestWorkflowEnvironment> {
  const server = findExecutable("TEMPORAL_TEST_SERVER", ".test-server");
  try {
    return await TestWorkflowEnvironment.createTimeSkipping({
      server,
      plugins,
    });
  } catch (error) {
    const isLate = (error as Error).message.includes("did not start within");
    if (!isLate || attempts === 1) throw error;
    return await createTimeSkipping(attempts - 1);
  }
}

/**
 * The server that `deno task test` located, now or in an earlier run; undefined if
 * the SDK is to download it.
 */
function findExecutable(
  variable: string,
  file: string,
): { executable: EphemeralServerExecutable } | undefined {
  const path = Deno.env.get(variable) ?? readOptional(file);
  return path ? { executable: { type: "existing-path", path } } : undefined;
}

function readOptional(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(`node_modules/${file}`);
  } catch {
    // Then the SDK downloads the server.
  }
}
