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

/** Throws unless `actual` matches `expected`. */
export const assertMatch: (
  actual: string,
  expected: RegExp,
  message?: string,
) => void = std.assertMatch;

/** Throws unless `actual` contains `expected`. */
export const assertStringIncludes: (
  actual: string,
  expected: string,
  message?: string,
) => void = std.assertStringIncludes;

/**
 * Throws unless `run` rejects with an error of `type` that contains `text`;
 * returns that error.
 */
export const assertRejects: <E extends Error>(
  run: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  type: abstract new (...args: any[]) => E,
  text?: string,
  message?: string,
) => Promise<E> = std.assertRejects;

/** Throws unless `actual` is an instance of `type`. */
// deno-lint-ignore no-explicit-any
export const assertInstanceOf: <T extends abstract new (...args: any[]) => any>(
  actual: unknown,
  type: T,
  message?: string,
) => asserts actual is InstanceType<T> = std.assertInstanceOf;

/** Throws unless `actual` is less than `expected`. */
export const assertLess: <T>(actual: T, expected: T, message?: string) => void =
  std.assertLess;

/** Throws unless `actual` is truthy. */
export const assert: (
  actual: unknown,
  message?: string,
) => asserts actual = std.assert;

/** Throws unless `run` throws an error of `type` that contains `text`; returns it. */
export const assertThrows: <E extends Error>(
  run: () => unknown,
  // deno-lint-ignore no-explicit-any
  type: abstract new (...args: any[]) => E,
  text?: string,
  message?: string,
) => E = std.assertThrows;
