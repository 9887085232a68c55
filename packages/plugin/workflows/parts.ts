/**
 * The parts of a Workflow bundle, made by `Deno.bundle`.
 *
 * The SDK runs all Workflows of a thread in one V8 context. Modules that are loaded
 * before the first Workflow are shared and frozen; of any other module, each Workflow
 * has an instance of its own. `Deno.bundle` makes one scope of all modules, so a
 * bundle has a part for each: the patches of the sandbox, the SDK, `preloadModules`,
 * and the application.
 *
 * @module
 */

import { createRequire } from "node:module";
import { dirname, join as joinPath, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describeInputs, readCache, writeCache } from "./bundle_cache.ts";
import { type Code, join, split } from "./source_map.ts";

/** A part of a bundle: the body of a CommonJS module. */
export interface Part {
  pieces: Code[];
  /** The modules in it: paths, or URLs of remote ones. */
  modules: string[];
}

/** What `Deno.bundle` reports. Lines are those of the JavaScript that Deno emits. */
export interface Report {
  text: string;
  location?: { file: string; line: number };
}

/** What is used of `Deno.bundle`, whose types only the unstable library has. */
type Bundle = (options: object) => Promise<{
  errors: Report[];
  outputFiles?: { path: string; text(): string }[];
  success: boolean;
}>;

/** `Deno.bundle` failed. */
export class BundleError extends Error {
  /** @param reports each error */
  constructor(readonly reports: Report[]) {
    super(reports.map(({ text }) => text).join("\n"));
  }
}

/** The modules of the bundler, which take part in each bundle. */
export const bundlerModules: string[] = [
  ...["adapt", "bundle_process", "parts", "source_map"],
].map((name) => {
  // In a package of npm, they end in ".js".
  const url = import.meta.url.replace(/\w+(?=\.\w+$)/, name);
  return toPath(url);
});

/** The parameters of a part's function, and their values. */
const parameters = {
  "module": "module",
  "exports": "module.exports",
  "require": "require",
  // What webpack gives to modules.
  "global": "globalThis",
  "__filename": '"/index.js"',
  "__dirname": '"/"',
};

/** What application code has in place of `Promise` where it calls `new Promise`. */
export const trackedPromise = "Promis$";

/**
 * In a module's exports, esbuild includes what Workflow code adds to
 * `Object.prototype`: the next Workflow could not be loaded.
 */
const exportHelper =
  /^(var __export = \(target, all\) => \{\n {2}for \(var name) in all\)$/m;
const ownNames = "$1 of Object.keys(all))";

/** A module begins where its path stands as the name of a method. */
const moduleStart =
  /\b__(?:commonJS|esm)\(\{\n\s*("(?:\\.|[^"\\])+")\((?:\w+(?:, \w+)?)?\) \{$/gm;

/** Where a module sets the object that stands for `import.meta`. */
const metaStart = /(?<=^ *import_meta\d* = )\{\}(?=;$)/m;

/**
 * Bundles a part.
 *
 * @param entry code that requires modules
 * @param imports the specifiers of these modules
 * @param external specifiers and paths of modules to leave out
 * @param scripts modules in JavaScript
 * @throws {BundleError}
 */
export async function bundlePart(
  entry: string,
  imports: string[],
  external: string[] = [],
  scripts: string[] = [],
): Promise<Part> {
  // `require` loads each module when it is called, but Deno downloads and resolves
  // only what is imported.
  const graph = imports.map((name) => `import(${JSON.stringify(name)});`);
  const source = `${entry}\nif (false) { ${graph.join(" ")} }`;
  const { errors, outputFiles, success } =
    await (Reflect.get(Deno, "bundle") as Bundle)({
      entrypoints: [
        `data:text/javascript,${encodeURIComponent(source)}`,
        // Deno prints JavaScript anew, without a source map, unless it is an entry.
        // Their outputs differ by name without the extension.
        ...new Map(
          scripts.map((path) => [path.replace(/\w+$/, ""), toUrl(path)]),
        )
          .values(),
      ],
      outputDir: ".",
      external,
      format: "cjs",
      keepNames: true,
      // Takes the fields and conditions of package.json that webpack takes.
      platform: "browser",
      sourcemap: "inline",
      write: false,
    }).catch((error: Error): Awaited<ReturnType<Bundle>> => ({
      errors: [{ text: error.message }],
      success: false,
    }));
  if (!success) throw new BundleError(errors);
  const [file] = outputFiles!;
  const { code, map } = split(file.text().replace(exportHelper, ownNames));
  const modules = [...code.matchAll(moduleStart)]
    .map(([, path]) => parseString(path))
    // What a package leaves out in browsers is no file.
    .filter((path) => !path.includes("\0")).map((path) => toPath(path));
  const sources = map.sources.map((name) => toPath(name, dirname(file.path)));
  const own = modules.filter(isApplication).filter(isScript)
    .filter((path) => !external.includes(path));
  // Each entry costs an output, so the lines of many scripts are those of Deno.
  if (own.length > 0 && own.length <= 30 && scripts.length === 0) {
    return await bundlePart(entry, imports, external, own);
  }
  const pieces = [{ code: setMeta(code), map: { ...map, sources } }];
  return { pieces, modules };
}

/** Sets `import.meta`, which the bundler leaves empty, on the same lines. */
function setMeta(code: string): string {
  const starts = [...code.matchAll(moduleStart)];
  const texts = starts.map(({ 1: name, index }, i) =>
    code.slice(index, starts[i + 1]?.index).replace(metaStart, () => {
      const path = toPath(parseString(name));
      const url = toUrl(path);
      const meta = url.startsWith("file:")
        ? { url, main: false, filename: path, dirname: dirname(path) }
        : { url, main: false };
      return `{ ...${JSON.stringify(meta)}, ` +
        `resolve: (name) => new globalThis.URL(name, "${url}").href }`;
    })
  );
  return code.slice(0, starts[0]?.index) + texts.join("");
}

/** Bundles a part whose modules other parts can require by their paths. */
export async function bundleShared(
  entry: string,
  imports: string[],
  external: string[] = [],
): Promise<Part> {
  if (!entry) return { pieces: [], modules: [] };
  const { modules } = await bundlePart(entry, imports, external);
  const exports = modules.map((path) =>
    `${JSON.stringify(path)}: require(${JSON.stringify(toUrl(path))}),\n`
  );
  const shared = `${entry}\nexports.modules = {\n${exports.join("")}};`;
  return await bundlePart(shared, imports, external, modules.filter(isScript));
}

/** Returns the names of the external modules that a part may require. */
export function requiredBy({ pieces }: Part): string[] {
  const names = pieces.flatMap(({ code }) =>
    [...code.matchAll(/\brequire\(("(?:\\.|[^"\\])+")\)/g)]
      .map(([, name]) => parseString(name))
  );
  return [...new Set(names)];
}

/** Bundles the patches of the sandbox and the SDK, or takes them from the cache. */
export async function readSdkParts({ allowedModules, sdkCache, sdkModule }: {
  allowedModules: string[];
  sdkCache: string;
  sdkModule: string;
}): Promise<Record<"sandbox" | "sdk", Part>> {
  const cached = readCache(sdkCache);
  if (cached) return JSON.parse(cached.text);
  const started = Date.now();
  const { resolve } = createRequire(sdkModule);
  const load = (name: string) =>
    `require(${JSON.stringify(pathToFileURL(resolve(name)).href)})`;
  const sandboxUrl = import.meta.resolve("./sandbox.ts");
  const sandbox = await bundlePart(
    `module.exports = require(${JSON.stringify(sandboxUrl)});`,
    [sandboxUrl],
  );
  const overrides = joinPath(
    dirname(sdkModule),
    "workflow",
    "module-overrides",
  );
  const builtins = allowedModules.map((name) =>
    `"node:${name}": ${load(joinPath(overrides, name))},\n`
  );
  const sdk = await bundleShared(
    `exports.api = ${load("@temporalio/workflow/lib/worker-interface.js")};
     ${load("@temporalio/workflow/lib/global-overrides.js")}.overrideGlobals();
     ${load("@temporalio/workflow")};
     ${load("@temporalio/common")};
     exports.builtins = {\n${builtins.join("")}};`,
    [],
    [
      "__temporal_custom_payload_converter",
      "__temporal_custom_failure_converter",
    ],
  );
  const modules = [...sandbox.modules, ...sdk.modules, ...bundlerModules];
  const inputs = describeInputs(modules.map((path) => ({ path })), started);
  writeCache(sdkCache, JSON.stringify({ sandbox, sdk }), inputs);
  return { sandbox, sdk };
}

/** Joins parts to a bundle. */
export function joinParts(
  parts: Record<"sandbox" | "sdk" | "preload" | "app", Part>,
  ignored: string[],
): string {
  const names = [...Object.keys(parameters), "Promise", trackedPromise];
  const values = Object.values(parameters).join(", ");
  const functions = Object.entries(parts).flatMap(([name, { pieces }]) => [
    `"${name}": function (${names.join(", ")}) {\n`,
    ...pieces,
    "\n},\n",
  ]);
  return join([
    `var __TEMPORAL__ = (() => {
"use strict";
const cache = globalThis.__webpack_module_cache__;
const parts = {
`,
    ...functions,
    `};
const load = (name) => {
  let module = cache[name];
  if (!module) {
    cache[name] = module = { exports: {} };
    const Tracked = name === "sandbox" ? Promise : load("sandbox").TrackedPromise;
    parts[name](${values}, name === "sdk" ? Tracked : Promise, Tracked);
  }
  return module.exports;
};
const ignored = new Set(${JSON.stringify(ignored)});
const require = (name) => {
  const [, converter] = name.match(/^__temporal_custom_(payload|failure)_converter$/) ?? [];
  if (converter) return load("app")[converter + "Converter"]()[0] ?? {};
  const { builtins, modules } = cache.sdk.exports;
  for (const table of [modules, builtins, cache.preload?.exports.modules, cache.app?.exports.modules]) {
    if (table && Object.hasOwn(table, name)) return table[name];
  }
  if (ignored.has(name)) return {};
  throw Object.assign(new Error(\`Cannot find module "\${name}"\`), { code: "MODULE_NOT_FOUND" });
};
// As with webpack, it returns what require() takes.
require.resolve = (name) => name;
return {
  api: load("sdk").api,
  preloadModules: () => void load("preload"),
  importInterceptors: () => load("app").interceptors(),
  importWorkflows: () => load("app").workflows()[0],
};
})();
`,
  ]);
}

/** Returns the value of a string literal of esbuild's, which is ASCII. */
function parseString(literal: string): string {
  const json = literal.replace(
    /\\(?:x(\w\w)|u\{(\w+)\}|(0)|.)/g,
    (escape, byte, codePoint, zero) =>
      byte || codePoint || zero
        ? JSON.stringify(
          String.fromCodePoint(parseInt(byte ?? codePoint ?? zero, 16)),
        ).slice(1, -1)
        : escape,
  );
  return JSON.parse(json);
}

/** Whether a module is the application's own. */
export function isApplication(path: string): boolean {
  return !/[\\/]node_modules[\\/]/.test(path);
}

function isScript(path: string): boolean {
  return /\.[cm]?js$/.test(path);
}

/** Makes a URL of a path or URL. */
export function toUrl(path: string): string {
  return /^\w{2,}:/.test(path) ? path : pathToFileURL(path).href;
}

/** Makes a path or URL of what Deno calls a module. */
function toPath(name: string, folder = ""): string {
  const [, url] = name.match(/^(?:deno:|dataurl:)?(\w{2,}:.*)$/s) ?? [];
  if (url?.startsWith("file:")) return fileURLToPath(url);
  return url ?? resolve(folder, name);
}
