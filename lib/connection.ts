/**
 * Connections to Temporal that fail readably, and the way to its Web UI.
 *
 * @module
 */

import { Connection } from "@temporalio/client";
import { UserError } from "./errors.ts";
import type { Settings } from "./settings.ts";

/** How long a server may take for its first answer, in milliseconds. */
const patience = 5_000;

/** What is used of the SDK's two kinds of connection. */
interface ConnectionType<T> {
  connect(
    options: Settings["security"] & { address: string; connectTimeout: number },
  ): Promise<T>;
}

/**
 * Connects by `NativeConnection`, as a Worker must, or by `Connection`, as a
 * client does, and makes sure that the namespace is there.
 *
 * @throws {UserError} within 5 seconds, if one of them is not to be had
 */
export async function connect<T extends Pick<Connection, "workflowService">>(
  type: ConnectionType<T>,
  { address, namespace, security }: Settings,
): Promise<T> {
  const isClient = type === Connection as unknown;
  if (isClient) requireNetPermission(address);
  const options = { ...security, address, connectTimeout: patience };
  let connection: T;
  try {
    if (isClient && isLocal(address)) await knock(endpoint(address));
    connection = await inTime(type.connect(options));
  } catch (cause) {
    const advice = isLocal(address)
      ? 'start one with "deno task server", or name another by --address'
      : "check address, TLS and API key";
    throw new UserError(
      `No Temporal Server answers at "${address}" (${
        reason(cause)
      }): ${advice}`,
      { cause },
    );
  }
  try {
    await inTime(connection.workflowService.describeNamespace({ namespace }));
  } catch (cause) {
    throw new UserError(
      `Temporal at "${address}" has no namespace "${namespace}" for you ` +
        `(${reason(cause)}): name another by --namespace`,
      { cause },
    );
  }
  return connection;
}

/**
 * Waits for `result`, which may not keep to a time limit of its own.
 *
 * @throws {Error} `late`, after that many milliseconds
 */
export async function inTime<T>(
  result: Promise<T>,
  milliseconds = patience + 500,
  late = new Error("no answer"),
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(reject, milliseconds, late);
  try {
    return await Promise.race([result, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Finds out at once that nobody listens, where a client would try for seconds. */
async function knock(at: Deno.ConnectOptions) {
  (await Deno.connect(at)).close();
}

/** Takes `host:port` apart. */
function endpoint(address: string) {
  const { hostname } = new URL(`http://${address}`);
  return { hostname, port: Number(address.split(":").at(-1)) };
}

/** The SDK hands on what its core prints: the reason stands deep in it. */
function reason(error: unknown): string {
  const { details, message } = error as Error & { details?: string };
  if (message.includes("before the deadline")) return "no answer";
  if (message.includes("dns error")) return "there is no such host";
  if (message.startsWith("Connection refused")) return "Connection refused";
  return details || (/message: "(.+?)"/.exec(message)?.[1] ?? message);
}

/**
 * Returns the address of a run's page in the Web UI, if that of a local dev
 * server answers where the Temporal CLI puts it: 1000 ports above the server.
 */
export async function webUiPage(
  { address, namespace }: Settings,
  workflowId: string,
  runId: string,
): Promise<string | undefined> {
  if (!isLocal(address)) return;
  const { hostname, port } = endpoint(address);
  const webUi = { hostname, port: port + 1000 };
  try {
    await knock(webUi);
  } catch {
    return;
  }
  const path = ["namespaces", namespace, "workflows", workflowId, runId];
  return `http://${hostname}:${webUi.port}/` +
    path.map(encodeURIComponent).join("/");
}

function isLocal(address: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\]):/.test(address);
}

/** Without it, a client would only find that nobody answers. */
function requireNetPermission(address: string) {
  const { state } = Deno.permissions.querySync({ name: "net", host: address });
  if (state === "granted") return;
  throw new UserError(
    `Not permitted to connect to "${address}": set "net" to true in the ` +
      'permission set "start" of deno.json, or list the host and its addresses',
  );
}
