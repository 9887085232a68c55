/**
 * The Activities: the code that may do anything, such as calling other services.
 * If it fails, Temporal runs it again. The Python tutorial's `activities.py`.
 *
 * @module
 */

/** Returns a greeting: "Hello, Temporal!" for the name "Temporal". */
export async function say_hello(name: string): Promise<string> {
  return `Hello, ${name}!`;
}
