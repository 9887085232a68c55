/**
 * Errors as the person at the terminal reads them.
 *
 * @module
 */

import {
  CancelledFailure,
  NamespaceNotFoundError,
  ServiceError,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowFailedError,
} from "@temporalio/client";

/**
 * A failure that the person at the terminal can fix. The message says what failed
 * and what to do next; it is printed without a stack trace.
 */
export class UserError extends Error {}

/** A command line that the program does not accept. */
export class UsageError extends UserError {}

/** Codes of gRPC that are explained here. */
const Code = { permissionDenied: 7, unavailable: 14 };

/**
 * Returns the message of an error that needs no stack trace; undefined for any
 * other error, which is a bug.
 */
export function formatError(error: unknown): string | undefined {
  if (error instanceof WorkflowFailedError) {
    const { cause } = error;
    const end = cause instanceof TerminatedFailure
      ? "was terminated"
      : cause instanceof CancelledFailure
      ? "was canceled"
      : cause instanceof TimeoutFailure
      ? "timed out"
      : "failed";
    return `Workflow ${end}: ${escapeControls(rootMessage(error))}`;
  }
  if (error instanceof ServiceError) {
    const { code, details = rootMessage(error) } = (error.cause ?? {}) as {
      code?: number;
      details?: string;
    };
    if (code === Code.unavailable) {
      return "Lost connection to the Temporal Service: the Workflow is " +
        "still running; run the same command to wait for it again";
    }
    const advice = code === Code.permissionDenied
      ? "; check the Namespace and the credentials"
      : "";
    return `${error.message}: ${escapeControls(details)}${advice}`;
  }
  const namespace = missingNamespace(error);
  if (namespace !== undefined) {
    return `Cannot access Namespace "${namespace}": it does not exist; create ` +
      "it, or pass another one with --namespace";
  }
  if (isNamed(error, "TransportError")) {
    // The SDK's core prints the Temporal Service's answer in Rust's notation.
    const [, details] = /message: "(.+?)"/.exec(error.message) ?? [];
    return `Cannot run the Worker: ${details ?? error.message}`;
  }
  // The SDK throws it for an option that it cannot use, or a payload.
  if (isNamed(error, "ValueError")) return escapeControls(error.message);
  if (error instanceof UserError || isNamed(error, "DenoPluginError")) {
    return error.message;
  }
}

function isNamed(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name;
}

/** The Namespace that a Client or a Worker could not find. */
function missingNamespace(error: unknown): string | undefined {
  if (error instanceof NamespaceNotFoundError) return error.namespace;
  if (!isNamed(error, "TransportError")) return;
  return /message: "Namespace (.+?) is not found/.exec(error.message)?.[1];
}

/** The message of the innermost cause, which is where an error began. */
function rootMessage(error: Error): string {
  while (error.cause instanceof Error) error = error.cause;
  return error.message;
}

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
