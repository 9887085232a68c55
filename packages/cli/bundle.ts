/**
 * Bundles Workflow code without a Temporal Service (the task `bundle`), so that a
 * Worker with the same options can start from a read-only folder. The bundle is
 * valid at its path, with this version of Deno, while no file in it changes.
 *
 * @module
 */

import { resolve } from "node:path";
import { escapeControls } from "./errors.ts";
import { runProgram } from "./program.ts";
import { bundleWorkflowCode } from "@temporal-on-deno/plugin";

const options = { "PATH": "Module of the Workflows (default: workflows.ts)" };

await runProgram("deno task bundle [PATH]", options, async (args) => {
  const { PATH = "workflows.ts" } = args;
  // The cache keeps it.
  await bundleWorkflowCode({ workflowsPath: resolve(PATH) });
  console.log(escapeControls(`Bundled Workflow code of "${PATH}"`));
});
