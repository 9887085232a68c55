import { Worker } from "@temporalio/worker";
import { plugins } from "@temporal-on-deno/cli/testing";

const folder = new URL("histories/", import.meta.url);
const workflowsPath = import.meta.resolve("../workflows.ts");

for (const { name } of Deno.readDirSync(folder)) {
  Deno.test(`order replays the Event History ${name}`, async () => {
    const history = JSON.parse(await Deno.readTextFile(new URL(name, folder)));
    await Worker.runReplayHistory({ workflowsPath, plugins }, history);
  });
}
