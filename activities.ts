/**
 * The Activity: a function that may do anything, such as calling another service.
 * If it fails, Temporal retries it. The Python tutorial's `activities.py`.
 *
 * @module
 */

/** Returns a greeting, such as "Hello, Temporal!" for the name "Temporal". */
export async function say_hello(name: string): Promise<string> {
  return `Hello, ${name}!`;
}
