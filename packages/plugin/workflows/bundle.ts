/**
 * Bundles Workflow code with Deno's bundler, or takes the bundle from the cache.
 *
 * This is the side of the Worker's process. It reads the cache (`bundle_cache.ts`) or
 * starts `bundle_process.ts`, which
 *
 * 1. bundles each part of the bundle (`parts.ts`): the patches of the sandbox
 *    (`sandbox.ts`), the SDK, `preloadModules` and the application;
 * 2. adapts the application's code to the sandbox, and finds mistakes (`adapt.ts`);
 * 3. joins the parts with one source map (`source_map.ts`), or explains what is wrong
 *    (`refusals.ts`).
 *
 * @module
 */

import type { BundleOptions } from "@temporalio/worker";
import {
  allowedBuiltinModules,
  defaultWorkflowInterceptorModules,
  disallowedModules,
  moduleMatches,
} from "@temporalio/worker/lib/workflow/bundler.js";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { DenoPluginError, inspect } from "../errors.ts";
import { configFolder, readFlags } from "../config.ts";
import { keyOf, readCache, sdkCacheName, writeCache } from "./bundle_cache.ts";
import type {
  BundleRequest,
  BundleResponse,
  BundleSetup,
} from "./bundle_process.ts";
import { disallowed } from "./refusals.ts";

/** The path of a module of the SDK's Worker. */
export const [sdkModule]: string[] = defaultWorkflowInterceptorModules;
/** The folder "node_modules" of the project; undefined if it has none. */
export const packages: string | undefined = findPackages();

// A package of npm has it under another name, which "deno pack" writes to such a line.
const processUrl = import.meta.resolve("./bundle_process.ts");

// Never called: what is started by its URL is thereby part of the module graph.
const _modules = () => [import("./bundle_process.ts"), import("./sandbox.ts")];

/** Where bundles are kept. */
export const cacheFolder: string = join(
  packages ?? "node_modules",
  ".cache",
  "temporal-on-deno",
);

/** The options of the bundler that are plain data. */
export type BundleSource = Omit<
  BundleOptions,
  "logger" | "plugins" | "webpackConfigHook"
>;

/**
 * Returns a bundle of Workflow code.
 *
 * @throws {DenoPluginError} if the code cannot be bundled
 */
export async function bundle(given: BundleSource): Promise<string> {
  requireTypes(given);
  const { workflowsPath: path } = given;
  const source = {
    ...given,
    workflowsPath: /^\.\.?[\\/]/.test(path) ? resolve(path) : path,
  };
  const { ignoreModules = [], preloadModules = [] } = source;
  const ignored = preloadModules
    .filter((name) => moduleMatches(name, ignoreModules));
  if (ignored.length > 0) {
    throw new DenoPluginError(
      `Cannot preload modules that are also ignored: "${ignored.join('", "')}"`,
    );
  }
  if (!packages) {
    throw refusal([
      'There is no folder "node_modules": set "nodeModulesDir" to "auto" in ' +
      "deno.json",
    ]);
  }
  const flags = readFlags("self", Deno.args.length);
  const key = keyOf([source, flags], import.meta.url);
  const file = join(cacheFolder, `workflow-bundle-${key}.js`);
  const cached = readCache(file);
  if (cached) {
    await watch(Object.keys(cached.inputs.files));
    return cached.text;
  }
  const response = await runBundler({
    ...source,
    allowedModules: allowedBuiltinModules,
    disallowedModules,
    sdkCache: join(cacheFolder, sdkCacheName(sdkModule, import.meta.url)),
    sdkModule,
  });
  await watch(response.files);
  if ("errors" in response) throw refusal(response.errors);
  writeCache(file, response.code, response.inputs);
  return response.code;
}

/** Checks what programs may get wrong, since Deno runs them without a check of types. */
function requireTypes(source: BundleSource): void {
  const { workflowsPath } = source;
  if (typeof workflowsPath !== "string" || !workflowsPath) {
    throw refusal([
      `The option workflowsPath has the value ${inspect(workflowsPath)}: ` +
      'pass the URL of a module, such as import.meta.resolve("./workflows.ts")',
    ]);
  }
  const lists = [
    "ignoreModules",
    "preloadModules",
    "workflowInterceptorModules",
  ] as const;
  for (const name of lists) {
    const value = source[name];
    if (value === undefined || Array.isArray(value)) continue;
    throw refusal([
      `The option ${name} has the value ${inspect(value)}: pass an array`,
    ]);
  }
}

/** Has `deno run --watch` restart the program when Workflow code changes. */
async function watch(files: string[]): Promise<void> {
  const own = files.filter((file) =>
    /^(?!.*node_modules).*\.[cm]?[jt]sx?$/.test(file)
  );
  await Promise.all(own.map(async (file) => {
    // Deno watches what it has imported: as a text, it does not run here.
    await import(pathToFileURL(file).href, { with: { type: "text" } })
      .catch(() => {});
  }));
}

function findPackages(): string | undefined {
  const [, packages] = sdkModule.match(/^(.*?[\\/]node_modules)[\\/]/) ?? [];
  if (packages) return packages;
  // In a workspace of packages, the SDK may be one of them.
  let folder = sdkModule;
  while (folder !== dirname(folder)) {
    folder = dirname(folder);
    const packages = join(folder, "node_modules");
    if (existsSync(packages)) return packages;
  }
}

/**
 * Bundles in a process of its own.
 *
 * @param hosts from which it may import, other than those that Deno trusts by itself
 */
async function runBundler(
  request: BundleRequest,
  hosts: string[] = [],
): Promise<BundleResponse> {
  const isGranted = (descriptor: Deno.PermissionDescriptor) =>
    Deno.permissions.querySync(descriptor).state === "granted";
  // The permission to run "deno" is for the one on PATH, which may be another.
  const own = Deno.build.standalone ? "deno" : Deno.execPath();
  const command = isGranted({ name: "run", command: own }) ? own : "deno";
  if (!isGranted({ name: "run", command })) {
    throw refusal([
      "No bundle in the cache is up to date, and this process may not run Deno " +
      'to make one: allow "run" for "deno", create all Workers before one runs, ' +
      'or run "deno task bundle"',
    ]);
  }
  const setup: BundleSetup = {
    cwd: Deno.cwd(),
    argumentCount: Deno.args.length,
    command: [
      ...["run", "-q", "--no-prompt", "--unstable-bundle"],
      ...["-R", "-E", "-S", "--allow-ffi", "--allow-run"],
      ...isGranted({ name: "write", path: cacheFolder })
        ? [`--allow-write=${cacheFolder}`]
        : [],
      ...isGranted({ name: "import" })
        ? ["--allow-import"]
        : hosts.map((host) => `--allow-import=${host}`),
    ],
  };
  const main = `import(${JSON.stringify(processUrl)})`;
  const process = new Deno.Command(command, {
    args: [
      ...setup.command,
      `data:text/javascript,${encodeURIComponent(main)}`,
      JSON.stringify(setup),
    ],
    cwd: configFolder(packages),
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ success, stdout, stderr }] = await Promise.all([
    process.output(),
    new Response(JSON.stringify(request)).body!.pipeTo(process.stdin),
  ]);
  if (success) {
    const response: BundleResponse = JSON.parse(
      new TextDecoder().decode(stdout),
    );
    // Deno does not list the hosts that this process may import from.
    const refused = "errors" in response
      ? response.errors.flatMap((error) =>
        error.match(/(?<=^Requires import access to ")[^"]+/) ?? []
      )
      : [];
    const more = refused.filter((host) =>
      !hosts.includes(host) && isGranted({ name: "import", host })
    );
    if (more.length === 0) return response;
    return await runBundler(request, [...hosts, ...new Set(more)]);
  }
  const text = new TextDecoder().decode(stderr);
  const [reason] = text.match(/(?<=^error: ).*/m) ?? [text.trim()];
  return { errors: [reason], files: [] };
}

function refusal(reasons: string[]): DenoPluginError {
  const lines = reasons.every((text) => text.includes(disallowed))
    // In the SDK's words, under which its documentation explains it.
    ? [
      "Cannot bundle Workflow code, which is importing the following " +
      "disallowed modules:",
      ...reasons.map((text) => text.replace(disallowed, "")),
    ]
    : ["Cannot bundle Workflow code:", ...new Set(reasons)];
  return new DenoPluginError(lines.join(lines.length === 2 ? " " : "\n  "));
}
