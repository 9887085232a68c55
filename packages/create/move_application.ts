/**
 * The application that moves.
 *
 * @module
 */

import { applyEdits, modify, parse, type ParseError } from "jsonc-parser";

/** What was changed, or what a person has to look at. */
export interface Finding {
  /** The file, in the application's folder. */
  path: string;
  /** The line in the moved file; undefined if it is about the whole file. */
  line?: number;
  /** What it is, in one line. */
  text: string;
}

/** The application that moves, by paths in its folder. */
export class Application {
  /** The files that stay as they are, and why. */
  unread: Map<string, string> = new Map();
  /** The folders in it that are repositories of their own, such as submodules. */
  repositories: string[] = [];
  /** The texts of its files, as they are to be. */
  texts: Map<string, string> = new Map();
  /** Its packages that move, by folder: its own has the name ".". */
  packages: Map<string, Manifest> = new Map();
  /** The folders of packages that another tool builds. */
  kept: string[] = [];
  /** The packages that these name, and they themselves. */
  declared: Set<string> = new Set();
  /** The names that are no packages', and what they stand for. */
  aliases: [pattern: string, target: string][] = [];
  /** The folders that a build writes, and where their sources are. */
  outputs: [output: string, source: string][] = [];
  /** Its CommonJS modules. */
  commonJs: Set<string> = new Set();
  /** The variables that its `.env` files set. */
  variables: string[] = [];
  /** The import map that Deno needs. */
  imports: Record<string, string> = {};
  /** What was changed. */
  changes: Finding[] = [];
  /** What a person has to look at. */
  todo: Finding[] = [];

  /** Takes the path of its folder. */
  constructor(readonly root: string) {}

  /** Leaves a file as it is. */
  leave(path: string, reason: string): void {
    this.texts.delete(path);
    if (this.unread.has(path)) return;
    this.unread.set(path, reason);
    this.todo.push({ path, text: `${reason}: it stays as it is` });
  }
}

/** A `package.json`. */
export interface Manifest {
  name?: string;
  type?: string;
  version?: string;
  main?: string;
  exports?: unknown;
  workspaces?: unknown;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** Whether a file belongs to a package that stays as it is. */
export function isKept({ kept }: Application, path: string): boolean {
  return kept.some((folder) => path.startsWith(`${folder}/`));
}

/** Returns the packages that a `package.json` names, and their versions. */
export function dependenciesOf(manifest: Manifest): Record<string, string> {
  const all = {
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
    ...manifest.devDependencies,
    ...manifest.dependencies,
  };
  const entries = Object.entries(all)
    .filter(([, version]) => typeof version === "string");
  return Object.fromEntries(entries);
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is object {
  return Object(value) === value && !Array.isArray(value);
}

/** Returns the path of a CommonJS module in a package of ES modules. */
export function toCommonJs(path: string): string {
  return path.replace(/\.js$/, ".cjs");
}

/** Parses JSON, which may have comments. If it cannot, it leaves the file alone. */
export function readJson<T>(app: Application, path: string): T | undefined {
  const errors: ParseError[] = [];
  const value = parse(app.texts.get(path)!, errors, {
    allowTrailingComma: true,
  });
  if (errors.length === 0 && isObject(value)) return value as T;
  app.leave(path, "it is not valid JSON");
}

/** Sets or deletes a value, and leaves the rest of the file as it is. */
export function setJson(
  { texts, changes }: Application,
  path: string,
  { key, value, text }: { key: string[]; value: unknown; text: string },
): void {
  const before = texts.get(path)!;
  const edits = modify(before, key, value, {
    formattingOptions: { insertSpaces: true, tabSize: 2 },
  });
  const after = applyEdits(before, edits);
  if (after === before) return;
  texts.set(path, after);
  changes.push({ path, text });
}

/** Returns the text of all code. */
export function codeOf({ texts }: Application): string {
  return [...texts].filter(([path]) => !path.endsWith(".json"))
    .map(([, text]) => text).join("\n");
}

/** Whether the application imports a module of Node.js. */
export function importsBuiltin(app: Application, name: string): boolean {
  return new RegExp(`["'](?:node:)?${name}(?:/promises)?["']`)
    .test(codeOf(app));
}
