/**
 * Records the Event History of a Workflow Execution that the task `start` starts, for
 * the replay tests (the task `record`).
 *
 * @module
 */

import { join } from "node:path";
import { UsageError, UserError } from "../packages/cli/errors.ts";
import {
  abortable,
  interruption,
  runProgram,
} from "../packages/cli/program.ts";
import { startDevServer } from "../packages/cli/servers/dev_server.ts";
import { locateServer } from "../packages/cli/servers/locate.ts";
import { ownServerOptions, run, startTask } from "../packages/cli/processes.ts";
import { root } from "./shared/project.ts";

const options = {
  "--workflow-id ID": "Workflow Id, and the file's name",
};

await runProgram("deno task record", options, async (args) => {
  const workflowId = args["workflow-id"];
  if (!workflowId) throw new UsageError('Missing "--workflow-id ID"');
  const file = join(
    "tests",
    "histories",
    `${encodeURIComponent(workflowId)}.json`,
  );
  const signal = interruption();
  await using server = await startDevServer({ signal });
  const environment = ownServerOptions(server.address);
  const taskOptions = { ...environment, echo: true };
  const id = ["--workflow-id", workflowId];
  await using _worker = startTask("worker", [], taskOptions);
  await using client = startTask("start", id, taskOptions);
  const { success } = await abortable(client.status, signal);
  if (!success) {
    throw new UserError("Cannot record: the Workflow has no result");
  }
  const cli = await locateServer("dev-server", signal);
  const show = [cli, "workflow", "show", "--output", "json"];
  const history = await run([...show, ...id], { ...environment, signal });
  // The identities of Worker and Client contain this machine's name.
  const neutral = history.replaceAll(/@[^"@]+"/g, '@localhost"');
  await Deno.writeTextFile(join(root, file), neutral);
  console.log(`Recorded ${file}`);
});
