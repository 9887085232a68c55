/**
 * Errors for the person at the terminal, and text that is safe to print there.
 *
 * @module
 */

/**
 * A failure that the person at the terminal can fix. The message says what failed
 * and what to do next; it is printed without a stack trace.
 */
export class UserError extends Error {}

/** A command line that the program does not accept. */
export class UsageError extends UserError {}

/**
 * Escapes control characters, so that text from outside cannot move the cursor,
 * write to the clipboard or pass for a line of this program.
 */
export function escapeControls(text: string, keep = /(?!)/): string {
  return text.replaceAll(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (character) =>
      keep.test(character)
        ? character
        : JSON.stringify(character).slice(1, -1).replace(
          /^[^\\]/,
          (raw) => `\\u${raw.charCodeAt(0).toString(16).padStart(4, "0")}`,
        ),
  );
}

/** Makes text of what Workflow or Activity code has passed for text. */
export function toText(value: unknown): string {
  return typeof value === "string" ? value : Deno.inspect(value);
}
