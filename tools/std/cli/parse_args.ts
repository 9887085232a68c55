/**
 * What this project uses of `jsr:@std/cli`, from npm's `deno-std`, which carries
 * the same modules without their types.
 *
 * @module
 */

import * as std from "deno-std/cli/parse_args.js";

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Options without a value. */
  boolean?: readonly string[];
  /** Options with a value; `_` for the arguments that are not options. */
  string?: readonly string[];
  /** Called with what is in neither list. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Splits a command line into options, by name, and the rest, as `_`. */
export const parseArgs: (
  args: string[],
  options?: ParseOptions,
) => Record<string, unknown> = std.parseArgs;
