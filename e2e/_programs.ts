/**
 * What the end-to-end tests share: the project's tasks as programs, a dev server
 * for them, and copies of the project to change.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { hasFreePorts, startDevServer } from "../dev/dev_server.ts";
import { findPort, Program, type ProgramOptions } from "../dev/processes.ts";
import { changedProject, root, temporaryFolder } from "../dev/project.ts";

export { changedProject, Program, root, temporaryFolder };

const { tasks } = config;

/** Where Deno keeps its cache, whatever the home folder is. */
export const denoDir: string = JSON.parse(
  new TextDecoder().decode(
    new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
      .outputSync().stdout,
  ),
).denoDir;

// What the person who runs the tests has set for their own Temporal.
const unset = Object.fromEntries(
  ["ADDRESS", "API_KEY", "CONFIG_FILE", "NAMESPACE", "PROFILE", "TLS"]
    .map((name) => [`TEMPORAL_${name}`, ""]),
);

/** Runs a task as `deno task NAME ARGS` does, once the packages are there. */
export function task(
  name: keyof typeof tasks,
  args: string[] = [],
  { cwd = root, env }: ProgramOptions = {},
): Program {
  const command = tasks[name].command.replace("deno install && ", "");
  return new Program(
    [Deno.execPath(), "task", "--quiet", "--eval", command, ...args],
    { cwd, env: { ...unset, LOG_LEVEL: "", ...env } },
  );
}

/** Runs a task to its end. */
export async function runTask(
  name: keyof typeof tasks,
  args: string[] = [],
  options: ProgramOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using program = task(name, args, options);
  const { code } = await program.status;
  const { stdout, stderr } = program;
  return { code, stdout, stderr };
}

/** Starts a dev server at ports of its own. */
export async function devServer() {
  // Not the first free ports: another test's server may be about to take them.
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  return await startDevServer({ port: findPort(port, hasFreePorts) });
}
