/**
 * The Worker: polls the Task Queue and runs Workflow and Activity code, until
 * Ctrl-C. The Python tutorial's `run_worker.py`.
 *
 * @module
 */

import { type Settings, workerMain } from "@temporal-on-deno/cli/worker";
import { NativeConnection, Worker } from "@temporalio/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";
import config from "./deno.json" with { type: "json" };

/** Runs a Worker until SIGINT or SIGTERM. */
export async function runWorker(
  { connectionOptions, namespace, taskQueue }: Settings,
): Promise<void> {
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowsPath: import.meta.resolve("./workflows.ts"),
      // Adapts the SDK to Deno, and runs Activities in a sandbox, which has the
      // permissions "activities" of deno.json
      plugins: [
        new DenoPlugin({
          activities: import.meta.resolve("./activities.ts"),
          permissions: config.permissions.activities,
        }),
      ],
      // On Ctrl-C, running Activities have 10 seconds to finish
      shutdownGraceTime: "10 seconds",
      shutdownForceTime: "20 seconds",
    });
    await worker.run();
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  await workerMain(runWorker, { taskQueue: "hello-task-queue" });
}
