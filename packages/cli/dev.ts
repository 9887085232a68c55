/**
 * Runs a Worker and restarts it when code changes (the task `dev`).
 *
 * `deno run --watch` gives the old process half a second to end. This waits until
 * its Activities have finished.
 *
 * @module
 */

import { basename, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { refusedAddress } from "./connect.ts";
import { escapeControls } from "./errors.ts";
import { answers } from "./ports.ts";
import { abortable, onSignal, printError, runProgram } from "./program.ts";
import { settingsOptions } from "./settings.ts";
import { type Program, run, startTask } from "./processes.ts";

/** The project: "deno task" runs in its folder. */
const root = Deno.cwd();

/** An editor or a version control system may write several files in a row. */
const SETTLE_MS = 200;

/** How often to check whether a server is there. */
const PROBE_INTERVAL_MS = 500;

/** What `deno add` and `deno install` change. */
const configuration = [
  "deno.json",
  "deno.jsonc",
  "deno.lock",
  "package.json",
  "node_modules",
];

/** Files that a Worker may import or that configure it. */
const code = /(?<!_test)\.(?:[cm]?[jt]sx?|json|lock)$/;

/** Folders that no Worker imports from. */
const ignoredFolders = /^(?:\..*|docs|e2e|node_modules|tests)$/;

const options = {
  "TASK": "Task that runs a Worker (default: worker)",
  ...settingsOptions("the one of the task"),
};

await runProgram("deno task dev [TASK]", options, async (args) => {
  const { TASK: task = "worker", ...settings } = args;
  const flags = Object.entries(settings).flatMap(([key, value]) =>
    typeof value === "string" ? [`--${key}`, value] : []
  );
  const controller = new AbortController();
  const { signal } = controller;
  let worker: Program | undefined;
  let change: Promise<string> | undefined;
  let isDraining = false;
  onSignal(() => {
    // A second signal would end the Worker at once: only a second Ctrl-C does that.
    if (signal.aborted || !isDraining) worker?.kill("SIGTERM");
    controller.abort();
  });
  while (!signal.aborted) {
    change ??= nextChange(signal).finally(() => change = undefined);
    // It replays what is open, see replay_open.ts.
    const env = { TEMPORAL_REPLAY_OPEN: "1" };
    worker = startTask(task, flags, { echo: "", env });
    isDraining = false;
    const server = worker.status.then(async ({ code }) => {
      if (signal.aborted || isDraining) return;
      const address = refusedAddress(worker!.stderr);
      const hope = address ? ` or for a server at ${address}` : "";
      console.log(
        `Worker ended with code ${code}; waiting for a change${hope}`,
      );
      return await serverAt(address, signal);
    });
    const reason = await abortable(Promise.race([change, server]), signal)
      .catch(() => undefined);
    if (reason) {
      isDraining = true;
      console.log(escapeControls(`Worker restarts: ${reason}`));
      worker.kill("SIGTERM");
    }
    await worker.status;
  }
});

/** Waits for a server at an address, if there is one, and says that it is there. */
async function serverAt(address: string | undefined, signal: AbortSignal) {
  if (!address) return await new Promise<never>(() => {});
  while (!await answers(address)) {
    await delay(PROBE_INTERVAL_MS, undefined, { signal });
  }
  return `a server answers at ${address}`;
}

/** Waits until code or packages have changed, and says what has changed. */
async function nextChange(signal: AbortSignal): Promise<string> {
  const folders = Array.from(Deno.readDirSync(root))
    .filter(({ isDirectory, name }) =>
      isDirectory && !ignoredFolders.test(name)
    )
    .map(({ name }) => join(root, name));
  const packages = describePackages();
  // One watcher for everything would watch all of node_modules.
  using watcher = Deno.watchFs(root, { recursive: false });
  using folderWatcher = Deno.watchFs(folders);
  const files = new Set<string>();
  let changed = Promise.withResolvers<void>();
  for (const events of [watcher, folderWatcher]) {
    forEachChange(events, (file) => {
      files.add(relative(root, file));
      changed.resolve();
    });
  }
  while (true) {
    await abortable(changed.promise, signal);
    await delay(SETTLE_MS);
    const batch = Array.from(files);
    files.clear();
    changed = Promise.withResolvers();
    const hasNewPackages = batch.some((file) => configuration.includes(file)) &&
      await install(signal) && describePackages() !== packages;
    const file = batch.find((file) => !configuration.includes(file)) ??
      (hasNewPackages ? batch[0] : undefined);
    if (file) return `"${file}" has changed`;
  }
}

/**
 * Installs packages. If `deno add` or `deno install` runs, this waits for it: it has
 * changed `deno.json` first, and packages later.
 */
async function install(signal: AbortSignal): Promise<boolean> {
  try {
    await run([Deno.execPath(), "install"], { signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    printError(`Cannot install packages: ${(error as Error).message}`);
    return false;
  }
}

/** Returns what differs once other packages are installed. */
function describePackages(): string {
  return configuration.map((name) => {
    try {
      const path = join(root, name);
      const { isFile, ino } = Deno.statSync(path);
      return isFile ? Deno.readTextFileSync(path) : ino;
    } catch {
      return ""; // It does not exist.
    }
  }).join("\0");
}

/** Calls a function for each change that concerns the Worker. */
async function forEachChange(
  watcher: Deno.FsWatcher,
  onChange: (path: string) => void,
) {
  for await (const { kind, paths } of watcher) {
    const path = paths.find((path) =>
      code.test(path) || kind === "create" && isFolder(path)
    );
    if (path && kind !== "access") onChange(path);
  }
}

/** Whether it is a folder that concerns the Worker. */
function isFolder(path: string): boolean {
  try {
    const name = basename(path);
    return Deno.statSync(path).isDirectory &&
      (!ignoredFolders.test(name) || configuration.includes(name));
  } catch {
    return false; // It is gone again.
  }
}
