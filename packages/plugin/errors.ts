/**
 * A mistake in an application that {@linkcode DenoPlugin} found. The message says
 * what to fix, with file and line where there is one; it needs no stack trace.
 */
export class DenoPluginError extends Error {
  /** Tells it apart in logs. */
  override name = "DenoPluginError";
}

/** Shows a value in a message, in one line. */
export function inspect(value: unknown): string {
  return value instanceof URL
    ? `URL "${value}"`
    : Deno.inspect(value, { breakLength: Infinity, depth: 0 });
}
