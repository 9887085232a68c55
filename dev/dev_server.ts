/**
 * A Temporal dev server with its Web UI, by the Temporal CLI. As a program (the
 * task `server`) it runs in the foreground, where Worker and starter expect it.
 *
 * @module
 */

import { UserError } from "../lib/errors.ts";
import { interruption, runProgram, untilInterrupted } from "../lib/program.ts";
import { answers, isFree, Program, waitUntil } from "./processes.ts";
import { locateServer } from "./servers.ts";

/** A dev server that runs. */
export interface DevServer extends AsyncDisposable {
  /** `host:port` of its gRPC service. */
  address: string;
  /** The address of its Web UI. */
  webUi: string;
  /** What the operating system calls it. */
  pid: number;
  /** Settled when it ends, however that comes. */
  status: Promise<Deno.CommandStatus>;
}

/** Options of {@linkcode startDevServer}. */
export interface DevServerOptions {
  /** The gRPC service's port; the Web UI's is 1000 higher. */
  port: number;
  /** The file that keeps its Workflows; without it, they are in memory only. */
  database?: string;
  /** Gives up getting or starting it. */
  signal?: AbortSignal;
}

/** Tells whether both ports of a dev server are free. */
export function hasFreePorts(port: number): boolean {
  return isFree(port) && isFree(port + 1000);
}

/**
 * Starts a dev server and waits until it answers.
 *
 * @throws {UserError} if no Temporal CLI is to be had, or it fails
 */
export async function startDevServer(
  { port, database, signal }: DevServerOptions,
): Promise<DevServer> {
  const cli = await locateServer("dev-server", signal);
  const options = ["--log-level", "error", "--port", `${port}`];
  if (database) options.push("--db-filename", database);
  const program = new Program([cli, "server", "start-dev", ...options]);
  const server = {
    address: `localhost:${port}`,
    webUi: `http://localhost:${port + 1000}`,
    pid: program.pid,
    status: program.status,
    async [Symbol.asyncDispose]() {
      // What it has to save is saved, and it would take a second to end in peace.
      program.kill("SIGKILL");
      await program.status;
    },
  };
  let ended = false;
  program.status.then(() => ended = true);
  try {
    await waitUntil(`the dev server at ${server.address}`, async () => {
      if (!ended) return await answers(server.address);
      throw new UserError(`"${cli}" does not start:\n${program.stderr}`);
    }, { seconds: 30, signal });
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

if (import.meta.main) {
  await runProgram("deno task server", {}, async () => {
    const taken = [7233, 8233].find((port) => !isFree(port));
    if (taken) {
      throw new UserError(
        `Port ${taken} is taken; perhaps a dev server runs already`,
      );
    }
    const signal = interruption();
    await using server = await startDevServer({ port: 7233, signal });
    console.log(`Temporal Server at ${server.address}`);
    console.log(`Web UI at ${server.webUi}; Ctrl-C stops both`);
    await untilInterrupted(server, "The dev server", signal);
    console.log("Temporal Server stops; what it held is gone");
  });
}
