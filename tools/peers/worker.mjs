/**
 * The Worker that Node.js and Bun run for `tools/compare.ts`.
 *
 * @module
 */

import { NativeConnection, Worker } from "@temporalio/worker";
import { fileURLToPath } from "node:url";
import process from "node:process";
import * as activities from "./activities.mjs";

const worker = await Worker.create({
  connection: await NativeConnection.connect({
    address: process.env.TEMPORAL_ADDRESS,
  }),
  taskQueue: "peers",
  workflowsPath: fileURLToPath(new URL("./workflows.ts", import.meta.url)),
  activities,
  maxConcurrentActivityTaskExecutions: 200,
});
console.log("Worker is polling");
await worker.run();
