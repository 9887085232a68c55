/**
 * A PostgreSQL server for tests, if this machine has one installed.
 *
 * @module
 */

import { join } from "node:path";
import { Program, run } from "../../packages/cli/processes.ts";
import { findPort } from "../../packages/cli/ports.ts";
import { temporaryFolder } from "./project.ts";

/** A server that runs until it is disposed of. */
export interface PostgresServer extends AsyncDisposable {
  /** The URL of its database, for a user who may do everything. */
  url: string;
  /** Returns what a query finds: lines, with `|` between columns. */
  query(sql: string): Promise<string[]>;
}

/** The folder of PostgreSQL's programs; undefined if it is not installed. */
export const postgresFolder: string | undefined = findPrograms();

function findPrograms(): string | undefined {
  // Where Debian, and others, install it.
  for (const base of ["/usr/lib/postgresql", "/usr/pgsql"]) {
    try {
      for (const { name } of Deno.readDirSync(base)) {
        return join(base, name, "bin");
      }
    } catch {
      // It is not there.
    }
  }
}

/** Starts a server, with data in a folder of its own. */
export async function startPostgres(): Promise<PostgresServer> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const data = join(folder.path, "data");
  const port = `${findPort()}`;
  const signal = AbortSignal.timeout(60_000);
  // It refuses to run as root.
  const prefix = Deno.uid() === 0 ? ["runuser", "-u", "postgres", "--"] : [];
  if (prefix.length > 0) {
    await run(["chown", "postgres", folder.path], { signal });
  }
  const program = (name: string) => [...prefix, join(postgresFolder!, name)];
  const options = { cwd: folder.path, signal };
  const initdb = [
    ...program("initdb"),
    "-D",
    data,
    "-A",
    "trust",
    "-U",
    "shop",
  ];
  await run(initdb, options);
  const server = stack.use(
    new Program([
      ...program("postgres"),
      ...["-D", data, "-k", folder.path, "-h", "127.0.0.1", "-p", port],
    ], { cwd: folder.path }),
  );
  await server.prints("database system is ready");
  return {
    url: `postgres://shop@127.0.0.1:${port}/postgres`,
    async query(sql) {
      const psql = join(postgresFolder!, "psql");
      const address = ["-h", "127.0.0.1", "-p", port, "-U", "shop", "postgres"];
      const signal = AbortSignal.timeout(20_000);
      const text = await run([psql, "-At", ...address, "-c", sql], { signal });
      return text.split("\n").filter(Boolean);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
