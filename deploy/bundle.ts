/**
 * Bundles Workflow code without a Temporal Service (the task `bundle`), so that a
 * Worker with the same options can start from a read-only folder. The bundle is
 * valid at its path, with this version of Deno, while no file in it changes.
 *
 * @module
 */

import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { resolve } from "node:path";
import { DenoPlugin } from "../plugin/mod.ts";

Runtime.install({ logger: new DefaultLogger("WARN") });

const [path = "workflows.ts"] = Deno.args;
const options = { workflowsPath: resolve(path), plugins: [new DenoPlugin()] };
// Without an Event History to replay, this bundles and does nothing else.
for await (const _ of Worker.runReplayHistories(options, []));
console.log(`Bundled Workflow code of "${path}"`);
