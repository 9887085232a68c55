/**
 * The Worker of the contributors' programs, in a project that may be a changed copy.
 *
 * @module
 */

import {
  NativeConnection,
  Worker,
  type WorkerOptions,
} from "@temporalio/worker";
import { type Settings, workerMain } from "@temporal-on-deno/cli/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";

/**
 * Runs a Worker until SIGINT or SIGTERM.
 *
 * @param activities the URL of the module with its Activities
 * @param options other options of the Worker
 */
export async function runWorker(
  { connectionOptions, namespace, taskQueue }: Settings,
  activities = import.meta.resolve("./activities.ts"),
  options: Partial<WorkerOptions> = {},
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
          activities,
        }),
      ],
      shutdownGraceTime: "10 seconds",
      shutdownForceTime: "20 seconds",
      ...options,
    });
    await worker.run();
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  await workerMain((settings) => runWorker(settings), {
    taskQueue: "questions",
  });
}
