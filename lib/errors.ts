/**
 * The errors that a program's end tells apart.
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

/** A command line that the program does not accept. */
export class UsageError extends UserError {
  override name = "UsageError";
}

/** The program was told to end, by Ctrl-C or by another signal. */
export class Interrupted extends Error {
  override name = "Interrupted";

  /** `exitCode` is that of a program which the signal ends: 128 and its number. */
  constructor(readonly exitCode: number) {
    super("Interrupted");
  }
}
