/** A program whose Worker cannot be created once its thread for Workflows runs. */

import { NativeConnection, Worker } from "@temporalio/worker";
import { DenoPlugin } from "../mod.ts";

const [address] = Deno.args;
const connection = await NativeConnection.connect({ address });
await connection.close();
try {
  await Worker.create({
    connection,
    taskQueue: "none",
    workflowsPath: import.meta.resolve("./workflows.ts"),
    plugins: [new DenoPlugin()],
  });
} catch (error) {
  console.log((error as Error).name);
}
