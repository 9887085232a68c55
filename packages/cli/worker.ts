/**
 * A Worker as a program: settings, signals, and what it reports.
 *
 * @module
 */

import "@temporal-on-deno/plugin/thread";
import { profileFolder } from "./profile.ts";
import {
  NativeConnection,
  type NativeConnectionPlugin,
  type Worker,
  type WorkerDeploymentOptions,
  type WorkerOptions,
  type WorkerPlugin,
} from "@temporalio/worker";
import { relative } from "node:path";
import { CONNECT_TIMEOUT_MS, connectError } from "./connect.ts";
import { escapeControls, UsageError, UserError } from "./errors.ts";
import { installRuntime } from "./logger.ts";
import { deadline, onSignal, printError, runProgram } from "./program.ts";
import { replayOpen } from "./replay_open.ts";
import type { Execution } from "./task_failures.ts";
import { loadSettings, type Settings, settingsOptions } from "./settings.ts";

export type { Settings };

/** How often to check whether the Temporal Service is back. */
const PROBE_INTERVAL_MS = 2_000;

/** Within this time, a second signal is the first one, sent again by a parent. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs the program of a Worker and ends the process.
 *
 * @param runWorker connects, creates the Worker and runs it
 * @param defaults the Task Queue if no option names one, and the name of the task
 */
export async function workerMain(
  runWorker: (settings: Settings) => Promise<void>,
  { taskQueue, task = "worker" }: { taskQueue: string; task?: string },
) {
  const options = {
    ...settingsOptions(taskQueue),
    "--log-format FORMAT": "text or json (default: text)",
    "--metrics-address IP:PORT": "Where to serve metrics for Prometheus",
    "--deployment-name NAME": "Worker Deployment that this Worker belongs to",
    "--build-id ID": "Version of its code in that Worker Deployment",
  };
  await runProgram(`deno task ${task}`, options, async (args) => {
    const settings = await loadSettings({ "task-queue": taskQueue, ...args });
    const deployment = readDeployment(
      args["deployment-name"] || Deno.env.get("TEMPORAL_DEPLOYMENT_NAME"),
      args["build-id"] || Deno.env.get("TEMPORAL_WORKER_BUILD_ID"),
    );
    const reporter = new WorkerReporter(settings, deployment);
    installRuntime({
      onRetry: () => reporter.checkConnection(),
      countAttempts: (execution) => reporter.countAttempts(execution),
      logFormat: args["log-format"],
      metricsAddress: args["metrics-address"],
    });
    onSignal((exitCode) => reporter.stop(exitCode));
    await requireServer(settings);
    settings.connectionOptions.plugins = [reporter];
    await runWorker(settings);
  });
}

/**
 * Connects once, for an error that says what is wrong: the SDK sets no time limit
 * to a Temporal Service that does not answer.
 */
async function requireServer({ connectionOptions }: Settings) {
  const connecting = NativeConnection.connect(connectionOptions);
  try {
    const connection = await deadline(connecting, CONNECT_TIMEOUT_MS);
    await connection.close();
  } catch (error) {
    throw connectError(error, connectionOptions.address);
  }
}

function readDeployment(
  deploymentName?: string,
  buildId?: string,
): WorkerDeploymentOptions | undefined {
  if (!deploymentName && !buildId) return;
  if (!deploymentName || !buildId) {
    throw new UsageError(
      'Cannot use Worker Versioning: pass both "--deployment-name" and "--build-id"',
    );
  }
  return {
    version: { deploymentName, buildId },
    useWorkerVersioning: true,
    // A Workflow moves on to new code, as it does without versions, unless it says
    // otherwise by setWorkflowOptions({ versioningBehavior: "PINNED" }, …).
    defaultVersioningBehavior: "AUTO_UPGRADE",
  };
}

/**
 * Reports when a Worker starts, loses its connection and stops, and names its
 * version, as a plugin of the Worker's connection.
 */
class WorkerReporter implements NativeConnectionPlugin, WorkerPlugin {
  readonly name = "WorkerReporter";
  readonly #settings: Settings;
  readonly #deployment?: WorkerDeploymentOptions;
  #worker?: Worker;
  #stopTime?: number;
  #isChecking = false;

  constructor(settings: Settings, deployment?: WorkerDeploymentOptions) {
    this.#settings = settings;
    this.#deployment = deployment;
  }

  get #address(): string {
    return this.#settings.connectionOptions.address;
  }

  configureWorker(options: WorkerOptions): WorkerOptions {
    return { workerDeploymentOptions: this.#deployment, ...options };
  }

  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>) {
    const { namespace, taskQueue } = this.#settings;
    this.#worker = worker;
    // The task "dev" sets it.
    if (Deno.env.get("TEMPORAL_REPLAY_OPEN")) replayOpen(worker, this.#address);
    revokeSecrets();
    console.log(escapeControls(
      `Worker is polling Task Queue "${taskQueue}" in Namespace ` +
        `"${namespace}" at ${this.#address}; press Ctrl-C to stop it`,
    ));
    try {
      await next(worker);
    } catch (error) {
      throw this.#stopTime ? gaveUp(worker, error) : error;
    } finally {
      this.#worker = undefined;
    }
  }

  /** Called on a signal; the SDK shuts the Worker down on the first one. */
  stop(exitCode: number) {
    const worker = this.#worker;
    if (!worker) Deno.exit(exitCode);
    if (this.#stopTime) {
      if (Date.now() - this.#stopTime > SAME_SIGNAL_MS) Deno.exit(exitCode);
      return;
    }
    this.#stopTime = Date.now();
    const { numInFlightActivities } = worker.getStatus();
    const waiting = numInFlightActivities
      ? `, waiting for Activities to finish (${numInFlightActivities}); press ` +
        "Ctrl-C again to end it at once"
      : "";
    console.log(`Worker is shutting down${waiting}`);
    const { shutdownForceTimeMs } = worker.options;
    // Without a limit, the Worker waits. A timer of infinity would run at once.
    if (shutdownForceTimeMs === undefined) return;
    // On a lost connection, the SDK exceeds this limit by some 10 seconds.
    setTimeout(() => {
      printError(gaveUp(worker).message);
      Deno.exit(1);
    }, shutdownForceTimeMs + 500);
  }

  /** Asks for the current attempt of a Workflow Task; it is 1 if none is open. */
  async countAttempts({ runId, workflowId }: Execution): Promise<number> {
    const handle = this.#worker!.client!.workflow.getHandle(workflowId, runId);
    const { raw } = await handle.describe();
    return raw.pendingWorkflowTask?.attempt ?? 1;
  }

  /** Reports that the connection is lost, if it is, and when it is back. */
  async checkConnection() {
    if (this.#isChecking || !this.#worker) return;
    this.#isChecking = true;
    let isLost = false;
    while (this.#worker && !await answers(this.#worker)) {
      if (!isLost) {
        printError(
          `Lost connection to the Temporal Service at ${this.#address}; ` +
            "the Worker keeps trying",
        );
      }
      isLost = true;
      await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
    }
    this.#isChecking = false;
    if (isLost && this.#worker) {
      printError(`Reconnected to the Temporal Service at ${this.#address}`);
    }
  }
}

/** Revokes access to credentials, which the connection has read by now. */
function revokeSecrets() {
  const paths = [profileFolder()].filter((path) => path !== undefined);
  for (const [variable, value] of Object.entries(Deno.env.toObject())) {
    if (!variable.startsWith("TEMPORAL_")) continue;
    Deno.permissions.revokeSync({ name: "env", variable });
    if (/_(FILE|PATH)$/.test(variable)) paths.push(value);
  }
  for (const path of paths) {
    // The permission for the project's folder would go with a path inside of it.
    if (relative(Deno.cwd(), path).startsWith("..")) {
      Deno.permissions.revokeSync({ name: "read", path });
    }
  }
}

function gaveUp(worker: Worker, cause?: unknown): UserError {
  const { numInFlightActivities } = worker.getStatus();
  const reason = numInFlightActivities
    ? `Activities did not finish in time (${numInFlightActivities}); they will ` +
      "be retried"
    : "timed out";
  return new UserError(`Cannot shut down gracefully: ${reason}`, { cause });
}

async function answers({ connection }: Worker): Promise<boolean> {
  const call = connection!.workflowService.getSystemInfo({});
  // On a lost connection, a call can outlast its own deadline by 10 seconds.
  return await deadline(call, PROBE_INTERVAL_MS).then(() => true, () => false);
}
