/** Workflow code must go on with the histories that earlier code has begun. */

import { DeterminismViolationError } from "@temporalio/workflow";
import { Worker } from "@temporalio/worker";
import { assertRejects } from "@std/assert";
import { join } from "node:path";
import { workflowBundle } from "../lib/bundle.ts";
import "./_quiet.ts";

const { code } = await workflowBundle();

/** Replays a history of `histories/` with the code of a bundle. */
async function replay(file: string, code: string) {
  const path = join(import.meta.dirname!, "histories", file);
  const history = JSON.parse(await Deno.readTextFile(path));
  await Worker.runReplayHistory({ workflowBundle: { code } }, history);
}

for (const file of ["deno.json", "python.json"]) {
  Deno.test(`the history in ${file} replays`, async () => {
    await replay(file, code);
  });

  Deno.test(`the history in ${file} does not replay with another Activity`, async () => {
    const changed = code.replaceAll("say_hello", "say_goodbye");
    await assertRejects(
      () => replay(file, changed),
      DeterminismViolationError,
      "say_goodbye",
    );
  });
}
