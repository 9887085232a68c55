/**
 * Records the history that the replay tests replay (the task `record`): what a
 * server keeps of a run by this project's own Worker and starter.
 *
 * @module
 */

import { join } from "node:path";
import { interruption, orInterrupted, runProgram } from "../lib/program.ts";
import { hasFreePorts, startDevServer } from "./dev_server.ts";
import { findPort, run, runTask } from "./processes.ts";
import { locateServer } from "./servers.ts";

const file = join(import.meta.dirname!, "../tests/histories/deno.json");

await runProgram("deno task record", {}, async () => {
  const signal = interruption();
  const port = findPort(7233, hasFreePorts);
  await using server = await startDevServer({ port, signal });
  const env = { TEMPORAL_ADDRESS: server.address };
  await using _worker = runTask("worker", { env, echo: true });
  await using starter = runTask("start", { env, echo: true });
  await orInterrupted(starter.status, signal);
  const show = ["workflow", "show", "--workflow-id", "hello-workflow"];
  const format = ["--address", server.address, "--output", "json"];
  const cli = await locateServer("dev-server", signal);
  const history = await run([cli, ...show, ...format], { signal });
  // The names of programs tell the machine's.
  await Deno.writeTextFile(
    file,
    history.replaceAll(/@[^"@]+"/g, '@localhost"'),
  );
});
