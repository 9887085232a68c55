/**
 * The outermost line of a program, where its arguments are read and where errors
 * and signals become messages and exit codes.
 *
 * @module
 */

import {
  type Arguments,
  describeUsage,
  type Options,
  readArguments,
} from "./arguments.ts";
import { Interrupted, UsageError, UserError } from "./errors.ts";

/**
 * Runs `main` and then ends the program: with code 0; with 1 or, for a wrong
 * command line, 2 after a failure, which is told on stderr; with 129, 130 or 143
 * after an interruption.
 */
export async function runProgram<O extends Options>(
  command: string,
  options: O,
  main: (args: Arguments<O>) => Promise<void>,
): Promise<never> {
  const all = { ...options, "--help": "Show this" };
  try {
    const args = readArguments(Deno.args, all);
    if (args.help) console.log(describeUsage(command, all));
    else await main(args as Arguments<O>);
    Deno.exit(0);
  } catch (error) {
    if (error instanceof Interrupted) Deno.exit(error.exitCode);
    console.error(error instanceof UserError ? error.message : error);
    if (error instanceof UsageError) console.error(describeUsage(command, all));
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}

/**
 * Returns a signal that is aborted, with {@linkcode Interrupted} as its reason,
 * by Ctrl-C, by `kill` or by the end of the terminal. From then on it is for the
 * program to end, and not take long.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [name, code] of Object.entries(exitCodes)) {
    // The one that Deno can listen to on Windows.
    if (Deno.build.os === "windows" && name !== "SIGINT") continue;
    const abort = () => controller.abort(new Interrupted(code));
    Deno.addSignalListener(name as Deno.Signal, abort);
  }
  return controller.signal;
}

/** Waits for `result`, but throws {@linkcode Interrupted} if that comes first. */
export async function orInterrupted<T>(
  result: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const interrupted = aborted(signal).then(() => {
    throw signal.reason;
  });
  return await Promise.race([interrupted, result]);
}

/**
 * Waits for Ctrl-C, until which `program` is to run.
 *
 * @throws {UserError} if it ends before
 */
export async function untilInterrupted(
  program: { status: Promise<unknown> },
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const ended = program.status.then(() => {
    throw new UserError(`${name} has ended by itself`);
  });
  await Promise.race([aborted(signal), ended]);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}
