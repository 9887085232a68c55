/**
 * What the end-to-end tests share: the project's tasks as processes, each with an
 * environment of its own, so that the settings of the person who runs the tests
 * have no effect.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { delimiter, dirname } from "node:path";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import {
  Program,
  type ProgramOptions,
  run,
} from "../../packages/cli/processes.ts";
import { root, temporaryFolder } from "../shared/project.ts";

export { startDevServer } from "../../packages/cli/servers/dev_server.ts";
export { Program };
export { run, waitFor } from "../../packages/cli/processes.ts";
export {
  changedProject,
  removeBundles,
  root,
  temporaryFolder,
} from "../shared/project.ts";

// No Worker runs in these tests' own process: whatever they open, they close.
Deno.test.sanitizer({ ops: true, resources: true });

type Task = keyof typeof config.tasks;

const home = await temporaryFolder();
Deno.test.afterAll(async () => await home[Symbol.asyncDispose]());

const info = await run([Deno.execPath(), "info", "--json"], {
  signal: AbortSignal.timeout(20_000),
});

/** Variables by which programs reach package registries from this machine. */
const networkEnv = Object.fromEntries(
  Object.entries(Deno.env.toObject()).filter(([name]) =>
    /^(?:deno_cert|deno_tls_ca_store|node_extra_ca_certs|npm_config_\w+|ssl_cert_\w+|\w+_proxy)$/i
      .test(name)
  ),
);

// The names are those in the project's modules: to rename them there is enough.

/** The Workflow that the task `start` executes. */
export const workflowType: string = findName(
  "run_workflow.ts",
  /workflow\.execute\((\w+),/,
);

/** The Activity of that Workflow. */
export const activityType: string = findName(
  "activities.ts",
  /export async function (\w+)/,
);

/** The Task Queue of the tasks `worker` and `start`. */
export const taskQueue: string = findName(
  "run_worker.ts",
  /taskQueue: "([^"]+)"/,
);

/** The Workflow Id of the task `start`, unless an option names another one. */
export const workflowId: string = findName(
  "run_workflow.ts",
  /\["workflow-id"\] \?\? "([^"]+)"/,
);

function findName(file: string, pattern: RegExp): string {
  return Deno.readTextFileSync(`${root}/${file}`).match(pattern)![1];
}

/** The whole environment of a program that a test starts. */
export const cleanEnv: Record<string, string> = {
  ...networkEnv,
  DENO_DIR: JSON.parse(info).denoDir,
  HOME: home.path,
  NO_COLOR: "1",
  PATH: dirname(Deno.execPath()) + delimiter + Deno.env.get("PATH"),
  TEMPORAL_CLI: await locateServer("dev-server"),
};

/** Starts `deno`. */
export function startDeno(
  args: string[],
  { env, ...options }: ProgramOptions = {},
): Program {
  return new Program([Deno.execPath(), ...args], {
    ...options,
    env: { ...cleanEnv, ...env },
    clearEnv: true,
  });
}

/** Runs `deno` to its end; returns what it printed, or throws that. */
export async function deno(
  args: string[],
  options: ProgramOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  await using program = startDeno(args, options);
  const { code } = await program.status;
  const { stdout, stderr } = program;
  if (code === 0) return { stdout, stderr };
  throw new Error(`deno ${args.join(" ")}: code ${code}\n${stdout}${stderr}`);
}

/** Starts a task. */
export function spawn(
  name: Task,
  args: string[] = [],
  options: ProgramOptions = {},
): Program {
  return startDeno(["task", "--quiet", name, ...args], options);
}

/** Runs a task to its end. */
export async function output(
  name: Task,
  args: string[] = [],
  options: ProgramOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using program = spawn(name, args, options);
  const { code } = await program.status;
  const { stdout, stderr } = program;
  return { code, stdout, stderr };
}

/** Starts a Worker and waits until it polls. */
export async function startWorker(
  args: string[] = [],
  options: ProgramOptions = {},
): Promise<Program> {
  const worker = spawn("worker", args, options);
  await worker.prints("Worker is polling");
  return worker;
}

/**
 * Runs files of `tests/` in a copy of the project, as the task `test` does, but
 * without a check of types, which takes longer than the tests.
 */
export async function runTest(
  files: string | string[],
  cwd: string,
  ...args: string[]
): Promise<string> {
  const flags = ["--no-check", "--no-prompt", "--cached-only", "-P"];
  const command = ["test", ...flags, ...[files].flat(), "--", ...args];
  const env = { TEMPORAL_TEST_SERVER: await locateServer("test-server") };
  await using program = startDeno(command, { cwd, env });
  await program.status;
  return program.stdout + program.stderr;
}

/** Returns the version of Node.js, such as "v20.20.2", if it is installed. */
export async function findNodeVersion(): Promise<string | undefined> {
  try {
    const node = new Deno.Command("node", { args: ["--version"] });
    const { stdout, success } = await node.output();
    const version = new TextDecoder().decode(stdout).trim();
    // Where it is not installed, Deno runs itself.
    if (success && version.startsWith("v")) return version;
  } catch {
    // Neither is there.
  }
}

/** Reads a file of the project. */
export async function readProjectFile(file: string): Promise<string> {
  return await Deno.readTextFile(`${root}/${file}`);
}
