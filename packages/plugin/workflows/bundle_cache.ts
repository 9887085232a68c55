/**
 * The cache of Workflow bundles. A bundle is used again while nothing has changed
 * that took part in it, wherever it lies.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What a text in the cache was made from. */
export interface Inputs {
  /** Size, times, and SHA-256; null if there was no such file. */
  files: Record<string, [size: number, times: number[], hash: string] | null>;
  /** Where links led, and where packages were; null if there was nothing. */
  links: Record<string, string | null>;
  /** What specifiers meant, by the import map of the Worker's process. */
  imports: Record<string, string | null>;
}

/** A module that took part, with its text if that is what its file holds. */
export interface InputModule {
  path: string;
  text?: string;
}

/** Precedes the inputs, which are the last line of a file in the cache. */
const marker = "\n//# inputs=";

const configFiles = ["deno.json", "deno.jsonc", "deno.lock", "package.json"];

const importedName =
  /\b(?:from|import|require)\s*\(?\s*["']([^"'/%\n][^"'%\n]*)["']/g;

/** What may follow a name that is not that of a file. */
const suffixes = [
  ...["", ".js", ".json", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts"],
  ...["/package.json", "/index.js", "/index.ts"],
];

/** Fields of `deno.json` that say nothing about code. */
const unrelated = [
  ...["allowScripts", "bench", "compile", "deploy", "fmt", "lint"],
  ...["permissions", "publish", "tasks", "test"],
];

/** The folder of this package. */
const ownFolder = new URL("../", import.meta.url).href;

/**
 * Whether a module is this package's own, from a registry: that of a version never
 * changes, and what is in the cache is kept for each version apart.
 */
export function isPublished(path: string): boolean {
  return ownFolder.startsWith("http") && path.startsWith(ownFolder);
}

/** Returns what tells files in the cache apart, as the module that bundles does. */
export function keyOf(value: unknown, bundler: string): string {
  return sha256(JSON.stringify([value, Deno.version, bundler])).slice(0, 16);
}

/** Returns the name of the file that keeps what is the same for all applications. */
export function sdkCacheName(sdkModule: string, bundler: string): string {
  return `sdk-${keyOf(sdkModule, bundler)}.json`;
}

/** Returns a cached text, unless what it was made from has changed. */
export function readCache(
  file: string,
): { text: string; inputs: Inputs } | undefined {
  try {
    const content = Deno.readTextFileSync(file);
    const end = content.lastIndexOf(marker);
    const text = content.slice(0, end);
    const { hash, inputs } = JSON.parse(content.slice(end + marker.length));
    if (hash === sha256(text) && isUpToDate(inputs)) return { text, inputs };
  } catch {
    // Whatever is wrong with the cache, the text can be made again.
  }
}

/** Writes a text to the cache. Where that is not possible, it is made each time. */
export function writeCache(file: string, text: string, inputs: Inputs): void {
  try {
    Deno.mkdirSync(dirname(file), { recursive: true });
    // Renaming replaces the file at once: nobody reads half of it.
    const temporary = `${file}.${crypto.randomUUID()}`;
    for (const name of Object.keys(inputs.imports)) {
      inputs.imports[name] = meaningOf(name);
    }
    const manifest = JSON.stringify({ hash: sha256(text), inputs });
    Deno.writeTextFileSync(temporary, text + marker + manifest);
    Deno.renameSync(temporary, file);
  } catch {
    // A read-only folder.
  }
}

/**
 * Describes what was bundled.
 *
 * @param started when bundling began, in milliseconds since the epoch
 * @param paths what options name
 */
export function describeInputs(
  modules: InputModule[],
  started: number,
  paths: string[] = [],
): Inputs {
  const files: Inputs["files"] = {};
  const links = new Set<string>();
  /** Folders of packages, and which packages there are. */
  const folders = new Set<string>();
  const names = new Set<string>();
  const specifiers = new Set<string>();
  const add = (path: string, text?: string) => {
    if (path in files) return;
    const info = fileAt(path);
    if (!info) {
      files[path] = null;
      return;
    }
    const hash = hashOf(path);
    // What is saved meanwhile may or may not be in the bundle. It is unless the
    // text says otherwise; the next start looks at the content.
    const times = timesOf(info);
    const isSame = text === undefined
      // A hard link that is added meanwhile, such as to a package, changes the other.
      ? times[0] < started
      : sha256(text) === hash;
    files[path] = [info.size, isSame ? times : [], isSame ? hash : ""];
  };
  const addName = (path: string) => {
    const real = realPath(path);
    if (real && real !== path) links.add(path);
    // Without its whole name, a file that is created can take its place.
    if (!fileAt(path)) suffixes.forEach((suffix) => add(path + suffix));
  };
  paths.forEach(addName);
  for (const { path, text } of modules) {
    if (isPublished(path)) continue;
    if (/^\w{2,}:/.test(path)) {
      // A remote module, and Deno does not say where it is kept.
      files[path] = [0, [], ""];
      continue;
    }
    const [, folder, name] =
      path.match(/^(.*[\\/]node_modules)[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/) ??
        [];
    add(path, !folder && /\.[cm]?[jt]sx?$/.test(path) ? text : undefined);
    if (folder) {
      folders.add(folder);
      names.add(name);
      add(join(folder, name, "package.json"));
      continue;
    }
    for (const [, specifier] of text?.matchAll(importedName) ?? []) {
      if (!specifier.startsWith(".")) {
        specifiers.add(specifier);
        names.add(specifier.match(/^(?:@[^/]+\/)?[^/]+/)![0]);
        continue;
      }
      const url = new URL(specifier, pathToFileURL(path));
      specifiers.add(url.href);
      addName(fileURLToPath(url));
    }
    let parent = dirname(path);
    for (
      ;
      !folders.has(join(parent, "node_modules"));
      parent = dirname(parent)
    ) {
      folders.add(join(parent, "node_modules"));
      for (const config of configFiles) {
        add(join(parent, config));
        if (!files[join(parent, config)] || !config.startsWith("deno.json")) {
          continue;
        }
        const paths = Deno.readTextFileSync(join(parent, config))
          .matchAll(/"(?:importMap|lock|path)"\s*:\s*"([^"]+)"/g);
        for (const [, other] of paths) add(resolve(parent, other));
      }
    }
  }
  for (const folder of folders) {
    for (const name of names) links.add(join(folder, name));
  }
  const record = <T>(keys: Iterable<string>, valueOf: (key: string) => T) =>
    Object.fromEntries(Array.from(keys, (key) => [key, valueOf(key)]));
  return {
    files,
    links: record(links, realPath),
    imports: record(specifiers, () => null),
  };
}

function isUpToDate({ files, imports, links }: Inputs): boolean {
  const isLocked = Object.entries(files)
    .some(([path, state]) => path.endsWith("deno.lock") && state);
  /** Whether a value is the one before. What may not be read may be locked. */
  const isSame = (before: unknown, test: () => boolean) => {
    try {
      return test();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      return isLocked || before === null;
    }
  };
  return Object.entries(imports)
    .every(([name, meaning]) => meaningOf(name) === meaning) &&
    Object.entries(links)
      .every(([path, real]) => isSame(real, () => realPath(path) === real)) &&
    Object.entries(files).every(([path, state]) =>
      isSame(state, () => {
        const info = fileAt(path);
        if (!info || !state) return !info && !state;
        const [size, times, hash] = state;
        return info.size === size && `${timesOf(info)}` === `${times}` ||
          hashOf(path) === hash;
      })
    );
}

/** SHA-256 of what a file says about code. */
function hashOf(path: string): string {
  const text = Deno.readFileSync(path);
  if (!/deno\.jsonc?$/.test(path)) return sha256(text);
  try {
    const config = JSON.parse(new TextDecoder().decode(text));
    for (const name of unrelated) delete config[name];
    return sha256(JSON.stringify(config));
  } catch {
    return sha256(text); // It has comments.
  }
}

function fileAt(path: string): Deno.FileInfo | undefined {
  try {
    const info = Deno.statSync(path);
    return info.isFile ? info : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
  }
}

/** When a file was written, and when anything of it changed, which no program sets. */
function timesOf({ ctime, mtime }: Deno.FileInfo): number[] {
  return [mtime, ctime].map((time) => time?.getTime() ?? 0);
}

function realPath(path: string): string | null {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return null;
  }
}

function meaningOf(specifier: string): string | null {
  try {
    return import.meta.resolve(specifier);
  } catch {
    return null;
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
