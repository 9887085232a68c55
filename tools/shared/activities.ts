/**
 * The Activity of the contributors' programs.
 *
 * @module
 */

/** Returns an answer to a question. */
export async function answer(question: string): Promise<string> {
  return `Answer to ${question}`;
}
