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
import { abortable, onSignal, runProgram } from "./program.ts";
import { settingsOptions } from "./settings.ts";
import { type Program, startTask } from "./processes.ts";

/** The project: "deno task" runs in its folder. */
const root = Deno.cwd();

/** An editor or a version control system may write several files in a row. */
const SETTLE_MS = 200;

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
  let isDraining = false;
  onSignal(() => {
    // A second signal would end the Worker at once: only a second Ctrl-C does that.
    if (signal.aborted || !isDraining) worker?.kill("SIGTERM");
    controller.abort();
  });
  while (!signal.aborted) {
    const change = nextChange();
    // It replays what is open, see replay_open.ts.
    const env = { TEMPORAL_REPLAY_OPEN: "1" };
    worker = startTask(task, flags, { echo: true, env });
    isDraining = false;
    worker.status.then(({ code }) => {
      if (signal.aborted || isDraining) return;
      console.log(`Worker ended with code ${code}; waiting for a change`);
    });
    const file = await abortable(change, signal).catch(() => undefined);
    if (file) {
      isDraining = true;
      console.log(`Worker restarts: "${file}" has changed`);
      worker.kill("SIGTERM");
    }
    await worker.status;
  }
});

/** Waits for a change of code and returns the file's path in the project. */
async function nextChange(): Promise<string | undefined> {
  const folders = Array.from(Deno.readDirSync(root))
    .filter(({ isDirectory, name }) =>
      isDirectory && !ignoredFolders.test(name)
    )
    .map(({ name }) => join(root, name));
  // One watcher for everything would watch all of node_modules.
  using watcher = Deno.watchFs(root, { recursive: false });
  using folderWatcher = Deno.watchFs(folders);
  const file = await Promise.race([watcher, folderWatcher].map(firstChange));
  await delay(SETTLE_MS);
  return file && relative(root, file);
}

async function firstChange(watcher: Deno.FsWatcher) {
  for await (const { kind, paths } of watcher) {
    const file = paths.find((path) =>
      code.test(path) || kind === "create" && isFolder(path)
    );
    if (file && kind !== "access") return file;
  }
}

/** Whether it is a folder that is to be watched, too. */
function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory &&
      !ignoredFolders.test(basename(path));
  } catch {
    return false; // It is gone again.
  }
}
