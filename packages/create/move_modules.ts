/**
 * What module names mean in an application that moves.
 *
 * @module
 */

import { isBuiltin } from "node:module";
import { basename, dirname, join, relative } from "node:path/posix";
import type { Finding } from "./move_source.ts";

/** The application that moves, by paths in its folder. */
export interface Application {
  /** The path of its folder. */
  root: string;
  /** The texts of its files, as they are to be. */
  texts: Map<string, string>;
  /** Its `package.json`. */
  manifest: Manifest;
  /** The packages that it names, and its own. */
  declared: Set<string>;
  /** The aliases of `tsconfig.json`, and what they stand for. */
  aliases: [pattern: string, target: string][];
  /** Its CommonJS modules. */
  commonJs: Set<string>;
  /** The import map that Deno needs. */
  imports: Record<string, string>;
  /** What was changed, and what a person has to look at. */
  changes: Finding[];
  todo: Finding[];
}

/** A `package.json`. */
export interface Manifest {
  name?: string;
  type?: string;
  version?: string;
  exports?: unknown;
  scripts?: Record<string, string>;
  [dependencies: string]: unknown;
}

const endings = ["ts", "tsx", "mts", "cts", "js", "mjs", "cjs", "jsx"];

/** Returns the file of the application that a path means, with or without its ending. */
export function findFile(
  { texts }: Application,
  path: string,
): string | undefined {
  const base = path.replace(/\/$/, "").replace(/^\.$/, "");
  return [
    base,
    base.replace(/\.([cm]?)jsx?$/, ".$1ts"),
    ...endings.map((ending) => `${base}.${ending}`),
    ...endings.map((ending) => join(base, `index.${ending}`)),
    `${base}.json`,
  ].find((path) => texts.has(path));
}

/** Returns the file of the application that a file's import means. */
export function locate(
  app: Application,
  name: string,
  file: string,
): string | undefined {
  if (/^\.\.?(?:\/|$)/.test(name)) {
    return findFile(app, join(dirname(file), name));
  }
  const alias = findAlias(app, name);
  return alias && findFile(app, alias.path);
}

function findAlias(app: Application, name: string) {
  for (const [pattern, target] of app.aliases) {
    const [prefix, start] = [pattern, target]
      .map((text) => text.replace(/\*$/, ""));
    const isPrefix = prefix !== pattern;
    if (isPrefix ? !name.startsWith(prefix) : name !== pattern) continue;
    const path = start + name.slice(prefix.length);
    if (findFile(app, path)) return { prefix, start, isPrefix, path };
  }
}

/**
 * Returns what Deno, and Node.js without a build, call a module that a file imports;
 * undefined if there is none. It adds to the import map what that needs.
 */
export function renameModule(
  app: Application,
  name: string,
  file: string,
): string | undefined {
  const path = locate(app, name, file);
  if (/^\.\.?(?:\/|$)/.test(name)) {
    // A build may write a file that has its ending.
    if (!path) return /\.\w+$/.test(name) ? name : undefined;
    return relativeName(file, path);
  }
  if (path) return mapAlias(app, name, path);
  const [, owner, rest] = name.match(/^((?:@[^/:]+\/)?[^/:#@]+)(\/.*)?$/) ?? [];
  if (!owner) return name;
  if (isBuiltin(name) && !app.declared.has(owner)) return `node:${name}`;
  declare(app, owner, file);
  return owner + endingOf(app, owner, rest ?? "");
}

/** Names a file as another one imports it. */
export function relativeName(from: string, to: string): string {
  return relative(dirname(from), to).replace(/^(?!\.\.\/)/, "./");
}

function mapAlias(app: Application, name: string, path: string): string {
  const { prefix, start, isPrefix } = findAlias(app, name)!;
  if (!isPrefix) {
    app.imports[name] = `./${path}`;
    return name;
  }
  // With baseUrl alone, each folder below it is a name.
  const first = prefix || name.replace(/(?<=\/).*/, "");
  app.imports[first] = `./${prefix ? start : start + first}`;
  return prefix + path.slice(start.length);
}

/** Adds the ending to a path in a package that does not say what it exports. */
function endingOf(app: Application, owner: string, rest: string): string {
  if (!rest || /\.[cm]?js(?:on)?$/.test(rest)) return rest;
  const found = findPackage(app, owner);
  if (!found) return owner.startsWith("@temporalio/") ? `${rest}.js` : rest;
  if (found.manifest.exports) return rest;
  const ending = ["", ".js", ".cjs", ".json", "/index.js"]
    .find((ending) => isFile(found.folder + rest + ending));
  return rest + (ending ?? "");
}

/** Declares a package that Node.js finds only because another one needs it. */
function declare(app: Application, owner: string, path: string) {
  const { declared, imports, manifest, todo } = app;
  if (declared.has(owner) || owner.startsWith("@temporal-on-deno/")) return;
  declared.add(owner);
  const [, sdk] = Object.entries(Object(manifest.dependencies))
    .find(([name]) => /^@temporalio\/(?:client|worker|workflow)$/.test(name)) ??
    [];
  const version = findPackage(app, owner)?.manifest.version;
  if (owner.startsWith("@temporalio/") && sdk) {
    imports[owner] = `npm:${owner}@${sdk}`;
  } else if (version) imports[owner] = `npm:${owner}@^${version}`;
  else {
    const text = `imports "${owner}", which package.json does not name: add it`;
    todo.push({ path, text });
  }
}

/** Finds a package where Node.js does. */
function findPackage({ root }: Application, name: string) {
  for (let up = root;; up = dirname(up)) {
    const folder = join(up, "node_modules", name);
    try {
      const text = Deno.readTextFileSync(join(folder, "package.json"));
      return { folder, manifest: JSON.parse(text) as Manifest };
    } catch {
      if (up === dirname(up)) return;
    }
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Finds the names that Deno cannot import from CommonJS packages, such as those that
 * they export in a loop. No code of the packages runs.
 */
export async function findHidden(
  { root, todo }: Application,
  wanted: Map<string, Set<string>>,
): Promise<Map<string, Set<string>>> {
  const hidden = new Map<string, Set<string>>();
  const names = new Map([...wanted].filter(([, names]) => names.size > 0));
  while (names.size > 0) {
    const imports = [...names].map(([name, imported], index) =>
      `import { ${
        [...imported].map((one, n) => `${one} as _${index}_${n}`)
      } } from ${JSON.stringify(name)};`
    );
    // The module that is evaluated first ends the program, after all are linked.
    const code = `import "data:text/javascript,throw 'linked'";\n${
      imports.join("\n")
    }`;
    const message = await probe(root, code);
    const [, name, missing] = message.match(
      /requested module '(.*)' does not provide an export named '(.*)'/,
    ) ??
      [];
    if (name && names.get(name)?.delete(missing)) {
      hidden.set(name, (hidden.get(name) ?? new Set()).add(missing));
      continue;
    }
    if (message.includes("linked")) break;
    const broken = [...names.keys()].find((name) =>
      message.includes(`"${name}"`) ||
      message.includes(`'${name}'`)
    );
    const reason = "its exports cannot be checked: install the packages first";
    todo.push({
      path: "package.json",
      text: `"${broken ?? "imports"}": ${reason}`,
    });
    if (!broken) break;
    names.delete(broken);
  }
  return hidden;
}

async function probe(cwd: string, code: string): Promise<string> {
  const child = new Deno.Command("deno", {
    args: [
      ...["run", "-q", "--no-config", "--no-lock", "--no-prompt", "--ext=js"],
      ...["--cached-only", "--node-modules-dir=manual", "-"],
    ],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { stderr } = await child.output();
  return new TextDecoder().decode(stderr);
}

/** Whether a file is a CommonJS module. */
export function isCommonJs(path: string, text: string): boolean {
  return /\.(?:cjs|js)$/.test(basename(path)) &&
    /\brequire\(|\bmodule\.exports\b|^exports\.\w+ =/m.test(text) &&
    !/^(?:import|export)\b/m.test(text);
}
