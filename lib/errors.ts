/**
 * The errors that the end of a program tells apart.
 *
 * @module
 */

/**
 * A failure that the person at the terminal can mend. Its message says what
 * failed and what to do next; it is shown without a stack trace.
 */
export class UserError extends Error {}

/** A command line that the program does not accept. */
export class UsageError extends UserError {}

/** The program was told to end, by Ctrl-C or by another signal. */
export class Interrupted extends Error {
  /** `exitCode` is that of a program which the signal ends: 128 and its number. */
  constructor(readonly exitCode: number) {
    super("Interrupted");
  }
}
