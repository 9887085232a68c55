/**
 * The cache of Workflow bundles. Bundling takes over a second, most of a Worker's
 * start; reading a bundle from the cache and checking that nothing has changed
 * takes less than a tenth of one.
 *
 * @module
 */

import type { BundleOptions } from "@temporalio/worker";
import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

const worker = fileURLToPath(import.meta.resolve("@temporalio/worker"));
const [root] = worker.split(/[\\/]node_modules[\\/]/);
const packages = join(root, "node_modules");
const lockFile = join(root, "deno.lock");

/** Where bundles are kept. */
export const cacheFolder: string = join(packages, ".cache", "temporal-on-deno");

/** Precedes the manifest, which is the last line of a cache file. */
const manifestMarker = "\n//# workflowBundleManifest=";

/** What a cached bundle was made from. */
interface Manifest {
  /** SHA-256 of the bundle's code. */
  code: string;
  /** SHA-256 of each input file; null for one that did not exist. */
  inputs: Record<string, string | null>;
}

/** The part of the bundler's options that is plain data. */
export type BundleSource = Omit<
  BundleOptions,
  "logger" | "plugins" | "webpackConfigHook"
>;

/** The place in the cache for the bundle that one set of options makes. */
export class CachedBundle {
  readonly #file: string;
  readonly #required: string[];

  /**
   * @param source what is bundled
   * @param modules files that take part in each bundle, such as the bundler's own
   */
  constructor(source: BundleSource, modules: string[]) {
    const key = sha256(JSON.stringify([source, Deno.version])).slice(0, 16);
    this.#file = join(cacheFolder, `workflow-bundle-${key}.js`);
    this.#required = [lockFile, ...modules];
  }

  /** Returns the cached code, unless an input has changed or the file is damaged. */
  async read(): Promise<string | undefined> {
    try {
      const text = await Deno.readTextFile(this.#file);
      const end = text.lastIndexOf(manifestMarker);
      const code = text.slice(0, end);
      const manifest = text.slice(end + manifestMarker.length);
      const files = Object.keys((JSON.parse(manifest) as Manifest).inputs);
      const isComplete = this.#required.every((file) => files.includes(file));
      if (isComplete && manifest === await describe(code, files)) return code;
    } catch {
      // Whatever is wrong with the cache, the bundle can be made again.
    }
  }

  /**
   * Writes a bundle to the cache. Where it cannot be written, the Worker's next
   * start is slower, and nothing else.
   *
   * @param inputs files that webpack read or looked for
   * @param started when it began to, in milliseconds since the epoch
   */
  async write(code: string, inputs: Iterable<string>, started: number) {
    const files = new Set([...this.#required, ...inputs].filter(isLocal));
    try {
      const manifest = await describe(code, [...files]);
      const times = await Promise.all(Array.from(files, modified));
      // A file that changed meanwhile may or may not be in the bundle.
      if (times.some((time) => time >= started)) return;
      await Deno.mkdir(cacheFolder, { recursive: true });
      // Renaming replaces the file at once: nobody reads half a bundle.
      const temporary = `${this.#file}.${crypto.randomUUID()}`;
      await Deno.writeTextFile(temporary, code + manifestMarker + manifest);
      await Deno.rename(temporary, this.#file);
    } catch {
      // A read-only folder.
    }
  }
}

/** Whether a file is one of the application's; `deno.lock` pins the packages'. */
function isLocal(path: string): boolean {
  return isAbsolute(path) && !path.startsWith(packages);
}

async function describe(code: string, files: string[]): Promise<string> {
  const inputs: Manifest["inputs"] = {};
  for (const file of files.toSorted()) {
    inputs[file] = await Deno.readFile(file).then(sha256, () => null);
  }
  return JSON.stringify({ code: sha256(code), inputs } satisfies Manifest);
}

async function modified(file: string): Promise<number> {
  const info = await Deno.stat(file).catch(() => null);
  return info?.mtime?.getTime() ?? 0;
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
