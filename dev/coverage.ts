/**
 * Tells how much of the application its tests run (the task `coverage`).
 *
 * Deno counts Workflow code where it runs: in the bundle. Its counts are taken back
 * here, by the bundle's source map, to the module that they belong to, and from
 * there, by Deno's own, to the JavaScript that Deno made of that module: in terms
 * of that `deno coverage` wants them.
 *
 * @module
 */

import {
  generatedPositionFor,
  originalPositionFor,
  TraceMap,
} from "@jridgewell/trace-mapping";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { UserError } from "../lib/errors.ts";
import { runProgram } from "../lib/program.ts";
import { root } from "./project.ts";

const folder = join(root, "coverage");
const counts = join(folder, "counts");
const others = `^${
  pathToFileURL(root)
}/(dev|e2e|lib|links|node_modules|tests)/`;
const bundleFile = join(root, "node_modules/.cache/workflow-bundle.js");

/** How often the functions of a script ran, as V8 tells it. */
interface Counts {
  url: string;
  functions: {
    functionName: string;
    /** The function, then what counts otherwise in it; the ends are excluded. */
    ranges: Range[];
    isBlockCoverage: boolean;
  }[];
}

interface Range {
  startOffset: number;
  endOffset: number;
  count: number;
}

/** A place in a file, as the source maps have it; empty if they have none. */
type Place = ReturnType<typeof originalPositionFor>;

/** JavaScript that was made of other files, with a source map in it. */
class Script {
  readonly #lines = [0];
  readonly #map: TraceMap;

  /** The offset where its last function ends. */
  readonly end: number;

  constructor(code: string) {
    this.end = 1 + code.lastIndexOf("}", code.lastIndexOf("//# sourceMap"));
    for (const { index } of code.matchAll(/\n/g)) this.#lines.push(index + 1);
    const [, map] = /\/\/# sourceMappingURL=data:[^,]+,(\S+)/.exec(code)!;
    const bytes = Uint8Array.fromBase64(map);
    this.#map = new TraceMap(new TextDecoder().decode(bytes));
  }

  /** Tells whether the script has to do with a file. */
  isMadeOf(file: string): boolean {
    return this.#map.sources.includes(file);
  }

  /** The place in a file that an offset in the script comes from. */
  origin(offset: number): Place {
    const line = this.#lines.findLastIndex((start) => start <= offset);
    const column = offset - this.#lines[line];
    return originalPositionFor(this.#map, { line: line + 1, column });
  }

  /** The offset of what was made of a place in the only file of the script. */
  offset({ line, column }: Place): number | undefined {
    if (line === null) return;
    const source = this.#map.sources[0]!;
    const made = generatedPositionFor(this.#map, { source, line, column });
    if (made.line !== null) return this.#lines[made.line - 1] + made.column;
  }
}

/** Returns a module's counts, as they are in the bundle. */
function takeBack(
  module: Counts,
  script: Script,
  bundled: Counts,
  bundle: Script,
): Counts {
  const path = fileURLToPath(module.url);
  const [whole, ...known] = module.functions;
  const functions = bundled.functions.flatMap((counted) => {
    const { functionName: name, ranges: [own, ...blocks] } = counted;
    const { source, line } = bundle.origin(own.startOffset);
    if (source !== path) return [];
    // Of a function that both have, Deno's limits are more exact than a map's.
    const same = known.find(({ functionName, ranges }) =>
      functionName === name &&
      script.origin(ranges[0].startOffset).line === line
    );
    const ranges = blocks.flatMap((range) => translate(range, bundle, script));
    const [first] = same
      ? [{ ...same.ranges[0], count: own.count }]
      : translate(own, bundle, script);
    return first ? { ...counted, ranges: [first, ...ranges] } : [];
  });
  return { ...module, functions: [whole, ...functions] };
}

/** A range of one script in another of the same source; none if not in it. */
function translate(range: Range, from: Script, to: Script): Range[] {
  const start = to.offset(from.origin(range.startOffset));
  const last = to.offset(from.origin(range.endOffset - 1));
  if (start === undefined || last === undefined) return [];
  return [{ ...range, startOffset: start, endOffset: last + 1 }];
}

/** Replaces the counts of the bundle by those of its modules. */
async function takeAllBack() {
  const bundle = new Script(await Deno.readTextFile(bundleFile));
  const bundles: Counts[] = [];
  const modules = new Map<string, Counts>();
  for (const { name } of [...Deno.readDirSync(counts)]) {
    const file = join(counts, name);
    const script: Counts = JSON.parse(await Deno.readTextFile(file));
    const { url } = script;
    if (/\/workflow-bundle-\w+\.js$/.test(url)) {
      // There is no map of a bundle that a test has changed: it ends elsewhere.
      const { endOffset } = script.functions[1].ranges[0];
      if (endOffset === bundle.end) bundles.push(script);
    } else if (url.includes("/node_modules/")) continue;
    else if (bundle.isMadeOf(fileURLToPath(url))) modules.set(url, script);
    else continue;
    await Deno.remove(file);
  }
  const { stdout } = await deno("info", "--json").output();
  const { typescriptCache } = JSON.parse(new TextDecoder().decode(stdout));
  for (const module of modules.values()) {
    const { pathname } = new URL(module.url);
    const made = join(typescriptCache, "file", `${pathname}.js`);
    const script = new Script(await Deno.readTextFile(made));
    for (const bundled of bundles) {
      const file = join(counts, `${crypto.randomUUID()}.json`);
      const back = takeBack(module, script, bundled, bundle);
      await Deno.writeTextFile(file, JSON.stringify(back));
    }
  }
}

/** One of Deno's own commands. */
function deno(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), { args, cwd: root });
}

await runProgram("deno task coverage", {}, async () => {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const test = ["test", "-q", "--no-prompt", "--parallel", "-P"];
  const raw = ["--coverage-raw-data-only", `--coverage=${counts}`];
  if (!(await deno(...test, ...raw).spawn().status).success) {
    throw new UserError("There is no coverage where tests fail");
  }
  await takeAllBack();
  const report = ["coverage", counts, `--exclude=${others}`];
  const lcov = ["--lcov", `--output=${join(folder, "lcov.info")}`];
  await deno(...report).spawn().status;
  for (const format of [lcov, ["--html"]]) {
    await deno(...report, ...format).output();
  }
  await Deno.rename(join(counts, "html"), join(folder, "html"));
  await Deno.remove(counts, { recursive: true });
  console.log(
    "Line by line: coverage/html/index.html; as data: coverage/lcov.info",
  );
});
