/**
 * Runs a dev server in the foreground (the task `server`).
 *
 * @module
 */

import { readNumber } from "./arguments.ts";
import { UsageError, UserError } from "./errors.ts";
import { interruption, runProgram } from "./program.ts";
import { startDevServer } from "./servers/dev_server.ts";
import { waitForInterruption } from "./processes.ts";
import { isFree } from "./ports.ts";

/** The Web UI needs a port, too. */
const MAX_PORT = 65_535 - 1000;

const options = {
  "--port NUMBER": "gRPC port (default: 7233); the Web UI's is 1000 higher",
};

await runProgram("deno task server", options, async (args) => {
  const port = readNumber("--port", args.port ?? "7233");
  if (!Number.isInteger(port) || port < 1 || port > MAX_PORT) {
    throw new UsageError(
      `Cannot use "${args.port}" for "--port": use a number from 1 to ${MAX_PORT}`,
    );
  }
  const taken = [port, port + 1000].find((port) => !isFree(port));
  if (taken) {
    throw new UserError(
      `Cannot listen on port ${taken}: it is in use, perhaps by another dev ` +
        "server; use that one, stop it, or pass --port",
    );
  }
  const signal = interruption();
  await using server = await startDevServer({ port, signal });
  console.log(`Temporal Service at ${server.address}`);
  console.log(`Web UI at ${server.webUi}; Ctrl-C stops both`);
  const option = args.port ? ` --address ${server.address}` : "";
  console.log(`Temporal CLI: deno task temporal workflow list${option}`);
  await waitForInterruption(server, "Dev server", signal);
  console.log("Dev server stops; its data is deleted");
});
