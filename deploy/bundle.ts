/**
 * Bundles Workflow code without a Temporal Service (the task `bundle`), so that a
 * Worker with the same options can start from a read-only folder. The bundle is
 * valid at its path, with this version of Deno, while no file in it changes.
 *
 * @module
 */

import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { resolve } from "node:path";
import { runProgram } from "../cli/program.ts";
import { DenoPlugin } from "../plugin/mod.ts";

const options = { "PATH": "Module of the Workflows (default: workflows.ts)" };

await runProgram("deno task bundle [PATH]", options, async (args) => {
  const { PATH = "workflows.ts" } = args;
  Runtime.install({ logger: new DefaultLogger("WARN") });
  const worker = { workflowsPath: resolve(PATH), plugins: [new DenoPlugin()] };
  // Without an Event History to replay, this bundles and does nothing else.
  for await (const _ of Worker.runReplayHistories(worker, []));
  console.log(`Bundled Workflow code of "${PATH}"`);
});
