/**
 * Errors of the SDK as the person at the terminal reads them.
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
import { escapeControls } from "./errors.ts";

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
      // The SDK's message for a start, which may have reached the server.
      const state = error.message === "Failed to start Workflow"
        ? "may be running; run the same command again"
        : "is still running; run the same command to wait for it again";
      return `Lost connection to the Temporal Service: the Workflow ${state}`;
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
  if (isNamed(error, "DenoPluginError")) return error.message;
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
