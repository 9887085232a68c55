/**
 * Runs the whole application (the task `demo`): finds or starts a dev server, runs
 * the Worker and the Client, and stops what it has started.
 *
 * @module
 */

import { UserError } from "./errors.ts";
import { abortable, interruption, runProgram } from "./program.ts";
import { loadSettings, type Settings } from "./settings.ts";
import {
  type DevServer,
  hasFreePorts,
  startDevServer,
} from "./servers/dev_server.ts";
import { startTask, waitForInterruption } from "./processes.ts";
import { answers } from "./ports.ts";

const options = {
  "--keep": "Leave the server and the Worker running until Ctrl-C",
};

await runProgram("deno task demo", options, async ({ keep }) => {
  const signal = interruption();
  const settings = await loadSettings({ "task-queue": "" });
  await using server = await findServer(settings, signal);
  // Both load the same settings as this program.
  const args = server ? ["--address", server.address] : [];
  await using worker = startTask("worker", args, { echo: true });
  const polls = worker.prints("Worker is polling", 120).catch(() => {
    throw new UserError("Cannot run the demo: the Worker has not started");
  });
  await abortable(polls, signal);
  await using client = startTask("start", args, { echo: true });
  const { success } = await abortable(client.status, signal);
  if (!success) {
    throw new UserError("Cannot finish the demo: the Workflow has no result");
  }
  if (keep) {
    console.log("Server and Worker keep running until Ctrl-C");
    await waitForInterruption(worker, "Worker", signal);
  }
});

/** Starts a dev server, unless one runs or the settings name another server. */
async function findServer(
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
