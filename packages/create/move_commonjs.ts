/**
 * The CommonJS modules of an application that moves: Deno and Node.js take `.js` files
 * of a package of ES modules for these.
 *
 * @module
 */

import { basename, dirname, join } from "node:path/posix";
import { ModuleResolutionKind, Node, Project, ScriptTarget } from "ts-morph";
import { type Application, toCommonJs } from "./move_application.ts";

/** The suggestion of TypeScript to convert a CommonJS module. */
const IS_COMMON_JS = 80001;

/** What generated modules do not load. */
const sdk =
  /\brequire\(\s*["']@temporalio\/(?:activity|client|testing|worker|workflow)["']/;

/** Makes ES modules of CommonJS ones that a person wrote, and keeps the others. */
export function moveCommonJs(app: Application): void {
  const { texts, packages, changes, todo } = app;
  const found: string[] = [];
  for (const [path, text] of [...texts]) {
    if (!isCommonJs(path, text)) continue;
    const name = basename(path);
    const folder = packageOf(app, path);
    const manifest = packages.get(folder);
    const isConverted = manifest && becomesModules(app, folder);
    const renamed = toCommonJs(path);
    const isTaken = texts.has(renamed) || app.unread.has(renamed);
    if (!/^\.|\.config\.js$|rc\.js$/.test(name)) found.push(path);
    else if (isConverted && !name.startsWith("next.") && !isTaken) {
      texts.delete(path);
      texts.set(renamed, text);
      app.commonJs.add(renamed);
      changes.push({ path, text: `is renamed to "${basename(renamed)}"` });
      const scripts = Object.values(manifest.scripts ?? {}).join("\n");
      if (scripts.includes(name)) {
        const text = `scripts name "${name}", which is "${basename(renamed)}"`;
        todo.push({ path: join(folder, "package.json"), text });
      }
    } else app.commonJs.add(path);
  }
  if (found.some((path) => sdk.test(texts.get(path)!))) {
    return convert(app, found.filter((path) => path.endsWith(".js")));
  }
  for (const path of found) {
    app.commonJs.add(path);
    const own = join(dirname(path), "package.json");
    const folder = packageOf(app, path);
    if (!path.endsWith(".js") || !becomesModules(app, folder)) continue;
    if (texts.has(own)) {
      const text =
        "it is CommonJS in a package of ES modules: convert it, or " +
        "rename it to .cjs";
      todo.push({ path, text });
    } else {
      texts.set(own, '{ "type": "commonjs" }\n');
      const text = "keeps this folder's .js files CommonJS";
      changes.push({ path: own, text });
    }
  }
}

/** Whether a package will have ES modules, and does not say so yet. */
export function becomesModules(app: Application, folder: string): boolean {
  const manifest = app.packages.get(folder);
  return manifest !== undefined && manifest.type === undefined;
}

/** Returns the folder of the package that a file belongs to. */
function packageOf({ texts }: Application, path: string): string {
  let folder = dirname(path);
  while (folder !== "." && !texts.has(join(folder, "package.json"))) {
    folder = dirname(folder);
  }
  return folder;
}

function isCommonJs(path: string, text: string): boolean {
  return /\.(?:cjs|js)$/.test(path) &&
    /\brequire\(|\bmodule\.exports\b|^exports\.\w+ =/m.test(text) &&
    !/^(?:import|export)\b/m.test(text);
}

/** Converts modules as TypeScript's language service does. */
function convert({ texts, changes }: Application, paths: string[]) {
  const project = new Project({
    compilerOptions: {
      noLib: true, // Its types take long to read, and nothing here asks for them
      allowJs: true,
      moduleResolution: ModuleResolutionKind.Bundler,
      target: ScriptTarget.ESNext,
    },
    useInMemoryFileSystem: true,
  });
  const sources = paths.map((path) =>
    project.createSourceFile(`/${path}`, texts.get(path))
  );
  for (const source of sources) {
    project.getLanguageService()
      .getCodeFixesAtPosition(source, 0, 0, [IS_COMMON_JS])
      .flatMap((fix) => fix.getChanges())
      .forEach((change) => change.applyChanges());
  }
  // An object of names is not what importers destructure, and the SDK enumerates.
  for (const source of sources) {
    const object = source.getExportAssignment(() => true)?.getExpression();
    if (!Node.isObjectLiteralExpression(object)) continue;
    const properties = object.getProperties();
    if (!properties.every(Node.isShorthandPropertyAssignment)) continue;
    const names = properties.map((one) => one.getName()).join(", ");
    object.getParentOrThrow().replaceWithText(`export { ${names} };`);
  }
  for (const [index, source] of sources.entries()) {
    for (const one of source.getImportDeclarations()) {
      const target = one.getModuleSpecifierSourceFile();
      const name = one.getDefaultImport()?.getText();
      if (!name || !target || target.getDefaultExportSymbol()) continue;
      one.removeDefaultImport().setNamespaceImport(name);
    }
    const path = paths[index];
    texts.set(path, source.getFullText());
    changes.push({ path, text: "is converted to an ES module" });
  }
}
