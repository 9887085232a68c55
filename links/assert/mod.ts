/**
 * What this project uses of `jsr:@std/assert`, from npm's `deno-std`, which
 * carries the same modules without their types.
 *
 * @module
 */

import * as std from "deno-std/assert/mod.js";

/** Throws unless `actual` and `expected` are deeply equal. */
export const assertEquals: <T>(
  actual: T,
  expected: T,
  message?: string,
) => void = std.assertEquals;
