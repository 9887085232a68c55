/** Event Histories from before and after the change that `patched` guards. */

import { Worker } from "@temporalio/worker";
import { plugins } from "../../tests/_environment.ts";
import after from "./histories/with_receipt.json" with { type: "json" };
import before from "./histories/without_receipt.json" with { type: "json" };

const workflowsPath = import.meta.resolve("./workflows.ts");

Deno.test("ProcessOrder replays an Event History from before the receipt", async () => {
  await Worker.runReplayHistory({ workflowsPath, plugins }, before);
});

Deno.test("ProcessOrder replays an Event History with a receipt", async () => {
  await Worker.runReplayHistory({ workflowsPath, plugins }, after);
});
