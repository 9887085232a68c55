/**
 * The configuration of an application that moves: `package.json`, `tsconfig.json`,
 * `deno.json`.
 *
 * @module
 */

import { basename, dirname, join } from "node:path/posix";
import { becomesModules } from "./move_commonjs.ts";
import {
  type Application,
  codeOf,
  dependenciesOf,
  importsBuiltin,
  isKept,
  isObject,
  type Manifest,
  readJson,
  setJson,
} from "./move_application.ts";
import { moveScripts } from "./move_scripts.ts";
import { checkout, movedConfig, sourceFor } from "./project.ts";
import { config as ownConfig } from "./template.ts";

/** What builds a package of a workspace, and needs its modules as they are. */
const framework = /^(?:next|nuxt|react-scripts|@nestjs\/cli)$/;

/** Reads the application's `package.json` and those of its workspace. */
export function readManifests(app: Application): void {
  const manifests = [...app.texts.keys()]
    .filter((path) => basename(path) === "package.json")
    .map((path) => [path, readJson<Manifest>(app, path) ?? {}] as const);
  const own = manifests.find(([path]) => path === "package.json")?.[1];
  for (const [path, manifest] of manifests) {
    const folder = dirname(path);
    const { exports } = manifest;
    const [name, main = "."] = [manifest.name, manifest.main]
      .map((value) => typeof value === "string" ? value : undefined);
    const names = Object.keys(dependenciesOf(manifest));
    const builder = names.find((name) => framework.test(name));
    const isRoot = manifest === own;
    const isTemporal = names.some((name) => name.startsWith("@temporalio/"));
    const look = (text: string) => app.todo.push({ path, text });
    for (const one of name ? [name, ...names] : names) app.declared.add(one);
    if (isRoot && builder) {
      look(`"${builder}" builds this package: move the Worker's folder alone`);
    }
    if (isRoot || own?.workspaces && isTemporal && !builder) {
      app.packages.set(folder, manifest);
    } else if (own?.workspaces && builder) {
      look(`"${builder}" builds this package: it stays as it is`);
      app.kept.push(folder);
    } else if (isTemporal) {
      look("it is a package of its own: move its folder, too");
    }
    if (!isRoot && own?.workspaces && name && !exports) {
      app.aliases.push([name, join(folder, main)], [
        `${name}/*`,
        `${folder}/*`,
      ]);
    }
  }
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
export function readTsConfigs(app: Application): void {
  const { texts, aliases, outputs } = app;
  for (const path of [...texts.keys()].filter(isTsConfig)) {
    const compilerOptions: NonNullable<TsConfig["compilerOptions"]> = Object(
      readJson<TsConfig>(app, path)?.compilerOptions,
    );
    const { baseUrl, outDir, rootDir, paths } = compilerOptions;
    const from = (folder: string) => join(dirname(path), String(folder));
    for (const [pattern, targets] of Object.entries(Object(paths))) {
      const [first] = [targets].flat();
      const target = join(from(baseUrl ?? "."), String(first));
      if (!target.startsWith("../")) aliases.push([pattern, target]);
    }
    if (baseUrl) aliases.push(["*", join(from(baseUrl), "*")]);
    // Without rootDir, it is the folder that all sources share.
    for (const source of rootDir ? [rootDir] : ["src", "."]) {
      if (outDir) outputs.push([from(outDir), from(source)]);
    }
  }
  for (const path of texts.keys()) {
    if (outputs.some(([output]) => path.startsWith(`${output}/`))) {
      texts.delete(path);
    }
  }
}

function isTsConfig(path: string): boolean {
  return /^tsconfig.*\.json$/.test(basename(path));
}

/** Removes what Deno's type checker does not take from each `tsconfig.json`. */
export function moveTsConfigs(app: Application): void {
  for (const path of [...app.texts.keys()].filter(isTsConfig)) {
    if (isKept(app, path)) continue;
    const { compilerOptions } = readJson<TsConfig>(app, path) ?? {};
    if (!isObject(compilerOptions)) continue;
    const { lib, baseUrl, paths, module = "", moduleResolution = "" } =
      compilerOptions;
    const set = (name: string, value: unknown, text: string) =>
      setJson(app, path, { key: ["compilerOptions", name], value, text });
    const isCommonJs = /^commonjs$/i.test(String(module));
    if (lib) {
      set("lib", undefined, 'removes "lib", which hides what Deno offers');
    }
    if (baseUrl) {
      const own = Object.entries(app.imports).filter(([key, target]) =>
        key.endsWith("/") && target === `./${join(dirname(path), baseUrl, key)}`
      ).map(([key]) => [`${key}*`, `${key}*`]);
      const all = [...Object.entries(Object(paths)), ...own]
        .map(([pattern, targets]) => [
          pattern,
          [targets].flat().map((target) =>
            `./${join(baseUrl, String(target))}`
          ),
        ]);
      const text = 'replaces "baseUrl", which "deno check" refuses, by "paths"';
      if (all.length > 0) set("paths", Object.fromEntries(all), text);
      set("baseUrl", undefined, text);
    }
    if (isCommonJs) {
      set("module", "nodenext", 'sets "module", to compile to ES modules');
    }
    if (/^node(?:10)?$/i.test(String(moduleResolution))) {
      const value = module && !isCommonJs ? "bundler" : undefined;
      const text = 'changes "moduleResolution", to resolve ES modules';
      set("moduleResolution", value, text);
    }
    const text = 'sets "rewriteRelativeImportExtensions", to compile imports ' +
      "with the ending .ts (TypeScript 5.7 or later)";
    set("rewriteRelativeImportExtensions", true, text);
  }
}

/** Moves each `package.json`, and adds to `deno.json` what is missing. */
export function moveManifests(app: Application): void {
  const all: Record<string, Record<string, string>> = {};
  for (const [folder, manifest] of app.packages) {
    const path = join(folder, "package.json");
    all[folder] = moveScripts(app, folder);
    checkVersions(app, path, dependenciesOf(manifest));
    if (becomesModules(app, folder)) {
      const text = 'sets "type" to "module": the package has ES modules';
      setJson(app, path, { key: ["type"], value: "module", text });
    }
  }
  const { ".": tasks, ...members } = all;
  const uses = {
    variables: variablesOf(app),
    files: importsBuiltin(app, "fs"),
    programs: importsBuiltin(app, "child_process"),
  };
  const source = sourceFor(app.root, ["packages/plugin"]);
  addConfig(
    app,
    ".",
    movedConfig({ source, tasks, imports: app.imports, uses }),
  );
  for (const [folder, tasks] of Object.entries(members)) {
    if (Object.keys(tasks).length === 0) continue;
    const text = `${JSON.stringify({ tasks }, null, 2)}\n`;
    addConfig(app, folder, { text, value: { tasks } });
  }
}

/** Reports versions of the SDK that Deno would install beside those of the plugin. */
function checkVersions(
  app: Application,
  path: string,
  dependencies: Record<string, string>,
) {
  const own = ownConfig.imports["@temporalio/worker"].replace(/.*@/, "");
  const others = Object.entries(dependencies).filter(([name, version]) =>
    name === "@temporalio/worker" && /^[\d~=]/.test(version) &&
    version.replace(/^[~=]/, "") !== own
  );
  for (const [name, version] of checkout === undefined ? [] : others) {
    const text = `"${name}" has the version "${version}", and this clone ` +
      `"${own}": set that for all of Temporal's packages`;
    app.todo.push({ path, text });
  }
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

/** Returns the names of the variables that code reads; undefined if it may be any. */
function variablesOf(app: Application): string[] | undefined {
  const text = codeOf(app);
  const name = /^(?:\??\.([A-Za-z_]\w*)|\[\s*["'](\w+)["']\s*\])/;
  const names: string[] = [];
  for (const { 0: own, index } of text.matchAll(/\bprocess\.env\b/g)) {
    const [, one, other] = text.slice(index + own.length).match(name) ?? [];
    const [, destructured] =
      text.slice(0, index).match(/\{([\w\s,:=]*)\}\s*=\s*$/) ?? [];
    const found = destructured?.match(/\b[A-Z_]\w*(?=\s*(?:[,:=]|$))/g);
    if (one ?? other) names.push(one ?? other);
    else if (destructured === undefined) return;
    else names.push(...found ?? []);
  }
  const others = Object.entries(packageVariables).filter(([, packages]) =>
    [...app.declared].some((one) => packages.test(one))
  );
  return [...names, ...app.variables, ...others.map(([name]) => name)];
}

/** Adds what is missing to a `deno.json`. */
function addConfig(
  app: Application,
  folder: string,
  config: { text: string; value: Record<string, unknown> },
) {
  const has = (name: string) => app.texts.has(join(folder, name));
  const path = join(folder, has("deno.jsonc") ? "deno.jsonc" : "deno.json");
  if (!app.texts.has(path)) {
    app.texts.set(path, config.text);
    const text = `is new: ${Object.keys(config.value).join(", ")}`;
    app.changes.push({ path, text: text.replace(/, \/\/ \w+/, "") });
    return;
  }
  const own = readJson<Record<string, unknown>>(app, path);
  for (const [name, value] of Object.entries(own ? config.value : {})) {
    const set = (key: string[], value: unknown) =>
      setJson(app, path, { key, value, text: `sets "${key.join(".")}"` });
    const before = own![name];
    if (before === undefined) set([name], value);
    else if (isObject(value)) {
      for (const [key, one] of Object.entries(value)) {
        if (Object(before)[key] === undefined) set([name, key], one);
      }
    }
  }
}
