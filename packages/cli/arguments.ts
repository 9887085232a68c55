/**
 * Command lines: one table of options says both what is accepted and what
 * `--help` prints.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "./errors.ts";

/**
 * What a program accepts, each with its meaning: `NAME` is the argument that
 * needs no option, `FILE…` stands for several of them, `--queue NAME` is an option
 * with a value, `--keep` one without.
 */
export type Options = Record<string, string>;

/** What was given: `"--queue NAME"` becomes `queue`, a string, if it was there. */
export type Arguments<O extends Options> = {
  [
    K in keyof O as K extends `--${infer Key} ${string}` ? Key
      : K extends `--${infer Key}` ? Key
      : K
  ]?: K extends `--${string} ${string}` ? string
    : K extends `--${string}` ? boolean
    : K extends `${string}…` ? string[]
    : string;
};

/**
 * Reads a command line.
 *
 * @throws {UsageError} naming the option or argument that is not accepted
 */
export function readArguments<O extends Options>(
  args: string[],
  options: O,
): Arguments<O> {
  const names = Object.keys(options);
  const withValue = names.filter((name) => /^--.* /.test(name)).map(keyOf);
  const parsed: Record<string, unknown> = parseArgs(args, {
    string: ["_", ...withValue],
    boolean: names.map(keyOf).filter((key) => !withValue.includes(key)),
    unknown: (given, key) => {
      if (key !== undefined) throw new UsageError(`Unknown option "${given}"`);
    },
  });
  for (const key of withValue) {
    if (parsed[key] === "") {
      throw new UsageError(`Missing value for "--${key}"`);
    }
  }
  const rest = parsed._ as string[];
  const argument = names.find((name) => !name.startsWith("--"));
  const isList = argument?.endsWith("…");
  if (!isList && rest.length > (argument ? 1 : 0)) {
    throw new UsageError(`Unexpected argument "${rest.at(-1)}"`);
  }
  const value = !isList ? rest[0] : rest.length > 0 ? rest : undefined;
  return { ...parsed, ...argument && { [argument]: value } } as Arguments<O>;
}

/**
 * Reads the value of an option as a number.
 *
 * @throws {UsageError} if it is not a number, or is negative
 */
export function readNumber(option: string, value: string): number {
  const number = Number(value);
  if (number >= 0) return number;
  throw new UsageError(
    `Cannot use "${value}" for "${option}": use a number that is 0 or greater`,
  );
}

/** Returns what `--help` prints for a command. */
export function describeUsage(command: string, options: Options): string {
  const rows = Object.entries(options);
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `Usage: ${command} [OPTIONS]`,
    ...rows.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`),
  ].join("\n");
}

/** `--queue NAME` is kept as `queue`. */
function keyOf(name: string): string {
  return name.replace(/^--/, "").replace(/ .*/, "");
}
