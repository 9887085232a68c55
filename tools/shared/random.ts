/**
 * Random numbers, and random input for tests. For these, `SEED` repeats a run and
 * `LONG=1` makes it longer.
 *
 * @module
 */

/** What makes all that is random here; print it in the name of the test. */
export const seed = Number(
  Deno.env.get("SEED") || Math.floor(Math.random() * 1e6),
);

/** Whether the long form of a test is wanted. */
export const isLong = Boolean(Deno.env.get("LONG"));

/** Returns a source of numbers from 0 to 1, the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** Returns a number from 0 to 1. */
export const random: () => number = randomNumbers(seed);

/** Returns an integer from 0, below `limit`. */
export function randomInteger(limit: number): number {
  return Math.floor(random() * limit);
}

/** Returns one of these. */
export function randomOf<T>(choices: readonly T[]): T {
  return choices[randomInteger(choices.length)];
}

/** Returns any characters but surrogates. */
export function randomText(): string {
  const codes = Array.from(
    { length: randomInteger(40) },
    () => randomInteger(0x2fff),
  );
  return String.fromCodePoint(...codes);
}

/** Returns up to 200 bytes. */
export function randomBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length: randomInteger(200) },
    () => randomInteger(256),
  );
}
