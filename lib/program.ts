/**
 * The outermost line of a program: where errors become messages and exit codes.
 *
 * @module
 */

/**
 * A failure that the person at the terminal can mend. Its message says what
 * failed and what to do next; it is shown without a stack trace.
 */
export class UserError extends Error {
  override name = "UserError";
}

/** The reason of an {@linkcode interruption}. */
export class Interrupted extends Error {
  override name = "Interrupted";

  /** `exitCode` is that of a program that the signal ends: 128 and its number. */
  constructor(readonly exitCode: number) {
    super("Interrupted");
  }
}

/**
 * Runs `main`, then exits: with code 0; with 1 after a failure, which is told on
 * stderr; with 129, 130 or 143 after an interruption.
 */
export async function runProgram(main: () => Promise<void>): Promise<never> {
  try {
    await main();
    Deno.exit(0);
  } catch (error) {
    if (error instanceof Interrupted) Deno.exit(error.exitCode);
    console.error(error instanceof UserError ? error.message : error);
    Deno.exit(1);
  }
}

/**
 * Returns a signal that is aborted, with {@linkcode Interrupted} as its reason,
 * by Ctrl-C, by `kill` and by the terminal's end. From then on the program must
 * end itself.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [signal, code] of Object.entries(exitCodes)) {
    // Windows knows no SIGTERM.
    if (Deno.build.os === "windows" && signal === "SIGTERM") continue;
    Deno.addSignalListener(
      signal as Deno.Signal,
      () => controller.abort(new Interrupted(code)),
    );
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
 * Waits for Ctrl-C, for which `program` runs.
 *
 * @throws {UserError} if the program ends before
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
