/**
 * The Worker that Deno runs for `tools/compare.ts`.
 *
 * @module
 */

import { NativeConnection, Worker } from "@temporalio/worker";
import { type Settings, workerMain } from "@temporal-on-deno/cli/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";

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
      plugins: [
        new DenoPlugin({
          activities: import.meta.resolve("./activities.mjs"),
        }),
      ],
      maxConcurrentActivityTaskExecutions: 200,
    });
    await worker.run();
  } finally {
    await connection.close();
  }
}

if (import.meta.main) await workerMain(runWorker, { taskQueue: "peers" });
