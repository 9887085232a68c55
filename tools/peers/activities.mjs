/**
 * The Activities that `tools/compare.ts` measures on each runtime.
 *
 * @module
 */

import { heartbeat, sleep } from "@temporalio/activity";

/**
 * Returns an answer to a question.
 *
 * @param {string} question
 */
export async function answer(question) {
  return `Answer to ${question}`;
}

/**
 * Returns its argument.
 *
 * @param {string} text
 */
export async function echo(text) {
  return text;
}

/**
 * Sends a heartbeat each second.
 *
 * @param {number} seconds
 */
export async function beat(seconds) {
  for (let second = 0; second < seconds; second++) {
    heartbeat(second);
    await sleep(1000);
  }
}
