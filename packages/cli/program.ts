/**
 * Runs a program: reads its arguments, handles signals, prints errors and sets the
 * exit code.
 *
 * @module
 */

import {
  type Arguments,
  describeUsage,
  type Options,
  readArguments,
} from "./arguments.ts";
import { escapeControls, UsageError, UserError } from "./errors.ts";

/** Why a program ends early: Ctrl-C or another signal. */
export class Interrupted extends Error {
  /** @param exitCode 128 and the number of the signal */
  constructor(readonly exitCode: number) {
    super("Interrupted");
  }
}

/**
 * Runs `main` with the arguments of the command line, as {@linkcode runMain} does.
 * Wrong usage ends the program with exit code 2.
 */
export async function runProgram<O extends Options>(
  command: string,
  options: O,
  main: (args: Arguments<O>) => Promise<void>,
): Promise<never> {
  const all = { ...options, "--help": "Show this help" };
  return await runMain(async () => {
    const args = readArguments(Deno.args, all);
    if (args.help) console.log(describeUsage(command, all));
    else await main(args as Arguments<O>);
  }, describeUsage(command, all));
}

/**
 * Runs `main` and ends the program with exit code 0, 1 after a failure, or 129, 130
 * or 143 after a signal.
 */
export async function runMain(
  main: () => Promise<void>,
  usage?: string,
): Promise<never> {
  try {
    await main();
    Deno.exit(0);
  } catch (error) {
    if (error instanceof Interrupted) Deno.exit(error.exitCode);
    const message = error instanceof UserError
      ? error.message
      // Not imported sooner: most programs of dev/ never load the SDK.
      : (await import("./format_error.ts")).formatError(error);
    printError(message ?? Deno.inspect(error));
    if (error instanceof UsageError) console.error(usage);
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}

/** Prints lines on stderr, with other control characters escaped. */
export function printError(message: string) {
  console.error(escapeControls(message, /\n/));
}

/** Writes a line of a terminal's stderr again, as much as fits in it. */
export function overwriteLine(text: string) {
  const { columns } = Deno.consoleSize();
  // A terminal whose size is not known has 0 columns.
  const line = columns > 0 ? text.slice(0, columns - 1) : text;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line}`));
}

/** Returns text as it is for a file or pipe, and escaped for a terminal. */
export function printable(text: string): string {
  return Deno.stdout.isTerminal() ? escapeControls(text) : text;
}

/**
 * Calls a function with the exit code of the signal on Ctrl-C, on `kill`, and at
 * the end of the terminal. The program then has to end by itself.
 */
export function onSignal(listener: (exitCode: number) => void) {
  const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [name, code] of Object.entries(exitCodes)) {
    // The only one that Deno can listen to on Windows.
    if (Deno.build.os === "windows" && name !== "SIGINT") continue;
    Deno.addSignalListener(name as Deno.Signal, () => listener(code));
  }
}

/**
 * Returns a signal that is aborted by the first call of {@linkcode onSignal}, with
 * {@linkcode Interrupted} as its reason.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  onSignal((exitCode) => controller.abort(new Interrupted(exitCode)));
  return controller.signal;
}

/** Waits for a promise, but throws the signal's reason if that comes first. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Waits for a promise, which may have no time limit of its own.
 *
 * @throws {DOMException} named `TimeoutError`, after that many milliseconds
 */
export async function deadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    const message = `Timed out after ${ms / 1000} s`;
    controller.abort(new DOMException(message, "TimeoutError"));
  }, ms);
  try {
    return await abortable(promise, controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
