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
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { adapt, findTopLevelAwait } from "./adapt.ts";
import { describeInputs, type Inputs, isPublished } from "./bundle_cache.ts";
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
  explainModule,
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
const stub =
  /[\\/](?:@temporalio|contrib)[\\/]interceptors-opentelemetry(?:-v2)?[\\/](?:src|lib)[\\/]workflow[\\/]workflow-imports\.[jt]s$/;

/** Flags of `deno` that decide what an import means. */
const resolutionFlag =
  /^(?:--(?:cached-only|cert|conditions|config|frozen|import-map|lock|no-config|no-lock|no-npm|no-remote|node-modules-dir|unstable-[\w-]+|vendor)(?:=|$)|-c$)/;

async function bundle(
  request: BundleRequest,
  setup: BundleSetup,
): Promise<BundleResponse> {
  const started = Date.now();
  const { disallowedModules, ignoreModules = [], sdkModule } = request;
  const folder = dirname(request.workflowsPath);
  const load = (url: string) => `require(${JSON.stringify(url)})`;
  let roots: string[] = [];
  try {
    const preloaded = toUrls(request.preloadModules, folder);
    const exported = {
      payloadConverter: toUrls([request.payloadConverterPath], folder),
      failureConverter: toUrls([request.failureConverterPath], folder),
      interceptors: toUrls(request.workflowInterceptorModules, folder),
      workflows: toUrls([request.workflowsPath], folder),
    };
    const entry = Object.entries(exported)
      .map(([name, urls]) => `exports.${name} = () => [${urls.map(load)}];\n`)
      .join("");
    roots = [...preloaded, ...Object.values(exported).flat()];
    const { sandbox, sdk } = await readSdkParts(request);
    const external = [
      ...ignoreModules.flatMap((name) => patternsOf(name, folder)),
      ...disallowedModules.filter((name) => name.startsWith("@")),
      ...sdk.modules,
    ];
    const preload = await bundleShared(
      preloaded.map((url) => `${load(url)};`).join(""),
      preloaded,
      external,
    );
    external.push(...preload.modules, "/*/workflow/workflow-imports.js");
    let app = await bundlePart(entry, roots, external);
    const replaced = requiredBy(app).filter((name) => stub.test(name));
    if (replaced.length > 0) {
      const getters = replaced.map((path) => {
        const { href } = pathToFileURL(path.replace(/(?=\.[jt]s$)/, "-impl"));
        return `get ${JSON.stringify(path)}() { return ${load(href)}; },\n`;
      });
      const modules = `exports.modules = {\n${getters.join("")}};`;
      app = await bundlePart(entry + modules, roots, external);
    }
    const isRefused = (name: string) =>
      matches(name, disallowedModules) && !matches(name, ignoreModules);
    const own = [preload, app].map((part) => adapt(part, sdkModule, isRefused));
    const findings = own.flatMap(({ findings }) => findings);
    const wrong = [preload, app].flatMap(({ modules }) => modules)
      .map((path) => [path, reasonAgainst(path, sdk.modules, isRefused)])
      .filter((entry): entry is [string, string] => !!entry[1]);
    if (findings.length > 0 || wrong.length > 0) {
      const graph = await readGraph(roots, setup);
      const errors = findings.map((finding) => explainFinding(finding, graph));
      for (const [path, reason] of wrong) {
        errors.push(explainModule(path, reason, graph));
      }
      return { errors: [...new Set(errors)], files: filesOf(graph) };
    }
    const parts = { sandbox, sdk, preload: own[0].part, app: own[1].part };
    const ignored = [preload, app].flatMap(requiredBy)
      .filter((name) => matches(name, ignoreModules));
    const modules = Object.values(parts).flatMap(({ modules }) => modules)
      .concat(bundlerModules)
      .filter((path) => !isPublished(path));
    const isRemote = (name: string) => /^https?:/.test(name);
    const graph = modules.some(isRemote) && await readGraph(roots, setup);
    const texts = textsOf(parts);
    const files = modules.map((path) => {
      if (!graph || !isRemote(path)) return { path, text: texts.get(path) };
      const { local } = graph.modules.find((m) => m.specifier === path) ?? {};
      return { path: local ?? path };
    });
    return {
      code: joinParts(parts, ignored),
      inputs: describeInputs(files, started),
      files: files.map(({ path }) => path),
    };
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    const graph = await readGraph(roots, setup);
    return {
      files: filesOf(graph),
      errors: error.reports.flatMap((report) => {
        const { text, location } = report;
        // The other one of these names the module.
        if (text.startsWith("This require call is not allowed")) return [];
        if (!text.startsWith("Top-level await")) {
          return explainReport(report, graph);
        }
        const source = resolve(location!.file);
        const line = findTopLevelAwait(
          Deno.readTextFileSync(source),
          sdkModule,
        );
        const reason = "Top-level await is not available in Workflow code";
        const place = { source, line: line ?? location!.line };
        return explainFinding({ reason, place }, graph);
      }),
    };
  }
}

function filesOf({ modules }: Graph): string[] {
  return modules.map(({ specifier }) => specifier)
    .filter((specifier) => specifier.startsWith("file:")).map((url) =>
      fileURLToPath(url)
    );
}

/** Makes specifiers of paths. A path may lack an extension, or be of a folder. */
function toUrls(names: (string | undefined)[] = [], folder: string): string[] {
  const paths = names.flatMap((name) =>
    name === undefined ? [] : /^\.\.?\//.test(name) ? join(folder, name) : name
  );
  return [...new Set(paths)].map((path) => {
    if (!isAbsolute(path)) return path;
    const file = extensions.map((extension) => path + extension)
      .find((path) => existsSync(path) && Deno.statSync(path).isFile);
    if (!file) {
      throw new BundleError([{ text: `"${path}" does not exist` }]);
    }
    return pathToFileURL(Deno.realPathSync(file)).href;
  });
}

/** Says why a module cannot be in the application's part. */
function reasonAgainst(
  path: string,
  sdkModules: string[],
  isRefused: (name: string) => boolean,
): string | undefined {
  if (path.endsWith(".wasm")) {
    return "WebAssembly is not available in Workflow code: run it in an Activity";
  }
  const [, folder, name] = path.match(
    /^(.*[\\/]node_modules[\\/](@temporalio[\\/][^\\/]+))[\\/]/,
  ) ?? [];
  if (!folder) return;
  if (isRefused(name)) return `"${name}"${disallowed}`;
  const [own] = sdkModules
    .filter((module) => module.includes(`node_modules/${name}/`));
  if (own && !own.startsWith(`${folder}/`)) {
    return `"${name}" is another copy of the SDK than the Worker's: import the same version everywhere`;
  }
}

/** What a package or a module of Node.js may be called, as of `Deno.bundle`. */
function patternsOf(name: string, folder: string): string[] {
  const patterns = ["", "node:", "npm:", "npm:/"]
    .flatMap((scheme) => [scheme + name, `${scheme}${name}@*`]);
  for (; folder !== dirname(folder); folder = dirname(folder)) {
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

/** The texts of modules, which are in the source maps. */
function textsOf(parts: Record<string, Part>): Map<string, string> {
  const maps = Object.values(parts)
    .flatMap(({ pieces }) => pieces.map(({ map }) => map));
  return new Map(
    maps.flatMap(({ sources, sourcesContent }) =>
      sources.map((source, index) => [source, sourcesContent[index]])
    ),
  );
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

/**
 * Returns the flags with which the Worker's process was started, of those that decide
 * what an import means. It cannot see them itself.
 */
async function readFlags(
  { argumentCount, cwd }: BundleSetup,
): Promise<string[]> {
  const { stdout } = await new Deno.Command("cat", {
    args: [`/proc/${Deno.ppid}/cmdline`],
    stderr: "null",
  }).output().catch(() => ({ stdout: new Uint8Array() }));
  const args = new TextDecoder().decode(stdout).split("\0").slice(1, -1);
  const flags: string[] = [];
  const own = args.slice(0, args.length - argumentCount);
  for (const [index, arg] of own.entries()) {
    if (!resolutionFlag.test(arg)) continue;
    flags.push(arg);
    const takesValue = /^(?:-c|--(?:cert|conditions|config|import-map))$/;
    if (takesValue.test(arg)) flags.push(own[index + 1]);
  }
  return flags.map((flag, index) =>
    /^(?:-c|--(?:cert|config|import-map))$/.test(flags[index - 1])
      ? resolve(cwd, flag)
      : flag.replace(
        /^(--(?:cert|config|import-map|lock)=)(.*)/,
        (_, name, path) => name + resolve(cwd, path),
      )
  );
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
