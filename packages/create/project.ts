/**
 * The files of a project.
 *
 * @module
 */

import { config, files } from "./template.ts";

/** Where a project takes the packages from. */
export interface Source {
  /** The version of the packages. */
  version: string;
  /** The folders of packages, seen from the project; none from a registry. */
  links?: string[];
}

/** How long the lines of `deno.json` may be. */
const LINE_WIDTH = 100;

const comments = {
  "activities": "Activities in the sandbox: add what they need, such as net",
  "worker": "The Worker; its connection to the Temporal Service needs no net",
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
  const { run: _run, ...web } = production;
  const ok =
    "deno install && deno fmt --check && deno lint && deno check && deno task test";
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
      web: { ...web, net: ["localhost", "127.0.0.1", "[::1]"] },
      ...sets,
    },
  });
  return { ...files, "deno.json": text };
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
  if (!isObject || line.length < LINE_WIDTH / 2) return line;
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
