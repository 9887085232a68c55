/**
 * The project's folder, and copies of it to change.
 *
 * @module
 */

import { cp } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { run } from "./processes.ts";

/** The project's folder. */
export const root: string = dirname(dirname(import.meta.dirname!));

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
  const packages = join(folder.path, "node_modules");
  await Deno.mkdir(packages);
  // The cache names files of the original, and other programs write to it.
  const entries = Array.from(
    Deno.readDirSync(join(root, "node_modules")),
    ({ name }) => join(root, "node_modules", name),
  ).filter((path) => basename(path) !== ".cache");
  const signal = AbortSignal.timeout(60_000);
  // Hard links take a tenth of the time, but not from one disk to another.
  await run(["cp", "-al", ...entries, packages], { signal })
    .catch(() => run(["cp", "-a", ...entries, packages], { signal }));
  for (const [file, text] of Object.entries(changes)) {
    await Deno.writeTextFile(join(folder.path, file), text);
  }
  return folder;
}
