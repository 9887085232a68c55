/**
 * A process that starts Activity processes, so that the Worker's process can give
 * up its permission to run Deno. What it starts is fixed by its own command line:
 * whoever can write to its pipe can start nothing else.
 *
 * It imports nothing of Temporal's, to stay small. When its stdin ends, with the
 * Worker's process at the latest, it ends all processes.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { readFlags } from "../config.ts";
import {
  type EndNotice,
  FrameReader,
  Kind,
  parseLauncherFrame,
  toLauncherFrame,
} from "./frames.ts";

/** What the launcher starts. */
export interface LauncherOptions {
  /** The arguments of Deno. */
  args: string[];
  /** The number of arguments of the Worker's process. */
  argumentCount: number;
  /** The configuration that Deno finds by itself. */
  config?: string;
  /** The variables that Activities may read; `NAME*` is a prefix. */
  env: string[];
}

/** How long to wait for what a process that has ended left in its pipes. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Variables of Deno itself. Activities cannot read them, unless they may. */
const denoVariables = `
  ALL_PROXY HTTP_PROXY HTTPS_PROXY NO_PROXY
  all_proxy http_proxy https_proxy no_proxy
  JSR_URL NPM_CONFIG_REGISTRY
  DENO_CERT DENO_DIR DENO_TLS_CA_STORE HOME LANG LC_* LOCALAPPDATA OTEL_* PATH
  SSL_CERT_* SystemRoot TEMP TMP TMPDIR TZ USERPROFILE XDG_CACHE_HOME
`.trim().split(/\s+/);

const isWindows = Deno.build.os === "windows";
const { env: variables, ...options }: LauncherOptions = JSON.parse(
  Deno.args[0],
);
const args = [...options.args];
args.splice(-1, 0, ...chooseFlags());
// While it runs, an update may replace the file.
const deno = Deno.execPath();
const cache = createCache();
const env = {
  ...Object.fromEntries(Object.entries(Deno.env.toObject()).filter(isAllowed)),
  ...cache && { DENO_DIR: cache },
  DENO_CACHE_DB_MODE: "memory",
  DENO_NO_UPDATE_CHECK: "1",
  // WebGPU needs no permission, and Mesa's drivers would write to the user's cache.
  MESA_SHADER_CACHE_DISABLE: "true",
  NO_COLOR: "1",
};
const children = new Map<number, ChildProcess>();

/** Returns the flags that make imports of Activities mean what they do in the Worker. */
function chooseFlags(): string[] {
  const { argumentCount, config } = options;
  const flags = readFlags(Deno.ppid, argumentCount)
    // With it, Activities could read files without the permission.
    .filter((flag) => flag !== "--unstable-bundle");
  const isNamed = flags.some((flag) => /^--(?:no-)?config(?:=|$)/.test(flag));
  return config && !isNamed ? [...flags, `--config=${config}`] : flags;
}

function isAllowed([name]: [string, string]): boolean {
  return [...denoVariables, ...variables].some((allowed) =>
    allowed.endsWith("*")
      ? name.startsWith(allowed.slice(0, -1))
      : name === allowed
  );
}

/**
 * Creates a cache folder for Deno in the Activity processes. They have its databases
 * open, so an Activity can write to them; the Worker's Deno trusts its own. What is
 * installed is shared. Where it cannot be created, Deno can write to no other, either,
 * or the system has no symbolic links.
 */
function createCache(): string | undefined {
  const { DENO_DIR, HOME, LOCALAPPDATA, XDG_CACHE_HOME } = Deno.env.toObject();
  const parent = {
    windows: LOCALAPPDATA,
    darwin: HOME && join(HOME, "Library", "Caches"),
  }[Deno.build.os as string] ?? XDG_CACHE_HOME ??
    (HOME && join(HOME, ".cache"));
  const shared = DENO_DIR ?? (parent && join(parent, "deno"));
  let folder: string | undefined;
  try {
    folder = Deno.makeTempDirSync({ prefix: "temporal-on-deno-" });
    for (const name of ["gen", "npm", "remote"]) {
      Deno.symlinkSync(join(shared!, name), join(folder, name));
    }
    return folder;
  } catch {
    removeCache(folder);
  }
}

function removeCache(folder?: string): void {
  // A process that is being killed may still write to it.
  for (let attempt = 0; folder && attempt < 100; attempt++) {
    try {
      return Deno.removeSync(folder, { recursive: true });
    } catch {
      // Try again.
    }
  }
}

function send(kind: number, id: number, content?: Uint8Array): void {
  // Waits while the Worker's process is busy: then, so do the Activities' processes.
  const frame = toLauncherFrame(kind, id, content);
  try {
    for (let sent = 0; sent < frame.length;) {
      sent += Deno.stdout.writeSync(frame.subarray(sent));
    }
  } catch {
    // The Worker's process has ended.
    end();
  }
}

/** Ends all processes, and then this one. */
function end(): never {
  for (const child of children.values()) killGroup(child);
  removeCache(cache);
  Deno.exit();
}

function start(id: number): void {
  // On Unix, programs that an Activity starts may inherit the first three.
  const child = spawn(deno, args, {
    detached: true,
    env,
    stdio: isWindows ? "pipe" : ["ignore", "pipe", "pipe", "pipe"],
  });
  children.set(id, child);
  const report = (notice: EndNotice) => {
    if (!children.delete(id)) return;
    send(Kind.ended, id, new TextEncoder().encode(JSON.stringify(notice)));
  };
  child.on("error", ({ message }) => {
    report({ code: null, signal: null, error: message });
  });
  child.on("exit", (code, signal) => {
    killGroup(child);
    // A program that has left the group may hold the pipes open.
    const timer = setTimeout(() => report({ code, signal }), CLOSE_TIMEOUT_MS);
    child.on("close", () => {
      clearTimeout(timer);
      report({ code, signal });
    });
  });
  const outputs = [
    [Kind.data, isWindows ? child.stdout : child.stdio[3]],
    [Kind.stdout, isWindows ? null : child.stdout],
    [Kind.stderr, child.stderr],
  ] as [number, ChildProcess["stdout"]][];
  for (const [kind, stream] of outputs) {
    stream?.on("data", (data) => send(kind, id, data)).on("error", () => {});
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (isWindows) child.kill("SIGKILL");
    else if (child.pid) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function write(child: ChildProcess, content: Uint8Array): void {
  const stream = isWindows ? child.stdin : child.stdio[3];
  (stream as ChildProcess["stdin"])?.write(content);
}

/** Handles the Worker's frames, until its process has ended. */
async function serve(): Promise<void> {
  const reader = new FrameReader();
  const buffer = new Uint8Array(2 ** 16);
  for (;;) {
    const length = await Deno.stdin.read(buffer);
    if (!length) return;
    for (const frame of reader.read(buffer.slice(0, length))) {
      const { kind, id, content } = parseLauncherFrame(frame);
      const child = children.get(id);
      if (kind === Kind.start && !child) start(id);
      else if (child && kind === Kind.data) write(child, content);
      else if (child && kind === Kind.kill) killGroup(child);
    }
  }
}

// The Worker's process decides when these processes end, as it drains first.
for (const signal of isWindows ? [] : ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {});
}
await serve().catch(() => {});
end();
