/**
 * The whole application in one command (the task `demo`): finds or starts a
 * server, runs the Worker and the starter, and stops what it has started.
 *
 * @module
 */

import { loadSettings, tutorial } from "../lib/settings.ts";
import { UserError } from "../lib/errors.ts";
import {
  interruption,
  orInterrupted,
  runProgram,
  untilInterrupted,
} from "../lib/program.ts";
import { hasFreePorts, startDevServer } from "./dev_server.ts";
import { answers, findPort, runTask } from "./processes.ts";

const options = {
  "--keep": "Leave the server and the Worker running until Ctrl-C",
};

await runProgram("deno task demo", options, async ({ keep }) => {
  const signal = interruption();
  // What is put here is stopped at the end, the last first, come what may.
  await using running = new AsyncDisposableStack();
  const settings = loadSettings();
  const address = await findServer(settings.address, running, signal);
  const env = {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: settings.namespace,
  };
  const worker = running.use(runTask("worker", { env, echo: true }));
  const polls = worker.prints("Worker polls").catch(() => {
    throw new UserError("The Worker has not started");
  });
  await orInterrupted(polls, signal);
  const starter = running.use(runTask("start", { env, echo: true }));
  const { success } = await orInterrupted(starter.status, signal);
  if (!success) throw new UserError("The Workflow has given no result");
  if (keep) {
    console.log("The server and the Worker stay until Ctrl-C");
    await untilInterrupted(worker, "The Worker", signal);
  }
});

/** Returns the address of a Temporal Server, one that it starts if need be. */
async function findServer(
  address: string,
  running: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<string> {
  if (await answers(address)) {
    console.log(`Temporal Server at ${address}: found running, left alone`);
    return address;
  }
  if (address !== tutorial.address) {
    console.log(`Temporal Server at ${address}, as set`);
    return address;
  }
  const port = findPort(7233, hasFreePorts);
  if (port !== 7233) {
    console.log("Port 7233 or 8233 is taken by something else");
  }
  const server = running.use(await startDevServer({ port, signal }));
  console.log(
    `Temporal Server at ${server.address}, Web UI at ${server.webUi}`,
  );
  return server.address;
}
