/**
 * Runs the whole application (the task `demo`): finds or starts a dev server, runs
 * the Worker and the Client, and stops what it has started.
 *
 * @module
 */

import { UserError } from "./errors.ts";
import { abortable, interruption, runProgram } from "./program.ts";
import { loadSettings } from "./settings.ts";
import { findServer } from "./servers/find_server.ts";
import { startTask, waitForInterruption } from "./processes.ts";

const options = {
  "--keep": "Leave the server and the Worker running until Ctrl-C",
};

await runProgram("deno task demo", options, async ({ keep }) => {
  const signal = interruption();
  const settings = await loadSettings({ "task-queue": "" });
  await using server = await findServer(settings, signal);
  // Both load the same settings as this program.
  const args = server ? ["--address", server.address] : [];
  await using worker = startTask("worker", args, { echo: "" });
  const polls = worker.prints("Worker is polling", 120).catch(() => {
    throw new UserError("Cannot run the demo: the Worker has not started");
  });
  await abortable(polls, signal);
  await using client = startTask("start", args, { echo: "" });
  const { success } = await abortable(client.status, signal);
  if (!success) {
    throw new UserError("Cannot finish the demo: the Workflow has no result");
  }
  if (keep) {
    console.log("Server and Worker keep running until Ctrl-C");
    await waitForInterruption(worker, "Worker", signal);
  }
});
