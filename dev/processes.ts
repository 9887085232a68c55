/**
 * Small tools to run other programs and to find out whether they are there.
 *
 * @module
 */

import { dirname } from "node:path";

/** Options of {@linkcode run}. */
export interface RunOptions {
  /** The folder that it runs in; this program's own, if not given. */
  cwd?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Stops the program. */
  signal: AbortSignal;
}

/**
 * Runs a program to its end, quietly, and returns what it has printed.
 *
 * @throws {Error} with the program's own reason in one line, if it fails
 */
export async function run(
  command: string[],
  options: RunOptions,
): Promise<string> {
  const [program, ...args] = command;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, {
      args,
      ...options,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`"${program}" is not on the PATH`);
  }
  options.signal.throwIfAborted();
  if (output.success) return decode(output.stdout);
  const text = [output.stderr, output.stdout].map(decode).join("\n");
  const lines = text.split("\n").filter((line) => line.trim());
  const reason = lines.find((line) => /^\W*error/i.test(line)) ?? lines.at(-1);
  throw new Error(
    reason?.slice(0, 300) ?? `"${program}" failed with code ${output.code}`,
  );
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Options of a {@linkcode Program}. */
export interface ProgramOptions {
  /** The folder that it runs in; this program's own, if not given. */
  cwd?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Whether what it prints is shown, too. */
  echo?: boolean;
}

/**
 * A program that runs beside this one, out of reach of the terminal's Ctrl-C.
 * Disposing of it asks it to end, and after 10 seconds makes it.
 */
export class Program implements AsyncDisposable {
  /** What it has printed so far. */
  stdout = "";
  /** What it has printed so far as errors. */
  stderr = "";
  /** Settled when it has ended and all that it printed is here. */
  readonly status: Promise<Deno.CommandStatus>;
  /** What the operating system calls it. */
  readonly pid: number;
  #command: string;
  #process: Deno.ChildProcess;
  #change = Promise.withResolvers<void>();

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
    this.status = Promise.all([
      this.#process.status,
      this.#collect("stdout", echo),
      this.#collect("stderr", echo),
    ]).then(([status]) => status);
  }

  async #collect(stream: "stdout" | "stderr", echo = false) {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process[stream]) {
      if (echo) Deno[stream].writeSync(chunk);
      this[stream] += decoder.decode(chunk, { stream: true });
      this.#change.resolve();
      this.#change = Promise.withResolvers();
    }
  }

  /**
   * Waits until it has printed `text`.
   *
   * @throws {Error} with all that it has printed, if it ends without that or
   * takes longer than `seconds`
   */
  async prints(text: string, seconds = 20): Promise<void> {
    let failure: string | undefined;
    const fail = (reason: string) => {
      failure = reason;
      this.#change.resolve();
    };
    const timer = setTimeout(fail, seconds * 1000, `took over ${seconds} s`);
    this.status.then(({ code }) => fail(`ended with code ${code}`));
    try {
      while (!(this.stdout + this.stderr).includes(text)) {
        if (failure) {
          throw new Error(
            `Waited for "${text}" of "${this.#command}", which ${failure}; ` +
              `it printed:\n${this.stdout}${this.stderr}`,
          );
        }
        await this.#change.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a signal, if it has not ended yet. */
  kill(signal: Deno.Signal) {
    try {
      this.#process.kill(signal);
    } catch (error) {
      // What Deno throws for a process that has ended.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Asks it to end, and after 10 seconds makes it. */
  async [Symbol.asyncDispose]() {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), 10_000);
    await this.status;
    clearTimeout(timer);
  }
}

// With V8's own limit for young objects, a Worker would let some 100 MB more of
// garbage lie, for no less work.
const programs = {
  worker: ["--v8-flags=--max-semi-space-size=2", "-P=worker", "run_worker.ts"],
  start: ["-P=start", "run_workflow.ts"],
};

/** Runs one of the tutorial's programs as its task does. */
export function runTask(
  task: keyof typeof programs,
  options: ProgramOptions = {},
): Program {
  const run = [Deno.execPath(), "run", "--quiet", "--no-prompt"];
  return new Program([...run, ...programs[task]], {
    cwd: dirname(import.meta.dirname!),
    ...options,
  });
}

/** Tells whether a port of this machine is free. */
export function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Returns the first port from `port` on that `check` agrees to. */
export function findPort(port: number, check = isFree): number {
  while (!check(port)) port++;
  return port;
}

/** Tells whether a Temporal Server without TLS answers at `host:port`. */
export async function answers(address: string): Promise<boolean> {
  using client = Deno.createHttpClient({ http1: false, http2: true });
  const service = "temporal.api.workflowservice.v1.WorkflowService";
  try {
    const response = await fetch(`http://${address}/${service}/GetSystemInfo`, {
      client,
      method: "POST",
      headers: { "content-type": "application/grpc", te: "trailers" },
      // An empty message: a byte for "not compressed", four for its length.
      body: new Uint8Array(5),
      signal: AbortSignal.timeout(2_000),
    });
    return (await response.bytes()).length > 0;
  } catch {
    return false;
  }
}

/**
 * Asks `check` every 20 milliseconds until it agrees.
 *
 * @throws {Error} saying what it waited for, if that takes longer than `seconds`
 */
export async function waitUntil(
  what: string,
  check: () => Promise<boolean>,
  { seconds, signal }: { seconds: number; signal?: AbortSignal },
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!await check()) {
    signal?.throwIfAborted();
    if (Date.now() > deadline) {
      throw new Error(`Waited ${seconds} seconds in vain for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
