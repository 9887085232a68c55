/**
 * The Temporal Client of the development programs and tests.
 *
 * @module
 */

import { Client } from "@temporalio/client";
import { NativeConnection } from "@temporalio/worker";

/**
 * Connects a Client by a `NativeConnection`, since a server that closes a
 * `Connection` may end this process: gap 9 in docs/gaps-process.md.
 */
export async function connectClient(address: string): Promise<Client> {
  return new Client({
    connection: await NativeConnection.connect({ address }),
  });
}
