/**
 * A Temporal dev server: a Temporal Service and its Web UI, by the Temporal CLI.
 *
 * @module
 */

import { UserError } from "../errors.ts";
import { Program, waitFor } from "../processes.ts";
import { answers, findPort, isFree } from "../ports.ts";
import { locateServer } from "./locate.ts";

/** A dev server that runs. */
export interface DevServer extends AsyncDisposable {
  /** Its gRPC address, as `host:port`. */
  address: string;
  /** The URL of its Web UI. */
  webUi: string;
  /** Its process id. */
  pid: number;
  /** Settles when it has ended. */
  status: Promise<Deno.CommandStatus>;
}

/** Options of {@linkcode startDevServer}. */
export interface DevServerOptions {
  /** The gRPC port (default: any); the Web UI's is 1000 higher. */
  port?: number;
  /** The file that keeps its data, which is otherwise in memory. */
  database?: string;
  /** The Namespace that it has (default: default). */
  namespace?: string;
  /** Its dynamic configuration: values as JSON. */
  config?: Record<string, string>;
  /** Gives up to download or start it. */
  signal?: AbortSignal;
}

/** Whether both ports of a dev server are free. */
export function hasFreePorts(port: number): boolean {
  return isFree(port) && isFree(port + 1000);
}

/**
 * Starts a dev server and waits until it answers.
 *
 * @throws {UserError} if the Temporal CLI is not available or fails
 */
export async function startDevServer(
  options: DevServerOptions = {},
): Promise<DevServer> {
  const { database, namespace = "default", config = {}, signal } = options;
  const port = options.port ?? findPort(hasFreePorts);
  const cli = await locateServer("dev-server", signal);
  const args = ["--port", `${port}`, "--namespace", namespace];
  if (database) args.push("--db-filename", database);
  for (const [key, value] of Object.entries(config)) {
    args.push("--dynamic-config-value", `${key}=${value}`);
  }
  const program = new Program(
    [cli, "server", "start-dev", "--log-level", "error", ...args],
  );
  const server = {
    address: `localhost:${port}`,
    webUi: `http://localhost:${port + 1000}`,
    pid: program.pid,
    status: program.status,
    async [Symbol.asyncDispose]() {
      // Its data is saved, and to shut down would take it a second.
      program.kill("SIGKILL");
      await program.status;
    },
  };
  let isRunning = true;
  program.status.then(() => isRunning = false);
  try {
    await waitFor(`the dev server at ${server.address}`, async () => {
      if (isRunning) return await answers(server.address);
      throw new UserError(`Cannot start "${cli}":\n${program.stderr}`);
    }, { seconds: 30, signal });
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}
