/**
 * Moves an application of Temporal's TypeScript SDK from Node.js to Deno.
 *
 * As a program, it takes the application's folder.
 *
 * @module
 */

import { join } from "node:path";
import { parseEnv } from "node:util";
import { Project, ScriptTarget, ts } from "ts-morph";
import { moveCommonJs } from "./move_commonjs.ts";
import {
  moveManifests,
  moveTsConfigs,
  readManifests,
  readTsConfigs,
} from "./move_config.ts";
import {
  Application,
  type Finding,
  isKept,
  toCommonJs,
} from "./move_application.ts";
import { findHidden, locate, renameModule } from "./move_modules.ts";
import { moveSource } from "./move_source.ts";
import { fail, printable, readCommandLine } from "./program.ts";
import { checkout, isInside } from "./project.ts";

export type { Finding };

/** The application cannot be moved. The message says why, in one line. */
export class MoveError extends Error {
  /** Tells it apart in logs. */
  override name = "MoveError";
}

/** How to move an application. */
export interface MoveOptions {
  /** Whether to change nothing (default: false). */
  check?: boolean;
  /** Whether to move files with changes that are not committed (default: false). */
  allowDirty?: boolean;
}

/** What {@linkcode moveApplication} has found, by path and line in the moved files. */
export interface Move {
  /** What it changed or, with `check`, would change. */
  changes: Finding[];
  /** What a person has to look at. */
  todo: Finding[];
}

const usage = `Usage: [--check] [--allow-dirty] FOLDER
Moves an application of Temporal's TypeScript SDK from Node.js to Deno
  --check        Print what would change, and change nothing
  --allow-dirty  Change files that have uncommitted changes, too
  --help         Show this help`;

/** A larger file is not source that a person wrote. */
const MAX_BYTES = 1_000_000;
/** What is nested deeper overflows the stack of TypeScript's compiler. */
const MAX_DEPTH = 1_000;

const sourceFile = /\.(?:[cm]?[jt]s|[jt]sx)$/;
const declarationFile = /\.d\.[cm]?ts$/;
/** What Workers get as plugins on Node.js. */
const noPlugins =
  `// On Deno, deno.json replaces this module by deno_plugins.deno.ts.
export const denoPlugins = [];
`;

/** What they get on Deno. */
const plugins = `// @ts-ignore: tsc does not find what only deno.json names.
import { DenoPlugin } from "@temporal-on-deno/plugin";

export const denoPlugins = [new DenoPlugin()];
`;

/**
 * Moves the application in a folder, which holds its `package.json`. It reads and
 * writes that folder and a temporary one, and runs Deno and Git.
 *
 * @throws {MoveError} if it cannot be moved; then nothing has changed
 */
export async function moveApplication(
  folder: string,
  { check = false, allowDirty = false }: MoveOptions = {},
): Promise<Move> {
  const refuse = (reason: string): never => {
    throw new MoveError(`Cannot move "${folder}": ${reason}`);
  };
  const root = await Deno.realPath(folder)
    .catch(() => refuse("it does not exist, or cannot be read"));
  if (!(await Deno.stat(root)).isDirectory) refuse("it is not a folder");
  if (checkout !== undefined && isInside(checkout, root)) {
    refuse("it is in the checkout");
  }
  const app = new Application(root);
  const { texts, changes, todo, unread } = app;
  try {
    readFolder(app);
  } catch (error) {
    refuse(reasonOf(error));
  }
  for (const path of check || allowDirty ? [] : ["", ...app.repositories]) {
    const reason = await findUncommitted(join(root, path));
    if (reason) refuse(reason);
  }
  const given = new Map(texts);
  readTsConfigs(app);
  readManifests(app);
  if (!texts.has("package.json")) {
    const reason = unread.get("package.json");
    refuse(
      reason?.replace("it", "its package.json") ?? "it has no package.json",
    );
  }
  if (![...app.declared].some((name) => name.startsWith("@temporalio/"))) {
    refuse("its package.json names no package of Temporal");
  }
  moveCommonJs(app);
  const sources = [...texts.keys()].filter((path) =>
    sourceFile.test(path) && !declarationFile.test(path) &&
    !app.commonJs.has(path) && !isKept(app, path) && !/(?:^|\/)\./.test(path)
  );
  await markTypes(app, sources);
  await moveSources(app, sources);
  moveTsConfigs(app);
  moveManifests(app);
  for (const path of unread.keys()) texts.delete(path);
  if (!check) {
    await withoutSignals(() => write(root, given, texts))
      .catch((error) => refuse(reasonOf(error)));
  }
  return { changes: changes.filter(({ path }) => !unread.has(path)), todo };
}

/** Says what the system has refused, in one line; throws any other error. */
function reasonOf(error: unknown): string {
  const { code, message } = error as Error & { code?: string };
  if (!code) throw error;
  return message.replace(/ \(os error \d+\)/, "");
}

/** Says why files of a folder may not be committed, if it is in a repository. */
async function findUncommitted(folder: string): Promise<string | undefined> {
  try {
    const filters = await runGit(folder, [
      ...["config", "--show-scope", "--name-only", "-z"],
      ...["--get-regexp", "^filter[.]"],
    ]);
    const own = [...filters.stdout.matchAll(/(?:local|worktree)\0([^\0]*)\0/g)]
      .map(([, name]) => [name, ""]);
    const { success, stdout, stderr } = await runGit(folder, [
      ...["status", "--porcelain", "--untracked-files=normal"],
      ...["--ignore-submodules=all", "--", "."],
    ], [["core.fsmonitor", "false"], ...own]);
    if (stdout) {
      return "it has uncommitted changes; commit them, or add --allow-dirty";
    }
    if (success || stderr.includes("not a git repository (or any")) return;
    const [reason] = stderr.replace(/^fatal: /, "").split("\n");
    return `Git cannot tell whether it has uncommitted changes: ${reason}; ` +
      "correct that, or add --allow-dirty";
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Runs Git, but none of the programs that a repository configures. */
async function runGit(
  cwd: string,
  args: string[],
  config: string[][] = [],
) {
  const entries = config.flatMap(([name, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, name],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args,
    cwd,
    env: {
      // Without these, it runs hooks when it writes the index, and what fetches.
      GIT_OPTIONAL_LOCKS: "0",
      GIT_ALLOW_PROTOCOL: "none",
      GIT_CONFIG_COUNT: `${config.length}`,
      ...Object.fromEntries(entries),
      LC_ALL: "C",
    },
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { success, stdout: out, stderr: error };
}

/** Reads what may be an application's own files. It follows no links. */
function readFolder(app: Application, prefix = "") {
  for (const entry of Deno.readDirSync(join(app.root, prefix))) {
    const { name } = entry;
    const path = prefix + name;
    if (entry.isDirectory) {
      const isOwn = !/^(?:\.|node_modules$)/.test(name) &&
        join(app.root, path) !== checkout;
      if (isOwn) readFolder(app, `${path}/`);
    }
    if (name === ".git" && prefix) app.repositories.push(prefix);
    if (entry.isDirectory) continue;
    if (sourceFile.test(name) || /\.jsonc?$|^\.env/.test(name)) {
      const reason = readSource(app, path);
      if (reason) app.leave(path, reason);
    }
  }
}

/** Reads a file if it may be source that a person wrote; returns why it is not. */
function readSource(app: Application, path: string): string | undefined {
  const file = join(app.root, path);
  try {
    const { isFile, size } = Deno.lstatSync(file);
    if (!isFile) return "it is a link, or no file";
    if (size > MAX_BYTES) {
      return path.endsWith("lock.json") ? undefined : "it is larger than 1 MB";
    }
    const text = new TextDecoder("utf-8", { fatal: true })
      .decode(Deno.readFileSync(file));
    if (/(?:^|\/)\.env/.test(path)) {
      app.variables.push(...Object.keys(parseEnv(text)));
    } else if (isDeep(path, text)) return "it is nested too deeply";
    else app.texts.set(path, text);
  } catch (error) {
    return error instanceof TypeError ? "it is not UTF-8" : "it cannot be read";
  }
}

/** Whether code or JSON is nested too deeply for TypeScript's compiler. */
function isDeep(path: string, text: string): boolean {
  const isBelow = (node: ts.Node, depth: number): boolean =>
    depth === 0 ||
    ts.forEachChild(node, (child) => isBelow(child, depth - 1) || undefined) ===
      true;
  try {
    return isBelow(
      ts.createSourceFile(path, text, ScriptTarget.ESNext),
      MAX_DEPTH,
    );
  } catch {
    return true; // The stack overflows.
  }
}

/** Marks imports of types, which Node.js does not tell from others, by Deno's linter. */
async function markTypes(app: Application, all: string[]) {
  const { texts, changes } = app;
  // Decorators may need a class where the code has only its type.
  const paths = all.filter((path) => !/^\s*@\w/m.test(texts.get(path)!));
  const folder = await Deno.makeTempDir();
  try {
    const fileOf = (index: number) =>
      join(folder, `${index}${paths[index].match(/\.\w+$/)![0]}`);
    for (const [index, path] of paths.entries()) {
      await Deno.writeTextFile(fileOf(index), texts.get(path)!);
    }
    await new Deno.Command("deno", {
      args: [
        ...["lint", "-q", "--no-config", "--fix", "--rules-tags="],
        ...["--rules-include=verbatim-module-syntax", folder],
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    for (const [index, path] of paths.entries()) {
      const before = texts.get(path)!.split("\n");
      const after = (await Deno.readTextFile(fileOf(index))).split("\n");
      texts.set(path, after.join("\n"));
      const line = after.findIndex((text, line) => text !== before[line]) + 1;
      if (line > 0) {
        changes.push({ path, line, text: "imports types as types" });
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function moveSources(app: Application, paths: string[]) {
  const { texts, todo } = app;
  const project = new Project({
    compilerOptions: {
      noLib: true, // Its types take long to read, and nothing here asks for them
      allowJs: true,
      baseUrl: "/",
      paths: Object.fromEntries(
        app.aliases.map(([pattern, target]) => [pattern, [target]]),
      ),
      target: ScriptTarget.ESNext,
    },
    skipAddingFilesFromTsConfig: true,
    useInMemoryFileSystem: true,
  });
  const sources = paths.map((path) =>
    [path, project.createSourceFile(`/${path}`, texts.get(path))] as const
  ).filter(([path, source]) => {
    const [error] = project.getProgram().getSyntacticDiagnostics(source);
    const line = error?.getLineNumber();
    if (error) {
      todo.push({
        path,
        line,
        text: "it has a syntax error: it stays as it is",
      });
    }
    return !error;
  });
  const imported = new Map<string, Set<string>>();
  for (const [path, source] of sources) {
    for (const one of source.getImportDeclarations()) {
      const given = one.getModuleSpecifierValue();
      if (one.isTypeOnly() || locate(app, given, path)) continue;
      const name = renameModule(app, given, path);
      const isPackage = name &&
        /^(?!@temporal-on-deno\/)[@\w][^:]*$/.test(name) &&
        !app.imports[name];
      if (!isPackage) continue;
      const names = one.getNamedImports().filter((one) => !one.isTypeOnly())
        .map((one) => one.getName());
      imported.set(name, new Set([...imported.get(name) ?? [], ...names]));
    }
  }
  const pluginFile = `${pluginFolder(app, paths)}deno_plugins.ts`;
  const hidden = await findHidden(app, imported);
  for (const [path, source] of sources) {
    texts.set(path, moveSource(app, source, { path, hidden, pluginFile }));
  }
  const isUsed = paths.some((path) => texts.get(path)!.includes("denoPlugins"));
  if (!isUsed) return;
  const ownFile = pluginFile.replace(/ts$/, "deno.ts");
  app.imports[`./${pluginFile}`] = `./${ownFile}`;
  for (const [path, text] of [[pluginFile, noPlugins], [ownFile, plugins]]) {
    if (texts.has(path)) continue;
    texts.set(path, text);
    app.changes.push({ path, text: "says which plugins Workers have" });
  }
}

/** Returns the folder that the modules which create Workers share. */
function pluginFolder({ texts }: Application, paths: string[]): string {
  if (paths.some((path) => path.startsWith("src/"))) return "src/";
  const [first = "", ...others] = paths
    .filter((path) =>
      /@temporalio\/(?:testing|worker)\b/.test(texts.get(path)!)
    )
    .map((path) => path.replace(/[^/]*$/, ""));
  let shared = first;
  while (others.some((path) => !path.startsWith(shared))) {
    shared = shared.replace(/[^/]*\/$/, "");
  }
  return shared;
}

/** Lets a function end that would leave half of its work when a signal ends the program. */
async function withoutSignals(act: () => Promise<void>) {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGHUP", "SIGINT", "SIGTERM"];
  const ignore = () => {};
  for (const signal of signals) Deno.addSignalListener(signal, ignore);
  try {
    await act();
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, ignore);
  }
}

/** Writes what differs, or nothing. A file is replaced at once, and no link followed. */
async function write(
  root: string,
  given: Map<string, string>,
  texts: Map<string, string>,
) {
  const changed = [...texts].filter(([path, text]) => text !== given.get(path));
  if (changed.length === 0) return;
  const folder = await Deno.makeTempDir({ dir: root, prefix: ".move-" });
  const done: string[] = [];
  try {
    for (const [index, [path, text]] of changed.entries()) {
      const copy = join(folder, `${index}`);
      await Deno.writeTextFile(copy, text);
      const { mode } = given.has(path)
        ? await Deno.lstat(join(root, path))
        : { mode: null };
      if (mode !== null && Deno.build.os !== "windows") {
        await Deno.chmod(copy, mode & 0o777);
      }
    }
    for (const [index, [path]] of changed.entries()) {
      await Deno.rename(join(folder, `${index}`), join(root, path));
      done.push(path);
    }
  } catch (error) {
    for (const path of done) {
      const text = given.get(path);
      if (text === undefined) await Deno.remove(join(root, path));
      else await Deno.writeTextFile(join(root, path), text);
    }
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  for (const path of given.keys()) {
    const renamed = toCommonJs(path);
    const isRenamed = !texts.has(path) && texts.has(renamed) &&
      !given.has(renamed);
    if (isRenamed) await Deno.remove(join(root, path));
  }
}

if (import.meta.main) {
  const { folder, options } = readCommandLine(usage, {
    folderName: "application",
    options: ["--check", "--allow-dirty"],
  });
  const check = options.has("--check");
  const allowDirty = options.has("--allow-dirty");
  try {
    const { changes, todo } = await moveApplication(folder, {
      check,
      allowDirty,
    });
    const print = (title: string, findings: Finding[]) => {
      if (findings.length > 0) console.log(title);
      for (const { path, line, text } of findings) {
        console.log(printable(`  ${path}${line ? `:${line}` : ""}  ${text}`));
      }
    };
    if (changes.length === 0) console.log("Nothing to change");
    print(check ? "Would change:" : "Changed:", changes);
    print("Look at:", todo);
    if (check) Deno.exit(0);
    console.log("Next:\n  deno install\n  deno task");
  } catch (error) {
    if (!(error instanceof MoveError)) throw error;
    fail(error.message);
  }
}
