/**
 * Reads Deno's module graph, which `deno info --json` prints: for each import of
 * each module, it says which module the import means.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DenoPluginError } from "../errors.ts";

/** Deno's module graph of Workflow code. */
export interface Graph {
  /** The modules, by the name that webpack gives them: path or URL. */
  modules: Map<string, GraphModule>;
  /**
   * The files that decide what the graph holds: its local modules, and each
   * configuration and lock file in use. A file that could be added, such as
   * `deno.json` in a folder that has none, is listed, too.
   */
  files: string[];
  /** Returns what an import means, or `undefined` if the graph does not hold it. */
  resolve(importer: string, specifier: string): Resolution | undefined;
}

/** A module, as `deno info --json` describes it. */
export interface GraphModule {
  specifier: string;
  kind?: "asserted" | "esm" | "external" | "node" | "npm";
  error?: string;
  local?: string;
  mediaType?: string;
  moduleName?: string;
  npmPackage?: string;
  dependencies?: {
    specifier: string;
    assertionType?: string;
    code?: {
      specifier?: string;
      error?: string;
      span: { start: { line: number } };
    };
  }[];
}

/** What an import means. */
export interface Resolution {
  /** What webpack is to load instead of the specifier. */
  request: string;
  /** The folder from which webpack finds `request`, if it is an npm package. */
  context?: string;
  /** The `type` of the import's attributes. */
  type?: string;
  /** The line of the import. */
  line: number;
  /** Why Deno cannot load the module. */
  error?: string;
  /** Whether there is no such module for Deno, though webpack may find one. */
  missing?: boolean;
}

const extensions = ["", ".ts", ".js", "/index.ts", "/index.js"];
const configFiles = [
  ".swcrc",
  "deno.json",
  "deno.jsonc",
  "deno.lock",
  "package.json",
];

/**
 * Reads Deno's module graph. Deno installs npm packages and downloads modules that
 * the graph needs, within `deno.lock`.
 *
 * @param roots absolute paths or URLs of modules; a folder means its index module
 * @throws {Deno.errors.NotCapable} without the permission to run Deno
 */
export async function readGraph(roots: string[]): Promise<Graph> {
  const urls: string[] = [];
  for (const root of roots.filter((root) => !isPackage(root))) {
    const url = /^https?:/.test(root) ? root : await findModule(root);
    if (url) urls.push(url);
  }
  const imports = urls.map((url) => `import ${JSON.stringify(url)};`).join("");
  const folders = urls.filter((url) => url.startsWith("file:"))
    .map((url) => dirname(fileURLToPath(url)));
  // Hosts that Deno does not trust by itself, if this program may import them.
  const { state } = await Deno.permissions.query({ name: "import" });
  const allow = state === "granted" ? ["--allow-import"] : [];
  const root = `data:text/javascript,${encodeURIComponent(imports)}`;
  const info = await runDeno(
    ["info", "--json", ...allow, root],
    folders[0],
  );
  const { redirects, npmPackages = {}, modules } = JSON.parse(info) as {
    modules: GraphModule[];
    redirects: Record<string, string>;
    npmPackages?: Record<string, { name: string; localPath: string }>;
  };
  const bySpecifier = new Map(modules.map((m) => [m.specifier, m]));
  const byName = new Map(modules.map((m) => [nameOf(m.specifier), m]));
  // Webpack's entries have no importer, as the roots have none in Deno's graph.
  byName.set("", modules.find((m) => m.specifier.startsWith("data:"))!);
  const find = (specifier: string): GraphModule | undefined =>
    redirects[specifier] && redirects[specifier] !== specifier
      ? find(redirects[specifier])
      : bySpecifier.get(specifier);

  const locate = (module: GraphModule): Omit<Resolution, "line"> => {
    const { specifier, kind } = module;
    if (kind === "node") return { request: module.moduleName! };
    if (kind === "npm") {
      const { name, localPath } = npmPackages[module.npmPackage!];
      const [, path] = specifier.match(/^npm:\/?@?[^@]+@[^/]+(.*)$/)!;
      const context = localPath.slice(0, -`/node_modules/${name}`.length);
      const error = isPackage(localPath)
        ? undefined
        : `Cannot bundle "${name}": set "nodeModulesDir" to "auto"`;
      return { request: name + path, context, error };
    }
    const request = specifier.startsWith("file:")
      ? specifier
      : nameOf(specifier);
    const error = module.error && summarize(module.error);
    return {
      request,
      error,
      missing: /^(Module not found|\[ERR_UNSUPPORTED_DIR_IMPORT\])/.test(
        error ?? "",
      ),
    };
  };

  // What is imported for its types alone has no part in the bundle.
  const reached = new Set([byName.get("")!]);
  for (const module of reached) {
    for (const { code } of module.dependencies ?? []) {
      const imported = code?.specifier && find(code.specifier);
      if (imported) reached.add(imported);
    }
  }
  const local = Array.from(reached).flatMap(({ specifier, local }) =>
    specifier.startsWith("file:") && local && !isPackage(local) ? [local] : []
  );
  return {
    modules: byName,
    files: [...local, ...await findConfigFiles(local)],
    resolve(importer, specifier) {
      const dependency = byName.get(importer)?.dependencies
        ?.find((d) => d.specifier === specifier && d.code);
      const { code, assertionType: type } = dependency ?? {};
      if (!code) return;
      const line = code.span.start.line + 1;
      if (code.error) {
        const error = summarize(code.error);
        return { request: specifier, error, missing: true, line };
      }
      const module = find(code.specifier!);
      // A package of package.json: Deno names a file that may be for a server.
      if (!module || module.local && isPackage(module.local)) return;
      return { ...locate(module), type, line };
    },
  };
}

/** Returns the URL of a module, whose path is resolved as webpack does. */
async function findModule(path: string): Promise<string | undefined> {
  for (const extension of extensions) {
    const info = await Deno.stat(path + extension).catch(() => null);
    if (!info?.isFile) continue;
    return pathToFileURL(await Deno.realPath(path + extension)).href;
  }
}

async function runDeno(args: string[], cwd?: string): Promise<string> {
  // The permission to run "deno" is for the one on PATH, which may be another.
  const own = Deno.build.standalone ? "deno" : Deno.execPath();
  const { state } = await Deno.permissions.query({ name: "run", command: own });
  const command = state === "granted" ? own : "deno";
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  const text = decoder.decode(stderr);
  const [reason] = text.match(/(?<=^error: ).*/m) ?? [text.trim()];
  throw new DenoPluginError(
    `Cannot bundle Workflow code: Deno cannot read its imports: ${reason}`,
  );
}

/** Lists the files of `names` in the folders of these modules and above them. */
async function findConfigFiles(modules: string[]): Promise<string[]> {
  const folders = new Set<string>();
  for (let folder of modules.map(dirname)) {
    for (; !folders.has(folder); folder = dirname(folder)) folders.add(folder);
  }
  const files = new Set<string>();
  for (const folder of folders) {
    for (const name of configFiles) {
      files.add(join(folder, name));
      if (!name.startsWith("deno.json")) continue;
      const text = await Deno.readTextFile(join(folder, name)).catch(() => "");
      const paths = text.matchAll(/"(?:importMap|lock|path)"\s*:\s*"([^"]+)"/g);
      for (const [, path] of paths) files.add(join(folder, path));
    }
  }
  return [...files];
}

/** Webpack's name for a module: it would cut off a URL's query. */
function nameOf(specifier: string): string {
  return specifier.startsWith("file:")
    ? fileURLToPath(specifier)
    : specifier.replaceAll("?", "%3F").replaceAll("#", "%23");
}

/** An error of Deno's in one line, without what our own message says. */
function summarize(error: string): string {
  const [place = ""] = error.match(/ at file:\S+$/) ?? [];
  return error.split("\n")[0].replace(/\.$| from "[^"]+"$/, "") + place;
}

/** Whether a path lies in an installed npm package. */
export function isPackage(path: string): boolean {
  return /[\\/]node_modules[\\/]/.test(path);
}
