/**
 * Workflow code made ready for the sandbox: one script that holds
 * `workflows.ts` and all it imports, made quietly, and only after a change.
 *
 * @module
 */

import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { createHash } from "node:crypto";
import { dirname, isAbsolute, join } from "node:path";
import { UserError } from "./errors.ts";

const root = dirname(import.meta.dirname!);
const cache = join(root, "node_modules", ".cache", "workflow-bundle");

/** What a Worker takes as its `workflowBundle`. */
export interface WorkflowBundle {
  /** The script; its source map is its last line. */
  code: string;
}

/** What is used here of webpack's account of a build. */
interface Build {
  fileDependencies: Iterable<string>;
  missingDependencies: Iterable<string>;
  errors: BuildError[];
  moduleGraph: { getIssuer(module: Module): Module | null };
}

interface BuildError {
  message: string;
  error?: Error;
  module?: Module | null;
}

interface Module {
  resource?: string;
}

/**
 * Returns the bundle of `workflows.ts`. It comes from `node_modules/.cache` if
 * nothing that it was made of has changed: the local modules, `deno.lock` and
 * this file. Otherwise it is made, and kept there if that can be written.
 *
 * @throws {UserError} naming the file, the line and the reason
 */
export async function workflowBundle(): Promise<WorkflowBundle> {
  return await readCache() ?? await makeBundle();
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

async function makeBundle(): Promise<WorkflowBundle> {
  const started = Date.now();
  let build: Build | undefined;
  let code: string;
  try {
    ({ code } = await bundleWorkflowCode({
      workflowsPath: join(root, "workflows.ts"),
      logger: new DefaultLogger("ERROR", () => {}),
      webpackConfigHook: (config) => ({
        ...config,
        // Webpack's default, but for a browserslist file in a folder above,
        // which a Worker may neither read nor depend on.
        target: "web",
        plugins: [...config.plugins ?? [], (compiler) => {
          compiler.hooks.done.tap("bundle", (stats) => {
            build = stats.compilation as unknown as Build;
          });
        }],
      }),
    }));
  } catch (error) {
    const reasons = build?.errors.map((e) => explain(e, build!)) ?? [];
    if (reasons.length === 0) reasons.push((error as Error).message);
    throw new UserError(
      ["Cannot bundle the Workflow code", ...reasons].join("\n"),
      { cause: error },
    );
  }
  const files = [
    join(root, "deno.lock"),
    import.meta.filename!,
    ...build!.fileDependencies,
    ...build!.missingDependencies,
  ].filter(isLocal);
  await writeCache(code, files, started);
  return { code };
}

/** Keeps the bundle, unless a file changed while it was made. */
async function writeCache(code: string, files: string[], started: number) {
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

/** Packages do not count: `deno.lock` does. */
function isLocal(path: string): boolean {
  return isAbsolute(path) && !path.startsWith(join(root, "node_modules"));
}

/** One build error for a person: where and what, without webpack's own trace. */
function explain({ module, error, message }: BuildError, build: Build): string {
  const text = (error?.message ?? message).split(/\n\s*\n/)[0];
  const importer = module && build.moduleGraph.getIssuer(module);
  const file = [module, importer].map((m) => m?.resource).find((path) =>
    path && isLocal(path)
  );
  return !file || text.includes(file) ? text : `${file}: ${text}`;
}
