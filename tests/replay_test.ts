/** Workflow code has to make the decisions that recorded Event Histories hold. */

import { DeterminismViolationError } from "@temporalio/workflow";
import { Worker } from "@temporalio/worker";
import { assertRejects } from "@std/assert";
import { plugins } from "@temporal-on-deno/cli/testing";

const folder = `${import.meta.dirname}/histories`;
const workflowsPath = import.meta.resolve("../workflows.ts");

for (const { name } of Deno.readDirSync(folder)) {
  if (!name.endsWith(".json")) continue;

  Deno.test(`Workflow code replays ${name}`, async () => {
    const history = JSON.parse(await Deno.readTextFile(`${folder}/${name}`));
    await Worker.runReplayHistory({ workflowsPath, plugins }, history);
  });
}

Deno.test("a replay fails if the Event History has another Activity", async () => {
  const text = await Deno.readTextFile(`${folder}/hello-workflow.json`);
  const history = JSON.parse(text.replaceAll("say_hello", "say_goodbye"));
  await assertRejects(
    () => Worker.runReplayHistory({ workflowsPath, plugins }, history),
    DeterminismViolationError,
    "say_goodbye",
  );
});
