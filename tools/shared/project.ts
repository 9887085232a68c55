/**
 * The project's folder, and copies of it to change.
 *
 * @module
 */

import { cp } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "../../packages/cli/processes.ts";
import {
  readCache,
  sdkCacheName,
  writeCache,
} from "../../packages/plugin/workflows/bundle_cache.ts";

/** The project's folder. */
export const root: string = dirname(dirname(import.meta.dirname!));

/** Where bundles are kept in the folder of a project. */
const bundles = join("node_modules", ".cache", "temporal-on-deno");

/**
 * Removes the bundles of a project, as if its Workflow code had changed: that of the
 * SDK stays.
 */
export async function removeBundles(folder = root): Promise<void> {
  const cache = join(folder, bundles);
  const files = await Array.fromAsync(Deno.readDir(cache)).catch(() => []);
  for (const { name } of files) {
    if (name.startsWith("workflow-bundle-")) {
      await Deno.remove(join(cache, name));
    }
  }
}

/** A folder that is removed when it is disposed of. */
export type TemporaryFolder = AsyncDisposable & { path: string };

/** Creates an empty folder. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Copies the project, with other contents in some of its files. */
export async function changedProject(
  changes: Record<string, string>,
): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  const filter = (path: string) =>
    !["node_modules", ".git"].includes(basename(path));
  await cp(root, folder.path, { recursive: true, filter });
  await copyPackages(join(folder.path, "node_modules"));
  copySdkCache(folder.path);
  for (const [file, text] of Object.entries(changes)) {
    const path = join(folder.path, file);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
  return folder;
}

async function copyPackages(target: string) {
  // The cache names files of the original, and other programs write to it.
  const entries = Array.from(
    Deno.readDirSync(join(root, "node_modules")),
    ({ name }) => join(root, "node_modules", name),
  ).filter((path) => basename(path) !== ".cache");
  const copy = async (option: string) => {
    await Deno.mkdir(target);
    const signal = AbortSignal.timeout(60_000);
    await run(["cp", option, ...entries, target], { signal });
  };
  // Hard links take a tenth of the time, but not from one disk to another. A file
  // of "deno install", which may run there, can be gone in between.
  for (const option of ["-al", "-al", "-a"]) {
    try {
      return await copy(option);
    } catch (error) {
      if (option === "-a") throw error;
      await Deno.remove(target, { recursive: true });
    }
  }
}

/** Takes along what the project's bundles have of the SDK: to make it takes a second. */
function copySdkCache(folder: string) {
  const worker = fileURLToPath(import.meta.resolve("@temporalio/worker"));
  const sdkModule = join(dirname(worker), "workflow-log-interceptor.js");
  const fileIn = (folder: string) => {
    const bundler = join(folder, "packages/plugin/workflows/bundle.ts");
    const name = sdkCacheName(
      sdkModule.replace(root, folder),
      pathToFileURL(bundler).href,
    );
    return join(folder, bundles, name);
  };
  const cached = readCache(fileIn(root));
  if (!cached) return;
  const { text, inputs } = JSON.parse(
    JSON.stringify(cached).replaceAll(root, folder),
  );
  writeCache(fileIn(folder), text, inputs);
}
