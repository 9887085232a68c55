/**
 * The Worker that Deno runs for `tools/compare.ts`.
 *
 * @module
 */

import { workerMain } from "@temporal-on-deno/cli/worker";
import { runWorker } from "../shared/run_worker.ts";

const activities = import.meta.resolve("./activities.mjs");
const options = {
  workflowsPath: import.meta.resolve("./workflows.ts"),
  maxConcurrentActivityTaskExecutions: 200,
};
await workerMain((settings) => runWorker(settings, activities, options), {
  taskQueue: "peers",
});
