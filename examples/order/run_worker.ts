import { type Settings, workerMain } from "@temporal-on-deno/cli/worker";
import { NativeConnection, Worker } from "@temporalio/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";

const taskQueue = "order-task-queue";
await workerMain(runWorker, { taskQueue, task: "order:worker" });

async function runWorker(
  { connectionOptions, namespace, taskQueue }: Settings,
) {
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowsPath: import.meta.resolve("./workflows.ts"),
      plugins: [
        new DenoPlugin({
          activities: import.meta.resolve("./activities.ts"),
          // For real services: { net: ["warehouse.example.com"] } and so on
          permissions: {},
        }),
      ],
      shutdownGraceTime: "10 seconds",
      shutdownForceTime: "20 seconds",
    });
    await worker.run();
  } finally {
    await connection.close();
  }
}
