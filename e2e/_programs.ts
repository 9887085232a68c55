/**
 * What the end-to-end tests share: the project's tasks as programs, a dev server
 * for them, and copies of the project to change.
 *
 * @module
 */

import { dirname, join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { hasFreePorts, startDevServer } from "../dev/dev_server.ts";
import {
  findPort,
  Program,
  type ProgramOptions,
  run,
} from "../dev/processes.ts";

export { Program };

const { tasks } = config;

/** The project's folder. */
export const root = dirname(import.meta.dirname!);

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

/** Returns a folder that is removed with all that is in it. */
export async function temporaryFolder(): Promise<
  AsyncDisposable & { path: string }
> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Copies the project, with other text in some of its files. */
export async function changedProject(changes: Record<string, string>) {
  const folder = await temporaryFolder();
  await copy(root, folder.path);
  const install = [Deno.execPath(), "install", "--quiet"];
  await run(install, {
    cwd: folder.path,
    signal: AbortSignal.timeout(60_000),
  });
  for (const [file, text] of Object.entries(changes)) {
    await Deno.writeTextFile(join(folder.path, file), text);
  }
  return folder;
}

async function copy(from: string, to: string) {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (name === "node_modules" || name === ".git") continue;
    if (isDirectory) await copy(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}
