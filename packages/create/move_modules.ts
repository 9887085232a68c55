/**
 * What module names mean in an application that moves.
 *
 * @module
 */

import { isBuiltin } from "node:module";
import { dirname, join, relative } from "node:path/posix";
import type { Application, Manifest } from "./move_application.ts";

/** Returns the name of the package that a module name begins with. */
export function packageName(name: string): string {
  return name.match(/^(?:@[^/]+\/)?[^/]*/)![0];
}

const endings = ["ts", "tsx", "mts", "cts", "js", "mjs", "cjs", "jsx"];

/**
 * Returns the file of the application that a path means, with or without its ending.
 * A path where a build writes means the source.
 */
export function findFile(
  { texts, outputs }: Application,
  path: string,
): string | undefined {
  const base = path.replace(/\/$/, "").replace(/^\.$/, "");
  const sources = outputs
    .filter(([output]) => `${base}/`.startsWith(`${output}/`))
    .map(([output, source]) => join(source, base.slice(output.length)));
  return [base, ...sources].flatMap((base) => [
    base,
    base.replace(/\.([cm]?)jsx?$/, ".$1ts"),
    ...endings.map((ending) => `${base}.${ending}`),
    ...endings.map((ending) => join(base, `index.${ending}`)),
    `${base}.json`,
  ]).find((path) => texts.has(path));
}

/** Returns the file of the application that a file's import means. */
export function locate(
  app: Application,
  name: string,
  file: string,
): string | undefined {
  return isRelative(name)
    ? findFile(app, join(dirname(file), name))
    : findAlias(app, name)?.file;
}

function isRelative(name: string): boolean {
  return /^\.\.?(?:\/|$)/.test(name);
}

function findAlias(app: Application, name: string) {
  for (const [pattern, target] of app.aliases) {
    const prefix = pattern.replace(/\*$/, "");
    const isPrefix = prefix !== pattern;
    if (isPrefix ? !name.startsWith(prefix) : name !== pattern) continue;
    const start = target.replace(/\*$/, "");
    const file = findFile(app, start + name.slice(prefix.length));
    if (file) return { prefix, start, isPrefix, file };
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
  if (path) {
    return isRelative(name) ? relativeName(file, path) : mapAlias(app, name);
  }
  // A build may write a file that has its ending.
  if (isRelative(name)) {
    return /\.(?:[cm]?js|json|wasm)$/.test(name) ? name : undefined;
  }
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

function mapAlias(app: Application, name: string): string {
  const alias = findAlias(app, name)!;
  const { prefix, start, isPrefix } = alias;
  const isWithin = isPrefix && alias.file.startsWith(start);
  // With baseUrl alone, each folder below it is a name.
  const key = !isWithin ? name : prefix || name.replace(/(?<=\/).*/, "");
  const target = !isWithin ? alias.file : prefix ? start : start + key;
  app.imports[key] = `./${target}`;
  return isWithin ? prefix + alias.file.slice(start.length) : name;
}

/** Adds the ending to a path in a package that does not say what it exports. */
function endingOf(app: Application, owner: string, rest: string): string {
  if (!rest || /\.[cm]?js(?:on)?$/.test(rest)) return rest;
  const found = findPackage(app, owner);
  if (!found) return owner.startsWith("@temporalio/") ? `${rest}.js` : rest;
  if (found.manifest.exports) return rest;
  const ending = ["", ".js", ".cjs", ".json", "/index.js"].find((ending) =>
    isFile(found.folder + rest + ending)
  );
  return rest + (ending ?? "");
}

/** Declares a package that Node.js finds only because another one needs it. */
function declare(app: Application, owner: string, path: string) {
  const { declared, imports, packages, todo } = app;
  if (declared.has(owner) || owner.startsWith("@temporal-on-deno/")) return;
  declared.add(owner);
  const [, sdk] = [...packages.values()]
    .flatMap((manifest) => Object.entries(manifest.dependencies ?? {}))
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
    const file = join(folder, "package.json");
    try {
      // A pipe would block, and a device may have no end.
      if (isFile(file)) {
        const manifest: Manifest = JSON.parse(Deno.readTextFileSync(file));
        return { folder, manifest };
      }
    } catch {
      // It is none, or may not be read.
    }
    if (up === dirname(up)) return;
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
  app: Application,
  wanted: Map<string, Set<string>>,
): Promise<Map<string, Set<string>>> {
  const hidden = new Map<string, Set<string>>();
  const unknown = new Set<string>();
  const names = new Map([...wanted].filter(([, names]) => names.size > 0));
  for (const name of [...names.keys()]) {
    const owner = packageName(name);
    if (findPackage(app, owner)) continue;
    unknown.add(owner);
    names.delete(name);
  }
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
    const message = await probe(app.root, code);
    const [, name, missing] = message.match(
      /requested module '(.*)' does not provide an export named '(.*)'/,
    ) ?? [];
    if (name && names.get(name)?.delete(missing)) {
      hidden.set(name, (hidden.get(name) ?? new Set()).add(missing));
      continue;
    }
    if (message.includes("linked")) break;
    const broken = [...names.keys()].find((name) =>
      message.includes(`"${name}"`) || message.includes(`'${name}'`)
    );
    unknown.add(broken ?? "imports");
    if (!broken) break;
    names.delete(broken);
  }
  if (unknown.size > 0) {
    const text = `the exports of "${[...unknown].join('", "')}" cannot be ` +
      "checked: install the packages, and move it again";
    app.todo.push({ path: "package.json", text });
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
