/**
 * Workflow code in a folder that has the SDK's name.
 *
 * @module
 */

/** Waits forever. */
export async function waitForever() {
  await new Promise(() => {});
}
