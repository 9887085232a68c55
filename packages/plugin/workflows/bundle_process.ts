/**
 * The program that bundles Workflow code, in a process of its own: where `Deno.bundle`
 * is available, it reads some files without the permission `read`.
 *
 * It reads a {@linkcode BundleRequest} from stdin, and writes a
 * {@linkcode BundleResponse} to stdout.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseFlags } from "../config.ts";
import { adapt, type Finding } from "./adapt.ts";
import {
  describeInputs,
  type InputModule,
  type Inputs,
  isPublished,
} from "./bundle_cache.ts";
import {
  BundleError,
  bundlePart,
  bundlerModules,
  bundleShared,
  joinParts,
  type Part,
  readSdkParts,
  requiredBy,
} from "./parts.ts";
import {
  disallowed,
  explainFinding,
  explainReport,
  type Graph,
} from "./refusals.ts";

/** What to bundle; the first fields are those of the SDK's `BundleOptions`. */
export interface BundleRequest {
  workflowsPath: string;
  workflowInterceptorModules?: string[];
  payloadConverterPath?: string;
  failureConverterPath?: string;
  ignoreModules?: string[];
  preloadModules?: string[];
  /** The path of a module of the SDK's Worker. */
  sdkModule: string;
  /** Modules of Node.js that the SDK replaces in Workflow code. */
  allowedModules: string[];
  /** Modules that the SDK disallows in Workflow code. */
  disallowedModules: string[];
  /** The file that keeps the parts that are the same for all applications. */
  sdkCache: string;
}

/** How this program is started. */
export interface BundleSetup {
  /** Arguments of `deno`, before the flags that decide what an import means. */
  command: string[];
  /** The current folder of the Worker's process, and the number of its arguments. */
  cwd: string;
  argumentCount: number;
  /** These flags, once they are known. */
  flags?: string[];
}

/** A bundle, or each reason why there is none, and the files that took part. */
export type BundleResponse =
  & { files: string[] }
  & ({ code: string; inputs: Inputs } | { errors: string[] });

const extensions = ["", ".ts", ".js", "/index.ts", "/index.js"];

/** Modules of the SDK's OpenTelemetry packages that it replaces in a bundle. */
const stubs = ["", "-v2"].flatMap((version) =>
  ["lib/workflow/workflow-imports.js", "src/workflow/workflow-imports.ts"]
    .map((path) => `/*/interceptors-opentelemetry${version}/${path}`)
);

async function bundle(
  request: BundleRequest,
  setup: BundleSetup,
): Promise<BundleResponse> {
  const started = Date.now();
  const { disallowedModules, ignoreModules = [], sdkModule } = request;
  const isIgnored = (name: string) => matches(name, ignoreModules);
  const isRefused = (name: string) =>
    matches(name, disallowedModules) && !isIgnored(name);
  let roots: string[] = [];
  try {
    const options = readOptions(request);
    roots = [...options.preloaded, ...Object.values(options.exported).flat()];
    const { sandbox, sdk } = await readSdkParts(request);
    const external = [
      ...ignoreModules.flatMap((name) => patternsOf(name, request)),
      ...disallowedModules.filter((name) => name.startsWith("@")),
      ...sdk.modules,
    ];
    const preload = await bundleShared(
      options.preloaded.map((url) => `${load(url)};`).join(""),
      options.preloaded,
      external,
    );
    external.push(...preload.modules);
    const app = await bundleApplication(options.exported, external);
    const own = [preload, app].map((part) => adapt(part, sdkModule, isRefused));
    const findings = [
      ...own.flatMap(({ findings }) => findings),
      ...findModules([preload, app], sdk, isRefused),
    ];
    if (findings.length > 0) {
      const graph = await readGraph(roots, setup);
      const errors = findings.map((finding) => explainFinding(finding, graph));
      return { errors: [...new Set(errors)], files: filesOf(graph) };
    }
    const parts = { sandbox, sdk, preload: own[0].part, app: own[1].part };
    const ignored = [preload, app].flatMap(requiredBy).filter(isIgnored);
    const modules = await listModules(parts, () => readGraph(roots, setup));
    const named = (setup.flags ?? []).flatMap((flag) =>
      flag.match(/(?<=^--(?:config|import-map|lock)=).*/) ?? []
    );
    return {
      code: joinParts(parts, ignored),
      inputs: describeInputs(
        [...modules, ...named.map((path) => ({ path }))],
        started,
        options.paths,
      ),
      files: modules.map(({ path }) => path),
    };
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    const graph = await readGraph(roots, setup);
    const errors = error.reports
      .map((report) => explainReport(report, graph, sdkModule));
    return {
      errors: errors.filter((text) => text !== undefined),
      files: filesOf(graph),
    };
  }
}

/**
 * What to bundle, as specifiers: to preload, and for each function of the entry; and
 * the paths among their names.
 */
function readOptions(request: BundleRequest): {
  preloaded: string[];
  exported: Record<string, string[]>;
  paths: string[];
} {
  const paths: string[] = [];
  const toUrls = (names: (string | undefined)[] = []) =>
    [...new Set(names)].filter((name) => name !== undefined)
      .map((name) => toSpecifier(name, request, paths));
  return {
    paths,
    preloaded: toUrls(request.preloadModules),
    exported: {
      payloadConverter: toUrls([request.payloadConverterPath]),
      failureConverter: toUrls([request.failureConverterPath]),
      interceptors: toUrls(request.workflowInterceptorModules),
      workflows: toUrls([request.workflowsPath]),
    },
  };
}

/** Makes a URL of a path, which may lack an extension or be that of a folder. */
function toSpecifier(
  name: string,
  { workflowsPath }: BundleRequest,
  paths: string[],
): string {
  const path = /^\.\.?\//.test(name)
    ? join(dirname(workflowsPath), name)
    : name;
  if (!isAbsolute(path)) return path;
  paths.push(path);
  const file = extensions.map((extension) => path + extension)
    .find((path) => existsSync(path) && Deno.statSync(path).isFile);
  if (!file) throw new BundleError([{ text: `"${path}" does not exist` }]);
  return pathToFileURL(Deno.realPathSync(file)).href;
}

function load(url: string): string {
  return `require(${JSON.stringify(url)})`;
}

/** Bundles the application: a function for each option loads what that names. */
async function bundleApplication(
  exported: Record<string, string[]>,
  external: string[],
): Promise<Part> {
  const entry = Object.entries(exported)
    .map(([name, urls]) => `exports.${name} = () => [${urls.map(load)}];\n`)
    .join("");
  const roots = Object.values(exported).flat();
  const app = await bundlePart(entry, roots, [...external, ...stubs]);
  const replaced = requiredBy(app)
    .filter((path) => stubs.some((stub) => path.endsWith(stub.slice(2))));
  if (replaced.length === 0) return app;
  const getters = replaced.map((path) => {
    const { href } = pathToFileURL(path.replace(/(?=\.[jt]s$)/, "-impl"));
    return `get ${JSON.stringify(path)}() { return ${load(href)}; },\n`;
  });
  const modules = `exports.modules = {\n${getters.join("")}};`;
  return await bundlePart(entry + modules, roots, [...external, ...stubs]);
}

/** Finds modules that cannot be in the application's parts. */
function findModules(
  parts: Part[],
  sdk: Part,
  isRefused: (name: string) => boolean,
): Finding[] {
  const sdkPackage =
    /^(.*[\\/]node_modules[\\/](@temporalio[\\/][^\\/]+))[\\/]/;
  const own = new Map(sdk.modules.map((path) => {
    const [, folder, name] = path.match(sdkPackage) ?? [];
    return [name, folder];
  }));
  return parts.flatMap(({ modules }) => modules).flatMap((module) => {
    const [, folder, name] = module.match(sdkPackage) ?? [];
    const reason = module.endsWith(".wasm")
      ? "WebAssembly is not available in Workflow code: run it in an Activity"
      : name && isRefused(name)
      ? `"${name}"${disallowed}`
      : own.has(name) && own.get(name) !== folder
      ? `"${name}" is another copy of the SDK than the Worker's: import the ` +
        "same version everywhere"
      : undefined;
    return reason ? [{ reason, module }] : [];
  });
}

/** Lists the modules of a bundle as files, with their texts where these are known. */
async function listModules(
  parts: Record<string, Part>,
  readGraph: () => Promise<Graph>,
): Promise<InputModule[]> {
  const paths = Object.values(parts).flatMap(({ modules }) => modules)
    .concat(bundlerModules).filter((path) => !isPublished(path));
  const texts = new Map(
    Object.values(parts).flatMap(({ pieces }) => pieces).flatMap(({ map }) =>
      map.sources.map((source, index) => [source, map.sourcesContent[index]])
    ),
  );
  const isRemote = (path: string) => /^https?:/.test(path);
  if (!paths.some(isRemote)) {
    return paths.map((path) => ({ path, text: texts.get(path) }));
  }
  // What Deno keeps of a remote module is not its text alone.
  const { modules } = await readGraph();
  const local = new Map(modules.map((m) => [m.specifier, m.local]));
  return paths.map((path) =>
    isRemote(path)
      ? { path: local.get(path) ?? path }
      : { path, text: texts.get(path) }
  );
}

function filesOf({ modules }: Graph): string[] {
  return modules.map(({ specifier }) => specifier)
    .filter((specifier) => specifier.startsWith("file:"))
    .map((specifier) => fileURLToPath(specifier));
}

/** What a package or a module of Node.js may be called, as of `Deno.bundle`. */
function patternsOf(name: string, { workflowsPath }: BundleRequest): string[] {
  const patterns = ["", "node:", "npm:", "npm:/"]
    .flatMap((scheme) => [scheme + name, `${scheme}${name}@*`]);
  let folder = workflowsPath;
  while (folder !== dirname(folder)) {
    folder = dirname(folder);
    const modules = join(folder, "node_modules");
    if (!existsSync(modules)) continue;
    patterns.push(join(modules, name, "*"));
    patterns.push(join(modules, ".deno", `${name.replace("/", "+")}@*`));
  }
  return patterns;
}

/** Whether a module, as `Deno.bundle` names it, is one of these or lies in one. */
function matches(module: string, names: string[]): boolean {
  const name = module.replace(/^.*[\\/]node_modules[\\/]/, "")
    .replace(/^node:/, "")
    .replace(/^npm:\/?((?:@[^/]+\/)?[^@/]+)(?:@[^/]+)?/, "$1");
  return names.some((other) => name === other || name.startsWith(`${other}/`));
}

/** Reads Deno's module graph, which says where imports stand. */
async function readGraph(
  roots: string[],
  { cwd, flags = [] }: BundleSetup,
): Promise<Graph> {
  const imports = roots.map((url) => `import ${JSON.stringify(url)};`).join("");
  const root = `data:text/javascript,${encodeURIComponent(imports)}`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...flags, root],
    stderr: "null",
  }).output();
  try {
    return { cwd, ...JSON.parse(new TextDecoder().decode(stdout)) };
  } catch {
    return { cwd, modules: [], redirects: {} };
  }
}

/** Returns such flags of the Worker's process. */
async function readFlags(
  { argumentCount, cwd }: BundleSetup,
): Promise<string[]> {
  const { stdout } = await new Deno.Command("cat", {
    args: [`/proc/${Deno.ppid}/cmdline`],
    stderr: "null",
  }).output().catch(() => ({ stdout: new Uint8Array() }));
  return parseFlags(new TextDecoder().decode(stdout), argumentCount, cwd);
}

/** Starts this program again if other flags are needed. */
async function main(): Promise<void> {
  const setup: BundleSetup = JSON.parse(Deno.args[0]);
  const flags = setup.flags ?? await readFlags(setup);
  if (!setup.flags && flags.length > 0) {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...setup.command,
        ...flags,
        Deno.mainModule,
        JSON.stringify({ ...setup, flags }),
      ],
      stdin: "inherit",
    }).spawn().status;
    Deno.exit(code);
  }
  const request: BundleRequest = await new Response(Deno.stdin.readable).json();
  const response = new Response(JSON.stringify(await bundle(request, setup)));
  await response.body!.pipeTo(Deno.stdout.writable);
}

await main();
