/**
 * A Client as a program: settings and signals.
 *
 * @module
 */

import "./revoke_run.ts";
import type { Arguments, Options } from "./arguments.ts";
import { ClientReporter } from "./client_reporter.ts";
import { connectError, probeServer } from "./connect.ts";
import { UserError } from "./errors.ts";
import { abortable, interruption, printable, runProgram } from "./program.ts";
import { loadSettings, type Settings, settingsOptions } from "./settings.ts";

export { type Arguments, type Options, printable, type Settings };

/**
 * Runs the program of a Client and ends the process.
 *
 * @param command how the user runs it, for `--help`
 * @param options options and arguments besides those of the settings
 * @param defaults the Task Queue if no option names one, and the task of its Worker
 * @param main connects and starts Workflows
 */
export async function clientMain<O extends Options>(
  command: string,
  options: O,
  { taskQueue, workerTask = "worker" }: {
    taskQueue: string;
    workerTask?: string;
  },
  main: (settings: Settings, args: Arguments<O>) => Promise<void>,
) {
  const all = { ...options, ...settingsOptions(taskQueue) };
  await runProgram(command, all, async (args) => {
    const signal = interruption();
    const loading = loadSettings({ "task-queue": taskQueue, ...args });
    const settings = await abortable(loading, signal);
    const option = settings.taskQueue === taskQueue
      ? ""
      : ` --task-queue '${settings.taskQueue}'`;
    const reporter = new ClientReporter(
      settings,
      `deno task ${workerTask}${option}`,
    );
    settings.connectionOptions.plugins = [reporter];
    try {
      await abortable(probeServer(settings), signal);
      await abortable(main(settings, args), signal);
    } catch (error) {
      if (signal.aborted) reporter.reportInterruption();
      const { address } = settings.connectionOptions;
      const isKnown = signal.aborted || reporter.isConnected ||
        error instanceof UserError;
      throw isKnown ? error : connectError(error, address);
    }
  });
}
