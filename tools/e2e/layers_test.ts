/** Which modules of the project import which. */

import { assert, assertEquals } from "@std/assert";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "../../packages/cli/processes.ts";
import { root } from "../shared/project.ts";

Deno.test.sanitizer({ ops: true, resources: true });

/** Folders, and what their modules may import besides their own folder. */
const layers: Record<string, string[]> = {
  "packages/plugin": [],
  "packages/cli": ["packages/plugin", "tools/std"],
  "packages/create": ["tools/std"],
  "tools/std": [],
  "tests": ["packages/cli", "packages/plugin", ".", "tools/std"],
  "examples": ["packages/cli", "packages/plugin", "tools/std"],
  // The root's own modules.
  ".": ["packages/cli", "packages/plugin", "tools/std"],
};

/** Lists the modules of a folder, without tests and tools. */
function* modulesOf(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(root, folder))) {
    const path = join(folder, name);
    if (isDirectory && !/^\.|^(?:node_modules|testdata|tools)$/.test(name)) {
      yield* modulesOf(path);
    } else if (/(?<!_test)\.ts$/.test(name)) yield path;
  }
}

/** The modules' own imports, as paths within the project. */
const imports: [from: string, to: string][] = await readImports();

async function readImports() {
  const code = [...modulesOf(".")]
    .map((path) => `import "${pathToFileURL(join(root, path))}";`).join("");
  const entry = `data:text/javascript,${encodeURIComponent(code)}`;
  const info = await run([Deno.execPath(), "info", "--json", entry], {
    cwd: root,
    signal: AbortSignal.timeout(60_000),
  });
  const { modules } = JSON.parse(info) as {
    modules: {
      specifier: string;
      dependencies?: { code?: { specifier?: string } }[];
    }[];
  };
  const pathOf = (specifier = "") =>
    specifier.startsWith("file:")
      ? relative(root, fileURLToPath(specifier))
      : "";
  return modules.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.map(({ code }): [string, string] => [
      pathOf(specifier),
      pathOf(code?.specifier),
    ])
  ).filter((paths) =>
    paths.every((path) => /\.ts$/.test(path) && !path.includes("node_modules"))
  );
}

Deno.test("imports go one way: from the project to cli, from cli to plugin", () => {
  const layerOf = (path: string) =>
    Object.keys(layers).find((layer) => path.startsWith(`${layer}/`)) ?? ".";
  const wrong = imports.filter(([from, to]) => {
    const [layer, target] = [from, to].map(layerOf);
    return layer !== target && !layers[layer].includes(target);
  });
  assertEquals(wrong, []);
  assert(imports.length > 50);
});

Deno.test("no two modules import each other", () => {
  const all = new Set(imports.map(String));
  assertEquals(imports.filter(([from, to]) => all.has(`${to},${from}`)), []);
});
