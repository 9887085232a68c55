/**
 * The files of a project.
 *
 * @module
 */

import {
  basename,
  dirname,
  isAbsolute,
  join,
  relative,
  resolve,
  sep,
} from "node:path";
import { fileURLToPath } from "node:url";
import own from "./deno.json" with { type: "json" };
import { config, files } from "./template.ts";

/** Where a project takes the packages from. */
export interface Source {
  /** The version of the packages. */
  version: string;
  /** The folders of packages, seen from the project; none from a registry. */
  links?: string[];
}

/** The repository, if this module is that of a checkout. */
export const checkout: string | undefined = import.meta.url.startsWith("file:")
  ? fileURLToPath(new URL("../../", import.meta.url)).replace(/[\\/]$/, "")
  : undefined;

/** Returns where a project in a folder takes these of the packages from. */
export function sourceFor(folder: string, packages: string[]): Source {
  const links = packages.map((name) =>
    relative(realFolder(folder), resolve(checkout ?? "", name)).replaceAll(
      sep,
      "/",
    )
  );
  return { version: own.version, ...checkout !== undefined && { links } };
}

/**
 * Returns where a folder is, or will be, without links: Deno looks for what `deno.json`
 * names from there.
 */
function realFolder(folder: string): string {
  const path = resolve(folder);
  try {
    return Deno.realPathSync(path);
  } catch {
    // It does not exist, or may not be read.
    const parent = dirname(path);
    return parent === path ? path : join(realFolder(parent), basename(path));
  }
}

/** Whether a folder lies in another one, or is that. */
export function isInside(parent: string, folder: string): boolean {
  const path = relative(parent, realFolder(folder));
  return !isAbsolute(path) && path.split(sep)[0] !== "..";
}

/** How long the lines of `deno.json` may be. */
const LINE_WIDTH = 100;

const comments = {
  "activities": "Activities in the sandbox: add what they need, such as net",
  "worker": "The Worker; its connection to the Temporal Service needs no net",
  "production": "The Worker when it is deployed, as in Dockerfile",
  "web": "A process that serves HTTP and runs a Client with a NativeConnection",
  "start": "The Client: add the host of your Temporal Service to net",
  "test": "The tests, with what the Activities need that they call",
  "dev": "The other tasks, which run programs",
  "a database":
    "Add to activities, and to web if it uses it: net for its host and port, env for " +
    "its variables (such as PG*), read and write for its file",
};

/** Returns each file of a project, by its path. `deno.json` is the last one. */
export function projectFiles(
  { version, links }: Source,
): Record<string, string> {
  const { tasks, imports, lint, permissions, ...rest } = config;
  const { activities, worker, production, ...sets } = permissions;
  const packages = ["cli", "plugin"].map((name) => [
    `@temporal-on-deno/${name}`,
    `jsr:@temporal-on-deno/${name}@${version}`,
  ]);
  const { read: _read, run: _run, ...web } = production;
  const ok =
    "deno install && deno fmt --check && deno lint && deno check && deno task test --no-check";
  const text = printConfig({
    tasks: {
      ...tasks,
      ok: {
        description: "Check everything: format, lint, types, tests",
        command: ok,
      },
    },
    imports: Object.fromEntries([...packages, ...Object.entries(imports)]),
    ...links && { links },
    ...rest,
    // Deno does not look up the names of plugins in the import map.
    lint: {
      plugins: [`jsr:@temporal-on-deno/plugin@${version}/lint`],
      ...lint,
    },
    // Formatted, it would be twice as long.
    fmt: { exclude: ["deno.json"] },
    "// permissions": comments,
    permissions: {
      activities,
      worker,
      production,
      web: { ...web, read: ["."], net: ["localhost", "127.0.0.1", "[::1]"] },
      ...sets,
    },
  });
  return { ...files, "deno.json": text };
}

/**
 * The option that lets a program read the profiles of `@temporalio/envconfig`, where
 * each system keeps them. It replaces `read` of a permission set.
 */
export const readProfiles: string = `-R=".,${
  [
    "$HOME/.config",
    "$XDG_CONFIG_HOME",
    "$HOME/Library/Application Support",
    "$APPDATA",
  ].map((folder) => `${folder}/temporalio`).join()
}"`;

/** What an application needs of Deno. */
export interface Needs {
  /** The variables that it reads; undefined if that is not known. */
  variables?: string[];
  /** Whether it uses files. */
  files: boolean;
  /** Whether it runs programs. */
  programs: boolean;
}

/** Returns `deno.json` of an application that comes from Node.js. */
export function movedConfig({ source, tasks, imports, uses }: {
  source: Source;
  tasks: Record<string, string>;
  imports: Record<string, string>;
  uses: Needs;
}): { text: string; value: Record<string, unknown> } {
  const { nodeModulesDir, allowScripts, permissions } = config;
  const { worker, start, dev } = permissions;
  const { variables, files, programs } = uses;
  const setOf = (set: Record<string, unknown>) => ({
    ...set,
    env: variables === undefined ? true : {
      allow: [...(set.env as { allow: string[] }).allow, ...variables]
        .filter((name, index, all) => all.indexOf(name) === index).sort(),
      ignore: true,
    },
    net: true,
    // Webpack and OpenTelemetry read the processors.
    sys: true,
    ...files && { read: true, write: true },
    ...programs && { run: true },
  });
  const value = {
    ...Object.keys(tasks).length > 0 && { tasks },
    imports: {
      "@temporal-on-deno/plugin":
        `jsr:@temporal-on-deno/plugin@${source.version}`,
      ...imports,
    },
    ...source.links && { links: source.links },
    nodeModulesDir,
    allowScripts,
    "// permissions": {
      "worker": "The Worker and its Activities",
      "start": "Clients",
      "dev": "Tests and other programs",
      "true":
        "A proposal: replace each true by the hosts, files and programs that it needs",
    },
    permissions: {
      worker: setOf(worker),
      start: setOf({ read: ["."], ...start }),
      dev: { ...dev, net: true },
    },
  };
  return { text: printConfig(value), value };
}

/** Prints a configuration, with as many values in a line as it can take. */
function printConfig(config: Record<string, unknown>): string {
  const long = ["// permissions", "imports", "permissions", "tasks"];
  const entries = Object.entries(config).map(([name, value]) => {
    const text = long.includes(name)
      ? printEntries(value as Record<string, unknown>)
      : fill(value, "  ");
    return `  ${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${entries.join(",\n")}\n}\n`;
}

function printEntries(object: Record<string, unknown>): string {
  const entries = Object.entries(object).map(([name, value]) => {
    // A task is a line, however long.
    const isTask = "command" in Object(value);
    const text = isTask ? compact(value) : fill(value, "    ");
    return `    ${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${entries.join(",\n")}\n  }`;
}

/** Prints a value in one line, or an object in as few lines as possible. */
function fill(value: unknown, indent: string): string {
  const line = compact(value);
  const isObject = line.startsWith("{");
  if (!isObject || line.length < 0.7 * LINE_WIDTH) return line;
  const lines: string[] = [];
  for (const [name, item] of Object.entries(value as object)) {
    const text = `${JSON.stringify(name)}: ${compact(item)}`;
    const joined = `${lines.at(-1)}, ${text}`;
    if (lines.length > 0 && indent.length + joined.length < LINE_WIDTH) {
      lines[lines.length - 1] = joined;
    } else lines.push(text);
  }
  return `{\n${indent}  ${lines.join(`,\n${indent}  `)}\n${indent}}`;
}

/** Prints JSON in one line, with the spaces that a person would put. */
function compact(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(compact).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .map(([name, item]) => `${JSON.stringify(name)}: ${compact(item)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}
