/**
 * A mistake in an application that {@linkcode DenoPlugin} found. The message says
 * what to fix, with file and line where there is one; it needs no stack trace.
 */
export class DenoPluginError extends Error {
  /** Tells it apart in logs. */
  override name = "DenoPluginError";
}
