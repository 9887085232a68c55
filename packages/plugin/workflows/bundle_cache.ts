/**
 * The cache of Workflow bundles. A bundle is used again while nothing has changed
 * that took part in it, wherever it lies.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";

/** What a text in the cache was made from. */
export interface Inputs {
  /** Size, time of modification, and SHA-256; null for a file that did not exist. */
  files: Record<string, [size: number, mtime: number, hash: string] | null>;
  /** Where packages were; null for a folder without this package. */
  packages: Record<string, string | null>;
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

const bareSpecifier = /\b(?:from|import)\s*\(?\s*["']([^."'/][^"']*)["']/g;

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
 */
export function describeInputs(
  modules: InputModule[],
  started: number,
): Inputs {
  const files: Inputs["files"] = {};
  /** Folders of packages, and which packages there are. */
  const folders = new Set<string>();
  const names = new Set<string>();
  const specifiers = new Set<string>();
  const add = (path: string, text?: string) => {
    if (path in files) return;
    const hash = hashOf(path);
    const { size = 0, mtime } = hash ? Deno.statSync(path) : {};
    // What is saved meanwhile may or may not be in the bundle. It is unless the
    // text says otherwise; the next start looks at the content.
    const isSame = text === undefined
      ? mtime && mtime.getTime() < started
      : sha256(text) === hash;
    files[path] = hash
      ? [size, isSame ? mtime!.getTime() : -1, isSame ? hash : ""]
      : null;
  };
  for (const { path, text } of modules) {
    if (isPublished(path)) continue;
    if (/^\w{2,}:/.test(path)) {
      // A remote module, and Deno does not say where it is kept.
      files[path] = [0, -1, ""];
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
    for (const [, specifier] of text?.matchAll(bareSpecifier) ?? []) {
      specifiers.add(specifier);
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
  const packages = [...folders].flatMap((folder) =>
    [...names].map((name) => join(folder, name))
  );
  const record = <T>(keys: Iterable<string>, valueOf: (key: string) => T) =>
    Object.fromEntries(Array.from(keys, (key) => [key, valueOf(key)]));
  return {
    files,
    packages: record(packages, realPath),
    imports: record(specifiers, () => null),
  };
}

function isUpToDate({ files, imports, packages }: Inputs): boolean {
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
    Object.entries(packages)
      .every(([path, real]) => isSame(real, () => realPath(path) === real)) &&
    Object.entries(files).every(([path, state]) =>
      isSame(state, () => {
        const info = statOf(path);
        if (!info || !state) return !info && !state;
        const [size, mtime, hash] = state;
        return info.size === size && info.mtime?.getTime() === mtime ||
          hashOf(path) === hash;
      })
    );
}

/** SHA-256 of what a file says about code; undefined if it does not exist. */
function hashOf(path: string): string | undefined {
  if (!statOf(path)?.isFile) return;
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

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
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
