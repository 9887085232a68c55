/**
 * Says why Workflow code cannot be bundled: what is wrong, in which line, and which
 * imports brought it into the bundle.
 *
 * @module
 */

import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Finding, findTopLevelAwait } from "./adapt.ts";
import { type Report, toUrl } from "./parts.ts";

/** Follows the name of a module that the SDK disallows in Workflow code. */
export const disallowed = " is a disallowed module";

/** Deno's module graph, as `deno info --json` prints it. It ends at npm packages. */
export interface Graph {
  /** The current folder of the Worker's process. */
  cwd: string;
  modules: {
    specifier: string;
    error?: string;
    local?: string;
    npmPackage?: string;
    dependencies?: {
      specifier: string;
      code?: { specifier?: string; span: { start: { line: number } } };
    }[];
  }[];
  redirects: Record<string, string>;
  npmPackages?: Record<
    string,
    { name: string; localPath: string; dependencies: string[] }
  >;
}

/** Says what is wrong with application code. */
export function explainFinding(finding: Finding, graph: Graph): string {
  if ("module" in finding) {
    const { module, reason } = finding;
    const importer = findChain(graph, module).at(-2) ?? module;
    const isMeant = (names: string[]) => names.includes(toUrl(module));
    return `${reason}, ${importersOf(graph, importer, isMeant).text}`;
  }
  const { source, line } = finding.place;
  if ("reason" in finding) {
    return `${finding.reason}, at ${display(source, graph)}:${line}`;
  }
  const { required } = finding;
  const by = importersOf(graph, source, (names) => names.includes(required));
  // As it is written there, with or without "node:".
  const name = by.specifier ?? required.replace("node:", "");
  return `"${name}"${disallowed}, ${by.text}`;
}

/**
 * Says what Deno reports; undefined if another report says it better.
 *
 * @param sdkModule the path of a module of the SDK's Worker
 */
export function explainReport(
  { text, location }: Report,
  graph: Graph,
  sdkModule: string,
): string | undefined {
  const [first] = text.split("\n");
  if (!location && first.includes("esbuild")) {
    return `Deno cannot download esbuild, its bundler: ${first}; run ` +
      '"deno task bundle" once where the npm registry is available';
  }
  if (first.startsWith("This require call is not allowed")) return;
  if (location && first.startsWith("Top-level await")) {
    const source = resolve(location.file);
    const line = findTopLevelAwait(Deno.readTextFileSync(source), sdkModule) ??
      location.line;
    const reason = "Top-level await is not available in Workflow code";
    return explainFinding({ reason, place: { source, line } }, graph);
  }
  const [, unresolved] = first.match(/^Could not resolve "(.*)"$/) ?? [];
  const [, unloaded] =
    first.match(/^Do not know how to load path: deno:(.*)$/) ?? [];
  const failed = graph.modules.find(({ specifier }) => specifier === unloaded);
  const reason = unresolved
    ? `Import "${unresolved}" not a dependency and not in import map`
    : (failed?.error ?? first).split("\n")[0].replace(/\.$| from "[^"]+"$/, "");
  const [, place = ""] = text.match(/^ *at (file:\S+)$/m) ?? [];
  // A module that nothing imports: `workflowsPath` or another option names it.
  if (!location?.file || location.file.startsWith("<")) {
    return place ? `${reason} at ${place}` : reason;
  }
  const importer = resolve(location.file);
  const isElsewhere = place && !place.startsWith(`${toUrl(importer)}:`);
  const isMeant = (names: string[]) =>
    names.some((name) => name === unresolved || text.includes(name));
  const by = importersOf(graph, importer, isMeant).text;
  return `${reason}${isElsewhere ? ` at ${place}` : ""}, ${by}`;
}

/**
 * Names the modules from an entry to an importer, and the line of the import.
 *
 * @param isMeant whether an import, with the names of its module, is the one
 */
function importersOf(
  graph: Graph,
  importer: string,
  isMeant: (names: string[]) => boolean,
): { text: string; specifier?: string } {
  const found = graph.modules
    .find(({ specifier }) => specifier === toUrl(importer))
    ?.dependencies?.find(({ specifier, code }) =>
      code && isMeant([specifier, code.specifier ?? specifier])
    );
  const names = findChain(graph, importer).map((name) =>
    display(graph.npmPackages?.[name]?.localPath ?? name, graph)
  );
  const line = found ? `:${found.code!.span.start.line + 1}` : "";
  const text = `imported by ${[...new Set(names)].join(" > ")}${line}`;
  return { text, specifier: found?.specifier };
}

/** Returns the modules and packages from an entry to a module. */
function findChain(graph: Graph, module: string): string[] {
  const { modules, npmPackages = {}, redirects } = graph;
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const entry = modules.find(({ specifier }) => specifier.startsWith("data:"));
  const queue = [[entry?.specifier ?? ""]];
  const seen = new Set<string>();
  for (const chain of queue) {
    const name = chain.at(-1)!;
    const folder = npmPackages[name]?.localPath;
    if (name === toUrl(module) || folder && module.startsWith(`${folder}/`)) {
      return chain.slice(1);
    }
    const next = npmPackages[name]?.dependencies ??
      byName.get(name)?.dependencies?.map(({ code }) => code?.specifier) ?? [];
    for (const specifier of next) {
      const actual = redirects[specifier!] ?? specifier;
      const target = byName.get(actual)?.npmPackage ?? actual;
      if (!target || seen.has(target)) continue;
      seen.add(target);
      queue.push([...chain, target]);
    }
  }
  return [module];
}

/** A module as a person would name it: the folder is the current one. */
function display(name: string, { cwd }: Graph): string {
  const path = name.startsWith("file:") ? fileURLToPath(name) : name;
  const [, inPackage] =
    path.match(/.*[\\/]node_modules[\\/]((?:@.+?[\\/])?[^\\/]+)/) ?? [];
  if (inPackage) return `npm:${inPackage}`;
  const short = relative(cwd, path);
  return /^\.\.|^\w{2,}:/.test(short) ? path : short;
}
