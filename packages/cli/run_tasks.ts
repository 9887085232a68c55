/**
 * Runs the programs of an application in one terminal: finds or starts a dev
 * server, and runs tasks side by side until Ctrl-C.
 *
 * @module
 */

import { UsageError, UserError } from "./errors.ts";
import { abortable, interruption, runProgram } from "./program.ts";
import { loadSettings } from "./settings.ts";
import { findServer } from "./servers/find_server.ts";
import { startTask } from "./processes.ts";

const command = "deno run @temporal-on-deno/cli/run";
const options = { "TASK…": "Tasks to run, which are stopped in reverse order" };

await runProgram(command, options, async ({ "TASK…": tasks }) => {
  if (!tasks) throw new UsageError("Missing TASK");
  const signal = interruption();
  const settings = await loadSettings({ "task-queue": "" });
  await using server = await findServer(settings, signal);
  const env = server && { TEMPORAL_ADDRESS: server.address };
  const width = Math.max(...tasks.map((task) => task.length));
  await using programs = new AsyncDisposableStack();
  const ends = tasks.map(async (task) => {
    const echo = `${task.padEnd(width)} | `;
    const { status } = programs.use(startTask(task, [], { env, echo }));
    const { code } = await status;
    if (signal.aborted) return;
    console.log(`${echo}It has ended; start it again with "deno task ${task}"`);
    // A program that was killed does not take the others with it.
    const hasFailed = code === 1 || code === 2;
    if (hasFailed) throw new UserError(`Cannot run task "${task}": it failed`);
  });
  await abortable(Promise.all(ends), signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
});
