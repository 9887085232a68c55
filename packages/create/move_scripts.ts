/**
 * The scripts of an application that moves, as tasks of Deno and scripts of Node.js.
 *
 * @module
 */

import { join, relative } from "node:path/posix";
import {
  type Application,
  importsBuiltin,
  setJson,
} from "./move_application.ts";
import { findFile } from "./move_modules.ts";
import { readProfiles } from "./project.ts";

const runners =
  /^(?:(?:\S*\/)?(?:node|nodemon|ts-node|ts-node-dev|ts-node-esm|tsx|tsnd|mocha))$/;
/** Modules that load TypeScript, which Deno and Node.js do themselves. */
const loader =
  /^(?:ts-node(?:\/|$)|tsx(?:\/|$)|@swc-node\/|source-map-support|tsconfig-paths)/;
/** Options that say how a runner compiles or watches, with a value or without. */
const compiling =
  /^(?:-T|--transpile-only|--transpileOnly|--files|--esm|--swc|--respawn|--watch|-w|--experimental-(?:specifier-resolution|strip-types|transform-types))$/;
const compilingWith = /^(?:-P|--project|--tsconfig|--exec|-e|--ext|--ignore)$/;
const unmoved =
  /\b(?:node|nodemon|ts-node|ts-node-dev|tsx|tsnd|bun|pm2|npm|npx|pnpm|yarn|nest)\b(?![/.-])/;

interface Command {
  deno: string;
  node: string;
  /** The options that Deno does not get. */
  lost: string[];
}

/** Moves the scripts of a package, and returns tasks that do the same. */
export function moveScripts(
  app: Application,
  folder: string,
): Record<string, string> {
  const tasks: Record<string, string> = {};
  const path = join(folder, "package.json");
  const look = (text: string) => app.todo.push({ path, text });
  const left: string[] = [];
  const scripts = app.packages.get(folder)?.scripts ?? {};
  for (const [name, script] of Object.entries(scripts)) {
    const given = String(script).split(/\s+&&\s+/);
    const moved = given.map((command) => moveCommand(app, folder, command));
    const commands = moved.map((one, index) => {
      const own = given[index];
      return one ??
        (unmoved.test(own) ? one : { deno: own, node: own, lost: [] });
    });
    const isMoved = moved.some((one) => one !== undefined) &&
      commands.every((one) => one !== undefined);
    if (isMoved) {
      tasks[name] = commands.map((one) => one.deno).join(" && ");
      const value = commands.map((one) => one.node).join(" && ");
      const text = `script "${name}" runs TypeScript by Node.js itself`;
      if (!has(app, "without a build")) {
        setJson(app, path, { key: ["scripts", name], value, text });
      }
      const lost = commands.flatMap((one) => one.lost).join(" ");
      if (lost) look(`task "${name}" does without "${lost}" of the script`);
    } else if (/\b(?:jest|vitest|nyc)\b/.test(script)) {
      look(`script "${name}" runs a test runner that Deno may not run`);
    } else if (unmoved.test(script)) left.push(name);
  }
  if (left.length > 0) {
    look(`these scripts still run on Node.js: "${left.join('", "')}"`);
  }
  return tasks;
}

/** Moves a command that runs a module of the application, or tests of Mocha. */
function moveCommand(
  app: Application,
  folder: string,
  command: string,
): Command | undefined {
  const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  const prefix: string[] = [];
  const envFiles: string[] = [];
  while (/^(?:\w+=.*|cross-env|env|npx|dotenv)$/.test(words[0] ?? "")) {
    const word = words.shift()!;
    if (word !== "dotenv") prefix.push(word);
    else if (words[0] === "-e") envFiles.push(...words.splice(0, 2).slice(1));
    else envFiles.push(".env");
    if (word === "dotenv" && words[0] === "--") words.shift();
  }
  const [runner = "", ...args] = words;
  if (!runners.test(runner)) return;
  const program = runner.replace(/.*\//, "");
  const isMocha = program === "mocha";
  const isNode = program === "node";
  const takesMore = isMocha || program === "nodemon";
  let isWatching = /^(?:nodemon|ts-node-dev|tsnd)$/.test(program);
  const preloads: string[] = [];
  const limits: string[] = [];
  const kept: string[] = [];
  const lost: string[] = [];
  const rest: string[] = [];
  const find = (path: string) => {
    const file = findFile(app, join(folder, path));
    return file && relative(folder, file);
  };
  while (args.length > 0) {
    const arg = args.shift()!;
    const [, option, joined] = arg.match(/^(--?[\w-]+)(?:=(.*))?$/) ?? [];
    if (!option) {
      if (program === "tsx" && arg === "watch") isWatching = true;
      // Others leave what follows to the program.
      else rest.push(arg, ...takesMore ? [] : args.splice(0));
    } else if (
      /^(?:-r|--require|--import|--loader|--experimental-loader)$/.test(option)
    ) {
      const module = joined ?? args.shift() ?? "";
      const path = module.startsWith(".") && find(module);
      if (path) preloads.push(`./${path}`);
      else if (module === "dotenv/config") envFiles.push(".env");
      else if (!loader.test(module)) return;
    } else if (/^--env-file(?:-if-exists)?$/.test(option)) {
      envFiles.push(joined ?? args.shift() ?? ".env");
    } else if (/^--max-(?:old|semi)-space-size$/.test(option)) {
      limits.push(arg);
    } else if (isMocha || /^--inspect/.test(option)) kept.push(arg);
    else if (compilingWith.test(option)) {
      if (joined === undefined) args.shift();
    } else if (compiling.test(option)) {
      isWatching ||= /^(?:-w|--watch)$/.test(option);
      if (program === "nodemon") args.shift();
    } else lost.push(arg);
  }
  const onDeno = prefix.filter((word) => word.includes("="));
  const onNode = prefix.filter((word) => word !== "npx");
  const transform = has(app, "--experimental-transform-types")
    ? ["--experimental-transform-types"]
    : [];
  if (isMocha) {
    const tests = rest.map((path) => sourceOf(app, folder, path));
    const run = "deno run -q --no-prompt -P=dev";
    return {
      deno: [...onDeno, run, "npm:mocha", ...kept, ...tests].join(" "),
      node: [...onNode, "mocha", ...transform, ...kept, ...tests].join(" "),
      lost,
    };
  }
  const entry = rest[0] && find(rest.shift()!);
  if (!entry) return;
  const watch = isWatching ? ["--watch"] : [];
  const deno = [
    ...onDeno,
    "deno run -q --no-prompt",
    ...watch,
    ...permissionsFor(app, join(folder, entry)),
    ...kept,
    // A file that is missing is no error for Deno.
    ...envFiles.map((path) => `--env-file=${path}`),
    ...limits.map((limit) => `--v8-flags=${limit}`),
    ...preloads.map((path) => `--preload ${path}`),
    entry,
    ...rest,
  ];
  const node = [
    ...onNode,
    "node",
    ...watch,
    ...transform,
    ...kept,
    ...isNode ? lost : [],
    ...envFiles.map((path) => `--env-file-if-exists=${path}`),
    ...limits,
    ...preloads.map((path) => `--import ${path}`),
    entry,
    ...rest,
  ];
  return { deno: deno.join(" "), node: node.join(" "), lost };
}

/** Returns the sources of what a build writes; Mocha expands what names several files. */
function sourceOf(app: Application, folder: string, path: string): string {
  const [, quote, name] = path.match(/^(["']?)(.*?)["']?$/)!;
  const inside = join(folder, name);
  for (const [output, source] of app.outputs) {
    if (!inside.startsWith(`${output}/`)) continue;
    const moved = join(source, inside.slice(output.length));
    const start = moved.replace(/[^/]*\*.*/, "");
    if (![...app.texts.keys()].some((one) => one.startsWith(start))) continue;
    const own = relative(folder, moved).replace(/\.js$/, ".ts");
    return quote + own + quote;
  }
  return path;
}

/** Whether a person has to look at syntax of a kind. */
function has({ todo }: Application, kind: string): boolean {
  return todo.some(({ text }) => text.includes(kind));
}

/** Which permissions a program needs: those of a Worker, a Client, or others. */
function permissionsFor(app: Application, entry: string): string[] {
  const text = app.texts.get(entry) ?? "";
  const purpose = /@temporalio\/testing|\bbundleWorkflowCode\b/.test(text)
    ? "dev"
    : /@temporalio\/(?:lambda-)?worker/.test(text)
    ? "worker"
    : text.includes("@temporalio/client")
    ? "start"
    : "dev";
  const isProfiled = purpose !== "dev" &&
    // The option would replace the permission to read all.
    app.declared.has("@temporalio/envconfig") && !importsBuiltin(app, "fs");
  return [`-P=${purpose}`, ...isProfiled ? [readProfiles] : []];
}
