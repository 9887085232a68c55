/**
 * The Worker: asks the Task Queue for work and runs the Workflow and Activity
 * code for it, until Ctrl-C. The Python tutorial's `run_worker.py`.
 *
 * @module
 */

import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
} from "@temporalio/worker";
import * as activities from "./activities.ts";
import { workflowBundle } from "./lib/bundle.ts";
import { connect, loadSettings, type Settings } from "./lib/connection.ts";
import { runProgram } from "./lib/program.ts";

/**
 * Runs a Worker until SIGINT or SIGTERM; then lets it finish what it has begun.
 *
 * @throws {UserError} if Temporal cannot be reached or the Workflow not bundled
 */
export async function runWorker(settings: Settings): Promise<void> {
  const { address, namespace, taskQueue } = settings;
  const connection = await connect(NativeConnection, settings);
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities,
    });
    console.log(`Worker polls "${taskQueue}" at ${address}; Ctrl-C stops it`);
    await worker.run();
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  Runtime.install({ logger: new DefaultLogger("WARN") });
  await runProgram(() => runWorker(loadSettings()));
}
