/**
 * Finds the configuration that Deno has found for this process, which it does not tell.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Returns the folder from which Deno has looked for it, upward: that of the program if
 * it was started by its path, or else the current working directory.
 *
 * @param packages the folder "node_modules" that this process uses
 */
export function configFolder(packages?: string): string {
  const main = Deno.mainModule;
  if (!main.startsWith("file:")) return Deno.cwd();
  const folder = dirname(fileURLToPath(main));
  const { state } = Deno.permissions.querySync({ name: "read", path: folder });
  // What may not be read belongs to another project.
  if (state !== "granted") return Deno.cwd();
  const config = findConfig(folder);
  if (!config || !packages) return folder;
  // A package's program that was started by its name, such as the task `bundle`, may
  // be in another project, or in a copy of the package that has its own file.
  const project = dirname(packages);
  const isOwn = dirname(config) === project || isWorkspace(project, config);
  return isOwn ? folder : Deno.cwd();
}

/** Returns the configuration of a folder or, if it has none, of one above it. */
export function findConfig(folder: string): string | undefined {
  for (let parent = "";; folder = parent) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      if (existsSync(join(folder, name))) return join(folder, name);
    }
    parent = dirname(folder);
    if (parent === folder) return;
  }
}

/** Whether a configuration is that of a member of a project's workspace. */
function isWorkspace(project: string, config: string): boolean {
  const root = findConfig(project);
  return root !== undefined && config.startsWith(project) &&
    /"workspace"\s*:/.test(readFileSync(root, "utf8"));
}
