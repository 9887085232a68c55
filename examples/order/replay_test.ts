import { Worker } from "@temporalio/worker";
import { plugins } from "@temporal-on-deno/cli/testing";
import after from "./histories/with_receipt.json" with { type: "json" };
import before from "./histories/without_receipt.json" with { type: "json" };

const workflowsPath = import.meta.resolve("./workflows.ts");

for (const [when, history] of Object.entries({ before, after })) {
  Deno.test(`ProcessOrder replays an Event History from ${when} the change`, async () => {
    await Worker.runReplayHistory({ workflowsPath, plugins }, history);
  });
}
