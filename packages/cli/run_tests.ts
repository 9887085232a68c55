/**
 * Runs the tests (the task `test`) with the servers that they need. `deno test`
 * itself may not run programs: it only gets the paths of the servers.
 *
 * @module
 */

import { join } from "node:path";
import {
  completeAddress,
  CONNECT_TIMEOUT_MS,
  connectError,
  requireTestAddress,
} from "./connect.ts";
import { abortable, deadline, interruption, runProgram } from "./program.ts";
import { locateServer } from "./servers/locate.ts";

const options = {
  "FILE": "Test file, or pattern in quotes (default: all of tests/)",
  "--workflow-environment KIND": "time-skipping (default), local or HOST:PORT",
  "--no-check": 'Skips the check of types, such as after "deno check"',
};

const servers = new Map(
  [
    ["time-skipping", ["test-server", "TEMPORAL_TEST_SERVER"]],
    ["local", ["dev-server", "TEMPORAL_CLI"]],
  ] as const,
);

await runProgram("deno task test", options, async (args) => {
  const signal = interruption();
  const environment = args["workflow-environment"] ?? "time-skipping";
  const env: Record<string, string> = {};
  const [kind, variable] = servers.get(environment as "local") ?? [];
  if (kind) {
    env[variable] = await locateServer(kind, signal);
    // For a plain "deno test -P", which may read this file.
    const file = join("node_modules", `.${kind}`);
    await Deno.writeTextFile(file, env[variable]);
  } else await abortable(tryServer(environment), signal);
  const flags = ["--no-prompt", "--cached-only", "--parallel", "-P"];
  if (args["no-check"]) flags.push("--no-check");
  const test = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", ...flags, args.FILE ?? "tests/"],
      ...["--", "--workflow-environment", environment],
    ],
    env,
    signal,
  }).spawn();
  const { success, code } = await abortable(test.status, signal);
  if (!success) Deno.exit(code);
});

/** Reports once what each test file would report. */
async function tryServer(address: string) {
  requireTestAddress(address);
  completeAddress(address);
  // Not imported sooner: the other environments do not need it here.
  const { NativeConnection } = await import("@temporalio/worker");
  try {
    const connecting = NativeConnection.connect({ address });
    await (await deadline(connecting, CONNECT_TIMEOUT_MS)).close();
  } catch (error) {
    throw connectError(error, address, "--workflow-environment");
  }
}
