/**
 * Processes that a launcher starts, seen from the Worker's process.
 *
 * @module
 */

import { DenoPluginError } from "../errors.ts";
import {
  type EndNotice,
  FrameReader,
  Kind,
  parseLauncherFrame,
  toLauncherFrame,
} from "./frames.ts";
import type { LauncherOptions } from "./launcher.ts";

// A test may replace it later, by a clock that does not run.
const { setTimeout } = globalThis;

const launcherUrl = import.meta.resolve("./launcher.ts");

/** How much the launcher is given at once. */
const MAX_WRITE = 2 ** 20;

/** For how long at once what processes send is handled. */
const MAX_BLOCKED_MS = 10;

/**
 * What the launcher reports about a process. What may take long is done in steps,
 * between which this process can do other work.
 */
export interface ProcessListener {
  /** The process has written to its channel. */
  onData(bytes: Uint8Array): Iterable<void>;
  /** The process has printed something. */
  onOutput(bytes: Uint8Array, isError: boolean): Iterable<void>;
  /** The process, or the launcher, has ended. */
  onEnd(notice: EndNotice): void;
}

/** A process that starts others; none of them keeps this process from ending. */
export class Launcher {
  /** Settles when the launcher has ended. */
  readonly ended: Promise<void>;
  readonly #listeners = new Map<number, ProcessListener>();
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #end?: EndNotice;
  #nextId = 0;

  /**
   * Starts the launcher. After that, this process may give up its permissions.
   *
   * @throws {DenoPluginError} if this process may not run Deno
   */
  static async start(options: LauncherOptions): Promise<Launcher> {
    // The permission to run "deno" is for the one on PATH, which may be another.
    const own = Deno.build.standalone ? "deno" : Deno.execPath();
    const { state } = await Deno.permissions.query({
      name: "run",
      command: own,
    });
    const command = state === "granted" ? own : "deno";
    try {
      return new Launcher(command, options);
    } catch (error) {
      const reason = error instanceof Deno.errors.NotCapable
        ? 'this process may not run "deno"; add it to "run" in the permissions of ' +
          "the process, and create all Workers before one runs or pass " +
          '"keepPermissions: true" to DenoPlugin'
        : error instanceof Deno.errors.NotFound
        ? 'there is no "deno" on the PATH; add the folder of Deno to it'
        : (error as Error).message;
      throw new DenoPluginError(`Cannot start Activity processes: ${reason}`);
    }
  }

  private constructor(command: string, options: LauncherOptions) {
    this.#process = new Deno.Command(command, {
      args: [
        ..."run -q --no-prompt --no-config --no-lock --cached-only -A".split(
          " ",
        ),
        "--v8-flags=--max-semi-space-size=1",
        launcherUrl,
        JSON.stringify(options),
      ],
      // Ctrl-C is for the Worker alone, which lets Activities finish.
      detached: true,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#process.unref();
    this.#stdin = this.#process.stdin.getWriter();
    this.ended = this.#read(this.#process.stdout).catch(() => {})
      .then(() => this.#process.status)
      .then(({ code, signal }) => {
        const how = signal ?? `exit code ${code}`;
        const error = `the process that starts it has ended with ${how}`;
        this.#end = { code: null, signal: null, error };
        for (const listener of this.#listeners.values()) {
          listener.onEnd(this.#end);
        }
        return this.#stdin.abort();
      })
      .catch(() => {});
  }

  /** Starts a process. Its id is for the calls below. */
  start(listener: ProcessListener): number {
    const id = this.#nextId++;
    this.#listeners.set(id, listener);
    const end = this.#end;
    if (end) queueMicrotask(() => listener.onEnd(end));
    this.#send(Kind.start, id);
    return id;
  }

  /** Writes to the channel of a process. */
  write(id: number, bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; offset += MAX_WRITE) {
      const part = bytes.subarray(offset, offset + MAX_WRITE);
      this.#send(Kind.data, id, part);
    }
  }

  /** Ends a process by SIGKILL, and the programs that it has started. */
  kill(id: number): void {
    this.#send(Kind.kill, id);
  }

  /** Ends the launcher, and with it all processes. */
  async close(): Promise<void> {
    this.#process.ref();
    this.#stdin.close().catch(() => {});
    await this.ended;
  }

  #send(kind: number, id: number, content?: Uint8Array): void {
    // If the launcher has ended, so have all processes.
    this.#stdin.write(toLauncherFrame(kind, id, content)).catch(() => {});
  }

  async #read(stdout: ReadableStream<Uint8Array>): Promise<void> {
    const reader = new FrameReader();
    for await (const chunk of stdout) {
      let begin = performance.now();
      for (const frame of reader.read(chunk)) {
        for (const _step of this.#receive(frame)) {
          if (performance.now() - begin < MAX_BLOCKED_MS) continue;
          await new Promise((resolve) => setTimeout(resolve));
          begin = performance.now();
        }
      }
    }
  }

  #receive(frame: Uint8Array): Iterable<void> {
    const { kind, id, content } = parseLauncherFrame(frame);
    const listener = this.#listeners.get(id);
    if (kind === Kind.ended) {
      this.#listeners.delete(id);
      listener?.onEnd(JSON.parse(new TextDecoder().decode(content)));
    } else if (listener) {
      return kind === Kind.data
        ? listener.onData(content)
        : listener.onOutput(content, kind === Kind.stderr);
    }
    return [];
  }
}
