/**
 * The configuration of an application that moves: `package.json`, `tsconfig.json`,
 * `deno.json`.
 *
 * @module
 */

import { applyEdits, modify, parse, type ParseError } from "jsonc-parser";
import { basename, dirname, join } from "node:path/posix";
import {
  type Application,
  findFile,
  isCommonJs,
  type Manifest,
} from "./move_modules.ts";
import type { Finding } from "./move_source.ts";
import { movedConfig, readProfiles, type Source } from "./project.ts";

/** Parses JSON, which may have comments. If it cannot, it leaves the file alone. */
export function readJson<T>(
  { texts, todo }: { texts: Map<string, string>; todo: Finding[] },
  path: string,
): T | undefined {
  const text = texts.get(path);
  if (text === undefined) return;
  const errors: ParseError[] = [];
  const value = parse(text, errors, { allowTrailingComma: true });
  if (errors.length === 0 && Object(value) === value && !Array.isArray(value)) {
    return value;
  }
  texts.delete(path);
  todo.push({ path, text: "it is not valid JSON: it stays as it is" });
}

/** Sets or deletes a value, and leaves the rest of the file as it is. */
function setJson(
  { texts, changes }: Application,
  path: string,
  { key, value, text }: { key: string[]; value: unknown; text: string },
) {
  const before = texts.get(path)!;
  const after = applyEdits(
    before,
    modify(before, key, value, {
      formattingOptions: { insertSpaces: true, tabSize: 2 },
    }),
  );
  if (after === before) return;
  texts.set(path, after);
  changes.push({ path, text });
}

interface TsConfig {
  compilerOptions?: {
    baseUrl?: string;
    paths?: Record<string, string[]>;
    outDir?: string;
    rootDir?: string;
    [option: string]: unknown;
  };
}

/** Reads the aliases of each `tsconfig.json`, and the folders that a build writes. */
export function readTsConfigs(
  files: { texts: Map<string, string>; todo: Finding[] },
): {
  aliases: [pattern: string, target: string][];
  outputs: [output: string, source: string][];
  options: Record<string, unknown>;
} {
  const aliases: [string, string][] = [];
  const outputs: [string, string][] = [];
  const options: Record<string, unknown> = {};
  for (const path of [...files.texts.keys()].filter(isTsConfig)) {
    const compilerOptions: NonNullable<TsConfig["compilerOptions"]> = Object(
      readJson<TsConfig>(files, path)?.compilerOptions,
    );
    const { baseUrl, outDir, rootDir = ".", paths } = compilerOptions;
    const from = (folder: string) => join(dirname(path), String(folder));
    for (const [pattern, targets] of Object.entries(Object(paths))) {
      const [first] = [targets].flat();
      const target = join(from(baseUrl ?? "."), String(first));
      if (!target.startsWith("../")) aliases.push([pattern, target]);
    }
    if (baseUrl) aliases.push(["*", join(from(baseUrl), "*")]);
    if (outDir) outputs.push([from(outDir), from(rootDir)]);
    for (const name of ["experimentalDecorators", "emitDecoratorMetadata"]) {
      if (compilerOptions[name]) options[name] = true;
    }
    if (compilerOptions.jsx) options.jsx = compilerOptions.jsx;
  }
  return { aliases, outputs, options };
}

function isTsConfig(path: string): boolean {
  return /^tsconfig.*\.json$/.test(basename(path));
}

/** Removes what Deno's type checker does not take from each `tsconfig.json`. */
export function moveTsConfigs(app: Application): void {
  for (const path of [...app.texts.keys()].filter(isTsConfig)) {
    const { compilerOptions } = readJson<TsConfig>(app, path) ?? {};
    if (!compilerOptions) continue;
    const set = (name: string, value: unknown, text: string) =>
      setJson(app, path, { key: ["compilerOptions", name], value, text });
    if (compilerOptions.lib) {
      set("lib", undefined, 'removes "lib", which hides what Deno offers');
    }
    if (/^(?:commonjs|node)/i.test(String(compilerOptions.module ?? ""))) {
      set("module", "nodenext", "compiles to ES modules");
    }
    if (/^node$/i.test(String(compilerOptions.moduleResolution ?? ""))) {
      set("moduleResolution", undefined, "resolves ES modules");
    }
    if (!compilerOptions.noEmit && !compilerOptions.emitDeclarationOnly) {
      const text =
        "compiles imports with the ending .ts (TypeScript 5.7 or later)";
      set("rewriteRelativeImportExtensions", true, text);
    }
  }
}

/** Keeps CommonJS modules what they are in a package of ES modules. */
export function keepCommonJs(
  { texts, changes, todo, manifest }: {
    texts: Map<string, string>;
    changes: Finding[];
    todo: Finding[];
    manifest: Manifest;
  },
): Set<string> {
  const found = new Set<string>();
  for (const [path, text] of [...texts]) {
    if (!isCommonJs(path, text)) continue;
    found.add(path);
    const folder = dirname(path);
    const siblings = [...texts.keys()].filter((one) => dirname(one) === folder);
    const isConfig = /^\.|\.config\.js$|rc\.js$/.test(basename(path));
    if (!path.endsWith(".js") || manifest.type === "module") continue;
    if (isConfig) {
      found.delete(path);
      const renamed = path.replace(/js$/, "cjs");
      texts.set(renamed, text);
      texts.delete(path);
      changes.push({ path, text: `is renamed to "${basename(renamed)}"` });
    } else if (siblings.includes(join(folder, "package.json"))) {
      const text =
        "it is CommonJS in a package of ES modules: convert it, or " +
        "rename it to .cjs";
      todo.push({ path, text });
    } else {
      const own = join(folder, "package.json");
      texts.set(own, '{ "type": "commonjs" }\n');
      changes.push({
        path: own,
        text: "keeps this folder's .js files CommonJS",
      });
    }
  }
  return found;
}

const runners =
  /^(?:node|nodemon|ts-node|ts-node-dev|ts-node-esm|tsx|tsnd|\S*node_modules\/\.bin\/ts-node)$/;
const loader = /^(?:ts-node\/|tsx(?:\/|$)|source-map-support|tsconfig-paths)/;

/** Moves scripts of `package.json`, and makes tasks of them. */
export function moveScripts(
  app: Application,
  outputs: [output: string, source: string][],
): Record<string, string> {
  const tasks: Record<string, string> = {};
  for (const [name, script] of Object.entries(app.manifest.scripts ?? {})) {
    const commands = String(script).split(/\s+&&\s+/)
      .map((command) => moveCommand(app, command, outputs));
    if (commands.some((command) => command === undefined)) {
      if (/\b(?:jest|vitest|nyc)\b/.test(script)) {
        const text =
          `script "${name}" runs a test runner that Deno may not run`;
        app.todo.push({ path: "package.json", text });
      }
      continue;
    }
    tasks[name] = commands.map((one) => one!.deno).join(" && ");
    const value = commands.map((one) => one!.node).join(" && ");
    const text = `script "${name}" runs TypeScript by Node.js itself`;
    setJson(app, "package.json", { key: ["scripts", name], value, text });
  }
  if (app.manifest.type === undefined) {
    const text = "the package has ES modules";
    setJson(app, "package.json", { key: ["type"], value: "module", text });
  }
  return tasks;
}

/** Moves a command that runs a module of the application, or tests of Mocha. */
function moveCommand(
  app: Application,
  command: string,
  outputs: [string, string][],
): { deno: string; node: string } | undefined {
  const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  const start = words.findIndex((word) => !/^\w+=/.test(word));
  const variables = words.slice(0, Math.max(0, start));
  const [program, ...args] = words.slice(Math.max(0, start));
  const isMocha = program === "mocha";
  if (!isMocha && !runners.test(program ?? "")) return;
  let isWatching = /^(?:nodemon|ts-node-dev|tsnd)$/.test(program);
  const preloads: string[] = [];
  const envFiles: string[] = [];
  const limits: string[] = [];
  const rest: string[] = [];
  const toSource = (path: string) => {
    for (const [output, source] of outputs) {
      const inside = path.replace(/^\.\//, "");
      if (!inside.startsWith(`${output}/`)) continue;
      return join(source, inside.slice(output.length + 1)).replace(
        /\.js$/,
        ".ts",
      );
    }
    return path;
  };
  while (args.length > 0) {
    const arg = args.shift()!;
    const [, option, joined] = arg.match(/^(--?[\w-]+)(?:=(.*))?$/) ?? [];
    if (!option) {
      rest.push(arg, ...isMocha ? [] : args.splice(0));
      if (!isMocha && arg === "watch" && program === "tsx") {
        isWatching = true;
        args.push(...rest.splice(0).slice(1));
      }
      continue;
    }
    if (
      /^(?:-r|--require|--import|--loader|--experimental-loader)$/.test(option)
    ) {
      const module = joined ?? args.shift() ?? "";
      const path = module.startsWith(".") && findFile(app, join(module));
      if (path) preloads.push(`./${path}`);
      else if (module === "dotenv/config") envFiles.push(".env");
      else if (!loader.test(module)) return;
    } else if (/^--env-file(?:-if-exists)?$/.test(option)) {
      envFiles.push(joined ?? args.shift() ?? ".env");
    } else if (/^--max-(?:old|semi)-space-size$/.test(option)) {
      limits.push(arg);
    } else if (
      /^(?:-P|--project|--watch|-w|--exec|-e|--ext|--ignore)$/.test(option)
    ) {
      if (!isMocha && joined === undefined && program !== "node") args.shift();
      if (program === "node" || isMocha) rest.push(arg);
    } else if (isMocha || /^--inspect/.test(option)) rest.push(arg);
  }
  const withVariables = (command: string[]) =>
    [...variables, ...command].join(" ");
  if (isMocha) {
    const tests = rest.map((arg) => arg.startsWith("-") ? arg : toSource(arg));
    return {
      deno: withVariables([
        "deno run -q --no-prompt -P=dev npm:mocha",
        ...tests,
      ]),
      node: withVariables(["mocha", ...tests]),
    };
  }
  const index = rest.findIndex((arg) => !arg.startsWith("-"));
  const entry = rest[index] && findFile(app, join(toSource(rest[index])));
  if (!entry) return;
  const before = rest.slice(0, index);
  const after = [entry, ...rest.slice(index + 1)];
  const watch = isWatching || before.includes("--watch") ? ["--watch"] : [];
  const purpose = purposeOf(app, entry);
  const isProfiled = purpose !== "dev" &&
    // The option would replace the permission to read all.
    app.declared.has("@temporalio/envconfig") && !importsBuiltin(app, "fs");
  const set = [`-P=${purpose}`, ...isProfiled ? [readProfiles] : []];
  const flags = [
    // A file that is missing is no error for Deno.
    ...envFiles.map((path) => `--env-file=${path}`),
    ...limits.map((limit) => `--v8-flags=${limit}`),
    ...preloads.map((path) => `--preload ${path}`),
  ];
  const transform = needsTransform(app)
    ? ["--experimental-transform-types"]
    : [];
  const imports = [
    ...envFiles.map((path) => `--env-file-if-exists=${path}`),
    ...limits,
    ...preloads.map((path) => `--import ${path}`),
  ];
  return {
    deno: withVariables([
      "deno run -q --no-prompt",
      ...watch,
      ...set,
      ...flags,
      ...after,
    ]),
    node: withVariables(["node", ...watch, ...transform, ...imports, ...after]),
  };
}

function needsTransform({ todo }: Application): boolean {
  return todo.some(({ text }) =>
    text.includes("--experimental-transform-types")
  );
}

/** Which permissions a program needs: those of a Worker, a Client, or others. */
function purposeOf(app: Application, entry: string): string {
  const text = app.texts.get(entry) ?? "";
  return /@temporalio\/testing|\bbundleWorkflowCode\b/.test(text)
    ? "dev"
    : text.includes("@temporalio/worker") ||
        text.includes("@temporalio/lambda-worker")
    ? "worker"
    : text.includes("@temporalio/client")
    ? "start"
    : "dev";
}

/** Variables that packages read, whose names are not in the application. */
const packageVariables: Record<string, RegExp> = {
  "ANTHROPIC_*": /anthropic/,
  "AWS_*": /^@aws-sdk\/|bedrock/,
  "GOOGLE_*": /^@google/,
  "LANGSMITH_*": /langsmith/,
  "OPENAI_*": /openai/,
  "OTEL_*": /opentelemetry/,
  "PG*": /^(?:pg|postgres)$/,
};

function codeOf({ texts }: Application): string {
  return [...texts].filter(([path]) => !path.endsWith(".json"))
    .map(([, text]) => text).join("\n");
}

function importsBuiltin(app: Application, name: string): boolean {
  return new RegExp(`["'](?:node:)?${name}(?:/promises)?["']`)
    .test(codeOf(app));
}

/** Returns the names of the variables that code reads; undefined if it may be any. */
function variablesOf(app: Application): string[] | undefined {
  const text = codeOf(app);
  const name = /^(?:\.([A-Za-z_]\w*)|\[\s*["'](\w+)["']\s*\])/;
  const names: string[] = [];
  for (const { 0: own, index } of text.matchAll(/\bprocess\.env\b/g)) {
    const [, one, other] = text.slice(index + own.length).match(name) ?? [];
    const [, destructured] =
      text.slice(0, index).match(/\{([\w\s,:=]*)\}\s*=\s*$/) ?? [];
    if (one ?? other) names.push(one ?? other);
    else if (destructured === undefined) return;
    else {names.push(
        ...destructured.match(/\b[A-Z_]\w*(?=\s*(?:[,:=]|$))/g) ?? [],
      );}
  }
  const others = Object.entries(packageVariables).filter(([, packages]) =>
    [...app.declared].some((one) => packages.test(one))
  );
  return [...names, ...others.map(([name]) => name)];
}

/** Adds what is missing to `deno.json`. */
export function moveDenoConfig(
  app: Application,
  given: { source: Source; tasks: Record<string, string>; options: object },
): void {
  const path = app.texts.has("deno.jsonc") ? "deno.jsonc" : "deno.json";
  const uses = {
    variables: variablesOf(app),
    files: importsBuiltin(app, "fs"),
    programs: importsBuiltin(app, "child_process"),
  };
  const config = movedConfig({ ...given, imports: app.imports, uses });
  if (!app.texts.has(path)) {
    app.texts.set(path, config.text);
    app.changes.push({
      path,
      text: "names the plugin, tasks and permission sets",
    });
    return;
  }
  const own = readJson<Record<string, unknown>>(app, path);
  for (const [name, value] of Object.entries(own ? config.value : {})) {
    const set = (key: string[], value: unknown) =>
      setJson(app, path, { key, value, text: `sets "${key.join(".")}"` });
    const before = own![name];
    if (before === undefined) set([name], value);
    else if (Object(value) === value && !Array.isArray(value)) {
      for (const [key, one] of Object.entries(Object(value))) {
        if (Object(before)[key] === undefined) set([name, key], one);
      }
    }
  }
}
