/**
 * Runs other programs, among them the project's own tasks.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "./errors.ts";
import { abortable } from "./program.ts";

/**
 * Runs a program to its end, quietly, and returns its stdout.
 *
 * @throws {Error} with the program's own reason in one line, if it fails
 */
export async function run(
  [program, ...args]: string[],
  options: Omit<ProgramOptions, "echo"> & { signal: AbortSignal },
): Promise<string> {
  const command = new Deno.Command(program, {
    args,
    stdin: "null",
    ...options,
  });
  let output: Deno.CommandOutput;
  try {
    output = await command.output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`"${program}" is not on the PATH`);
  }
  options.signal.throwIfAborted();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  if (output.success) return stdout;
  const lines = `${stderr}\n${stdout}`.split("\n").filter((line) =>
    line.trim()
  );
  const reason = lines.find((line) => /^\W*error/i.test(line)) ?? lines.at(-1);
  throw new Error(
    reason?.slice(0, 300) ?? `"${program}" failed with code ${output.code}`,
  );
}

/** Options of a {@linkcode Program}. */
export interface ProgramOptions {
  /** The folder that it runs in (default: the current one). */
  cwd?: string;
  /** Environment variables, added to those of this process. */
  env?: Record<string, string>;
  /** Whether `env` is the whole environment. */
  clearEnv?: boolean;
  /** What each line of its output begins with, if that is printed, too. */
  echo?: string;
}

/**
 * A program that runs in the background, in a process group of its own, which a
 * terminal's Ctrl-C does not reach. Disposing of it stops it; on Unix, so does the
 * end of this process.
 */
export class Program implements AsyncDisposable {
  /** What it has printed on stdout so far. */
  stdout = "";
  /** What it has printed on stderr so far. */
  stderr = "";
  /** Settles when it has ended and its output is complete. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Its process id. */
  readonly pid: number;
  readonly #command: string;
  readonly #process: Deno.ChildProcess;
  #output = Promise.withResolvers<void>();

  /** Starts a program: its name or path, and its arguments. */
  constructor(command: string[], { echo, ...options }: ProgramOptions = {}) {
    const [program, ...args] = command;
    this.#command = command.join(" ");
    this.#process = new Deno.Command(program, {
      args,
      ...options,
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#process.pid;
    const isUnix = Deno.build.os !== "windows";
    const guard = isUnix ? startGuard(this.pid) : undefined;
    this.status = Promise.all([
      this.#process.status,
      this.#collect("stdout", echo),
      this.#collect("stderr", echo),
    ]).then(async ([status]) => {
      await guard?.stop();
      return status;
    });
  }

  async #collect(stream: "stdout" | "stderr", echo?: string) {
    const print = stream === "stdout" ? console.log : console.error;
    const decoder = new TextDecoder();
    let line = "";
    for await (const chunk of this.#process[stream]) {
      const text = decoder.decode(chunk, { stream: true });
      this[stream] += text;
      this.#output.resolve();
      this.#output = Promise.withResolvers();
      if (echo === undefined) continue;
      const lines = (line + text).split("\n");
      line = lines.pop()!;
      for (const line of lines) print(echo + line);
    }
    if (line) print(echo + line);
  }

  /**
   * Waits until it has printed a text.
   *
   * @throws {Error} with its whole output, if it ends without that or takes longer
   * than `seconds`
   */
  async prints(text: string, seconds = 60): Promise<void> {
    const timeout = AbortSignal.timeout(seconds * 1000);
    const ended = this.status.then(({ code }) => {
      throw new Error(`it ended with code ${code}`);
    });
    ended.catch(() => {});
    while (!(this.stdout + this.stderr).includes(text)) {
      const printed = Promise.race([this.#output.promise, ended]);
      await abortable(printed, timeout).catch(({ message }) => {
        throw new Error(
          `Cannot find "${text}" in what "${this.#command}" printed: ` +
            `${message}\n${this.stdout}${this.stderr}`,
        );
      });
    }
  }

  /** Sends a signal, if it runs: SIGKILL to its whole group, others to itself. */
  kill(signal: Deno.Signal) {
    const isGroup = signal === "SIGKILL" && Deno.build.os !== "windows";
    try {
      Deno.kill(isGroup ? -this.pid : this.pid, signal);
    } catch {
      // It has ended.
    }
  }

  /** Sends SIGTERM, and after 10 seconds SIGKILL. */
  async [Symbol.asyncDispose]() {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), 10_000);
    await this.status;
    clearTimeout(timer);
  }
}

/**
 * Starts a process that kills a process group when this process ends: if it is
 * interrupted, `deno test` disposes of nothing.
 */
function startGuard(group: number) {
  // It reads to the end of its input, which is open as long as this process runs.
  const guard = new Deno.Command("sh", {
    args: ["-c", `read _; kill -KILL -${group}`],
    detached: true,
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async stop() {
      guard.kill("SIGKILL");
      await Promise.all([guard.stdin.close(), guard.status]);
    },
  };
}

/**
 * Returns the options of a task that uses a server of its own: its environment is
 * this process's, without the user's settings for Temporal.
 */
export function ownServerOptions(address: string) {
  const variables = Object.entries(Deno.env.toObject())
    .filter(([name]) => !name.startsWith("TEMPORAL_"));
  const env: Record<string, string> = {
    ...Object.fromEntries(variables),
    TEMPORAL_ADDRESS: address,
    // Where no settings are. (On macOS, those in the home folder still apply.)
    APPDATA: Deno.cwd(),
    XDG_CONFIG_HOME: Deno.cwd(),
  };
  return { env, clearEnv: true };
}

/** Starts a task of `deno.json`. */
export function startTask(
  name: string,
  args: string[] = [],
  options: ProgramOptions = {},
): Program {
  return new Program(
    [Deno.execPath(), "task", "--quiet", name, ...args],
    options,
  );
}

/**
 * Waits for Ctrl-C.
 *
 * @throws {UserError} if the program ends before
 */
export async function waitForInterruption(
  program: { status: Promise<unknown> },
  name: string,
  signal: AbortSignal,
) {
  const ended = program.status.then(() => {
    throw new UserError(`${name} ended unexpectedly`);
  });
  await abortable(ended, signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
}

/**
 * Calls `check` every 20 milliseconds until it returns true.
 *
 * @throws {Error} saying what it waited for, if that takes longer than `seconds`
 */
export async function waitFor(
  what: string,
  check: () => Promise<boolean>,
  { seconds, signal }: { seconds: number; signal?: AbortSignal },
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!await check()) {
    signal?.throwIfAborted();
    if (Date.now() > end) {
      throw new Error(`Timed out after ${seconds} s waiting for ${what}`);
    }
    await delay(20);
  }
}
