/**
 * The bundle of `workflows.ts` that Workers run, made only after a change.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { type Bundle, bundleWorkflows } from "./bundler.ts";

const root = dirname(import.meta.dirname!);
const cache = join(root, "node_modules", ".cache", "workflow-bundle");

/** What a Worker takes as its `workflowBundle`. */
export type WorkflowBundle = Pick<Bundle, "code">;

/**
 * Returns the bundle of `workflows.ts`. It comes from `node_modules/.cache` if
 * nothing that it was made of has changed: the local modules, `deno.lock`, what
 * bundles. Otherwise it is made, and kept there if that can be written.
 *
 * @throws {UserError} naming the file, the line and the reason
 */
export async function workflowBundle(): Promise<WorkflowBundle> {
  const cached = await readCache();
  if (cached) return cached;
  const started = Date.now();
  const bundle = await bundleWorkflows(join(root, "workflows.ts"));
  await writeCache(bundle, started);
  return bundle;
}

/**
 * Gives up the permission to write into the cache, so that no Activity can change
 * what the next Worker runs.
 */
export async function sealCache(): Promise<void> {
  await Deno.permissions.revoke({ name: "write", path: dirname(cache) });
}

async function readCache(): Promise<WorkflowBundle | undefined> {
  try {
    const expected = await Deno.readTextFile(`${cache}.json`);
    const code = await Deno.readTextFile(`${cache}.js`);
    const files = Object.keys(JSON.parse(expected).inputs);
    if (await describeBundle(code, files) === expected) return { code };
  } catch {
    // Whatever is wrong with the cache, the bundle is made.
  }
}

/** Keeps the bundle, unless a file changed while it was made. */
async function writeCache({ code, files }: Bundle, started: number) {
  try {
    await Deno.mkdir(dirname(cache), { recursive: true });
    const manifest = await describeBundle(code, files);
    const times = await Promise.all(files.map(modified));
    if (times.some((time) => time >= started)) return;
    await replaceFile(`${cache}.js`, code);
    await replaceFile(`${cache}.json`, manifest);
  } catch {
    // A read-only folder: the bundle serves from memory.
  }
}

/** The bundle's fingerprint: equal fingerprints, equal bundles. */
async function describeBundle(code: string, files: string[]): Promise<string> {
  const inputs: Record<string, string | null> = {};
  for (const file of files) {
    inputs[file] = await Deno.readFile(file).then(sha256, () => null);
  }
  return JSON.stringify({ code: sha256(code), inputs });
}

async function modified(file: string): Promise<number> {
  const info = await Deno.stat(file).catch(() => null);
  return info?.mtime?.getTime() ?? 0;
}

/** Writes aside, then renames: no reader ever sees half a file. */
async function replaceFile(path: string, text: string) {
  const aside = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(aside, text);
  await Deno.rename(aside, path);
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
