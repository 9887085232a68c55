/**
 * Probes a Temporal Service, and explains why a program cannot connect to it.
 *
 * @module
 */

import { UserError } from "./errors.ts";
import type { Settings } from "./settings.ts";

/** How long the Temporal Service may take for its first answer. */
export const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Adds the default port to an address.
 *
 * @throws {UserError} if it is not `host:port`
 */
export function completeAddress(address: string): string {
  const match = /^(?:[\w.-]{1,253}|\[[\da-f:.]+\])(?::(\d{1,5}))?$/i
    .exec(address);
  const port = Number(match?.[1] ?? 7233);
  if (!match || port < 1 || port > 65_535) {
    throw new UserError(
      `Cannot use address "${address.slice(0, 300)}": write HOST:PORT, ` +
        "such as localhost:7233 or [::1]:7233",
    );
  }
  return match[1] ? address : `${address}:${port}`;
}

/**
 * Refuses what is neither the name of a test environment nor an address.
 *
 * @throws {UserError} with the names, and the form of an address
 */
export function requireTestAddress(kind: string): void {
  if (/:\d+$/.test(kind)) return;
  throw new UserError(
    `Cannot test in environment "${kind}": use time-skipping, local or HOST:PORT`,
  );
}

/**
 * Finds out at once that nothing listens at a local address, where the SDK would
 * try for seconds.
 *
 * @throws {UserError} if nothing listens, or this program may not connect
 */
export async function probeServer({ connectionOptions }: Settings) {
  const { address } = connectionOptions;
  const { state } = Deno.permissions.querySync({ name: "net", host: address });
  if (state !== "granted") {
    throw new UserError(
      `Cannot connect to "${address}": the permission "net" is missing; add ` +
        "the host to permissions.start.net in deno.json",
    );
  }
  if (!isLocal(address)) return;
  try {
    (await Deno.connect(endpoint(address))).close();
  } catch (error) {
    throw connectError(error, address);
  }
}

/** Describes why a program, whose option names the address, is not connected to it. */
export function connectError(
  error: unknown,
  address: string,
  option = "--address",
): UserError {
  const what = reason(error as Error);
  const advice = isLocal(address) && /connection refused/i.test(what)
    ? `start one with "deno task server", or pass ${option}`
    : "check the address, TLS and the API key";
  return new UserError(
    `Cannot connect to a Temporal Service at "${address}": ${what}; ${advice}`,
    { cause: error },
  );
}

/** Returns the address at which nothing listens, if that is what a program printed. */
export function refusedAddress(output: string): string | undefined {
  return /^Cannot connect to a Temporal Service at "([^"]+)": .*connection refused/im
    .exec(output)?.[1];
}

/** What the SDK's core and gRPC print, and what it means; the first match counts. */
const reasons: [RegExp, string][] = [
  [/deadline|timed? ?out/i, "no response"],
  [/dns error/, "host not found"],
  [/^connection refused/i, "connection refused"],
  [/InvalidContentType/, "it does not use TLS"],
  [/NotValidForName/, "its certificate is for another name"],
  [/InvalidCertificate/, "its certificate is not trusted"],
];

/** The SDK passes on what its core and gRPC print: the reason is deep in it. */
function reason(error: Error & { details?: string }): string {
  const { details, message } = error.cause instanceof Error
    ? error.cause as typeof error
    : error;
  const [, known] = reasons.find(([pattern]) => pattern.test(message)) ?? [];
  return known || details ||
    (/message: "(.+?)"/.exec(message)?.[1] ?? message);
}

/**
 * Returns the address of a Workflow Execution in the Web UI of a local dev server,
 * which listens 1000 ports above the Temporal Service; undefined if nothing does.
 */
export async function webUiPage(
  { connectionOptions: { address }, namespace }: Settings,
  workflowId: string,
  runId: string,
): Promise<string | undefined> {
  if (!isLocal(address)) return;
  const { hostname, port } = endpoint(address);
  const webUi = { hostname, port: port + 1000 };
  try {
    (await Deno.connect(webUi)).close();
  } catch {
    return;
  }
  const path = ["namespaces", namespace, "workflows", workflowId, runId];
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `http://${host}:${webUi.port}/` +
    path.map(encodeURIComponent).join("/");
}

function isLocal(address: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\]):/i.test(address);
}

function endpoint(address: string) {
  const [, hostname, port] = /^\[?(.+?)\]?:(\d+)$/.exec(address)!;
  return { hostname, port: Number(port) };
}
