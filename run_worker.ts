/**
 * The Worker: asks the Task Queue for work and runs the Workflow's and the
 * Activity's code for it, until Ctrl-C. The Python tutorial's `run_worker.py`.
 *
 * @module
 */

import { NativeConnection, Worker } from "@temporalio/worker";
import * as activities from "./activities.ts";
import { sealCache, workflowBundle } from "./lib/bundle.ts";
import { connect } from "./lib/connection.ts";
import { runProgram } from "./lib/program.ts";
import { installRuntime } from "./lib/runtime.ts";
import {
  loadSettings,
  type Settings,
  settingsOptions,
} from "./lib/settings.ts";
import { runAndTell } from "./lib/worker_life.ts";

/**
 * Runs a Worker until SIGINT or SIGTERM. It then takes no more work, but lets the
 * Activities that run finish: cancels them after 10 seconds, gives up after 20.
 *
 * @throws {UserError} if Temporal cannot be reached or the Workflow not bundled
 */
export async function runWorker(settings: Settings): Promise<void> {
  const connection = await connect(NativeConnection, settings);
  const worker = await Worker.create({
    connection,
    namespace: settings.namespace,
    taskQueue: settings.taskQueue,
    workflowBundle: await workflowBundle(),
    activities,
    shutdownGraceTime: "10 seconds",
    shutdownForceTime: "20 seconds",
  });
  await sealCache();
  await runAndTell(worker, connection, settings);
  await connection.close();
}

if (import.meta.main) {
  const options = {
    ...settingsOptions,
    "--metrics-address IP:PORT": "Where to serve metrics for Prometheus",
  };
  await runProgram("deno task worker", options, async (args) => {
    installRuntime(args["metrics-address"]);
    await runWorker(loadSettings(args));
  });
}
