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
  const packages = [join(root, "node_modules"), folder.path];
  const signal = AbortSignal.timeout(60_000);
  // Hard links take a tenth of the time, but not from one disk to another.
  await run(["cp", "-al", ...packages], { signal })
    .catch(() => run(["cp", "-a", ...packages], { signal }));
  // It names files of the original.
  const cache = join(folder.path, "node_modules", ".cache");
  await Deno.remove(cache, { recursive: true }).catch(() => {});
  for (const [file, text] of Object.entries(changes)) {
    await Deno.writeTextFile(join(folder.path, file), text);
  }
  return folder;
}
