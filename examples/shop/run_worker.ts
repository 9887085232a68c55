/** The Worker of the shop, until Ctrl-C. */

import { type Settings, workerMain } from "@temporal-on-deno/cli/worker";
import { NativeConnection, Worker } from "@temporalio/worker";
import { DenoPlugin } from "@temporal-on-deno/plugin";
import config from "./deno.json" with { type: "json" };

await workerMain(runWorker, { taskQueue: "shop" });

async function runWorker(
  { connectionOptions, namespace, taskQueue }: Settings,
) {
  const plugin = new DenoPlugin({
    activities: import.meta.resolve("./activities.ts"),
    permissions: config.permissions.activities,
  });
  const worker = await Worker.create({
    connection: await NativeConnection.connect(connectionOptions),
    namespace,
    taskQueue,
    workflowsPath: import.meta.resolve("./workflows.ts"),
    plugins: [plugin],
    // Records each stage of a parcel, even if the Worker is killed after it.
    maxHeartbeatThrottleInterval: "500ms",
    shutdownGraceTime: "2 seconds",
    shutdownForceTime: "10 seconds",
  });
  await worker.run();
}
