/**
 * Finds the configuration that Deno has found for this process, which it does not tell.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Returns the folder from which Deno has looked for it, upward: that of the program if
 * it was started by its path, or else the current working directory.
 *
 * @param packages the folder "node_modules" that this process uses
 */
export function configFolder(packages?: string): string {
  // A thread does not know it.
  const main = Deno.mainModule as string | undefined;
  if (!main && packages) return dirname(packages);
  if (!main?.startsWith("file:")) return Deno.cwd();
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

/**
 * Flags of `deno` that decide what an import means. `--cached-only` is none: Deno could
 * not download its bundler.
 */
const resolutionFlag =
  /^--(?:cert|conditions|config|frozen|import-map|lock|no-config|no-lock|no-npm|no-remote|node-modules-dir|unstable-[\w-]+|vendor)(?:=|$)/;

/** Those of them whose value may be the next argument. */
const takesValue = /^--(?:cert|conditions|config|import-map)$/;

/**
 * Returns those of these flags with which a process was started, if this one may see
 * them.
 *
 * @param pid the process
 * @param argumentCount the number of its arguments after the module
 */
export function readFlags(
  pid: number | "self",
  argumentCount: number,
): string[] {
  const path = `/proc/${pid}/cmdline`;
  // Without the permission, Deno would ask for it.
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return [];
  try {
    return parseFlags(Deno.readTextFileSync(path), argumentCount, Deno.cwd());
  } catch {
    return []; // Only Linux has it, and it requires all permissions.
  }
}

/**
 * Returns those of these flags that are in a command line.
 *
 * @param line a process's command line, as `/proc` has it
 * @param argumentCount the number of its arguments after the module
 * @param cwd its current folder
 */
export function parseFlags(
  line: string,
  argumentCount: number,
  cwd: string,
): string[] {
  const args = line.split("\0").slice(1, -1);
  const flags: string[] = [];
  const own = args.slice(0, args.length - argumentCount);
  for (const [index, arg] of own.entries()) {
    // Others may precede it, as in "-Ac", and its value may follow it.
    const [, short] = arg.match(/^-[A-Za-z]*?c(?:=?(.*))$/) ?? [];
    const flag = short === undefined ? arg : `--config${short && `=${short}`}`;
    if (!resolutionFlag.test(flag)) continue;
    flags.push(takesValue.test(flag) ? `${flag}=${own[index + 1]}` : flag);
  }
  return flags.map((flag) =>
    flag.replace(
      /^(--(?:cert|config|import-map|lock)=)(?!\w{2,}:)(.*)/,
      (_, name, path) => name + resolve(cwd, path),
    )
  );
}
