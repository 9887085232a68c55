/**
 * Copies of the project, to change and to throw away.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { run } from "./processes.ts";

/** The project's folder. */
export const root: string = dirname(import.meta.dirname!);

/** Returns a folder that is removed with all that is in it. */
export async function temporaryFolder(): Promise<
  AsyncDisposable & { path: string }
> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Copies the project, with other text in some of its files. */
export async function changedProject(
  changes: Record<string, string>,
): Promise<AsyncDisposable & { path: string }> {
  const folder = await temporaryFolder();
  await copy(root, folder.path);
  const install = [Deno.execPath(), "install", "--quiet"];
  await run(install, {
    cwd: folder.path,
    signal: AbortSignal.timeout(60_000),
  });
  for (const [file, text] of Object.entries(changes)) {
    await Deno.writeTextFile(join(folder.path, file), text);
  }
  return folder;
}

async function copy(from: string, to: string) {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (name === "node_modules" || name === ".git") continue;
    if (isDirectory) await copy(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}
