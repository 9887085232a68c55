/**
 * Diffs in Markdown, which have no line numbers.
 *
 * @module
 */

import { assertStringIncludes } from "@std/assert";

/** Replaces the lines of a diff in a text. */
export function applyDiff(text: string, diff: string): string {
  const side = (sign: string) =>
    diff.trimEnd().split("\n")
      .filter((line) => line === "" || line[0] === " " || line[0] === sign)
      .map((line) => line.slice(1)).join("\n");
  assertStringIncludes(text, side("-"));
  return text.replace(side("-"), () => side("+"));
}
