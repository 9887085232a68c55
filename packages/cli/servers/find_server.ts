/**
 * Finds the Temporal Service of the settings, or starts a dev server.
 *
 * @module
 */

import { answers } from "../ports.ts";
import type { Settings } from "../settings.ts";
import { type DevServer, hasFreePorts, startDevServer } from "./dev_server.ts";

/** Starts a dev server, unless one runs or the settings name another server. */
export async function findServer(
  { connectionOptions: { address, apiKey, tls }, namespace }: Settings,
  signal: AbortSignal,
): Promise<DevServer | undefined> {
  const [, port] = /^(?:localhost|127\.0\.0\.1):(\d+)$/.exec(address) ?? [];
  if (!port || apiKey || tls) {
    console.log(`Temporal Service at ${address}, from your settings`);
    return;
  }
  if (await answers(address)) {
    console.log(`Temporal Service at ${address} is running already`);
    return;
  }
  const isUsable = hasFreePorts(Number(port));
  if (!isUsable) {
    console.log(`Port ${port} or ${Number(port) + 1000} is in use`);
  }
  const server = await startDevServer({
    port: isUsable ? Number(port) : undefined,
    namespace,
    signal,
  });
  console.log(
    `Temporal Service at ${server.address}, Web UI at ${server.webUi}`,
  );
  return server;
}
