/**
 * Adapts the application's part of a bundle to the sandbox, by its syntax tree.
 *
 * The parser is swc: the SDK brings it. It is loaded for code that needs it only.
 *
 * @module
 */

import { createRequire } from "node:module";
import {
  isApplication,
  type Part,
  requiredBy,
  trackedPromise,
} from "./parts.ts";
import { type Code, compose, locate, type Place, slice } from "./source_map.ts";

/** A mistake in application code. */
export type Finding =
  /** Code that does what is not available. */
  | { reason: string; place: Place }
  /** Code that requires a module that is not available. */
  | { required: string; place: Place }
  /** A module that cannot be in a bundle. */
  | { reason: string; module: string };

/** A node of swc's syntax tree. Its span is in bytes. */
interface Node {
  type: string;
  span: { start: number; end: number };
  // deno-lint-ignore no-explicit-any
  [field: string]: any;
}

interface Swc {
  parseSync(code: string, options: object): Node & { body: Node[] };
  transformSync(code: string, options: object): { code: string; map: string };
}

const suspicious =
  /\basync\s*(?:function\s*)?\*|\bfor await\b|\bnew Promise\(|\bPromise\.withResolvers\(|\bimport\(|\bimport_meta/;

const syntax = {
  syntax: "ecmascript",
  autoAccessors: true,
  explicitResourceManagement: true,
};

/**
 * Adapts code, and finds what it may not do.
 *
 * - `new Promise` records where it is called, for stack trace queries. `Promise`
 *   itself stays what it is.
 * - Async iteration takes as many microtasks as on Node.js, where the SDK has
 *   TypeScript compiled to ES2017, so that Event Histories replay.
 *
 * Code of packages stays as it is.
 *
 * @param sdkModule the path of a module of the SDK's Worker
 * @param isRefused whether code may not require an external module
 */
export function adapt(
  part: Part,
  sdkModule: string,
  isRefused: (name: string) => boolean,
): { part: Part; findings: Finding[] } {
  const [piece] = part.pieces;
  const findings: Finding[] = [];
  const isClean = !piece || !suspicious.test(piece.code) &&
      !requiredBy(part).some(isRefused);
  if (isClean) return { part, findings };
  const swc: Swc = createRequire(sdkModule)("@swc/core");
  const tree = swc.parseSync(piece.code, { ...syntax, target: "esnext" });
  const index = indexOf(piece.code, tree.span.start);
  const tracked: number[] = [];
  const lowered = new Set<Node>();
  let isShadowed = false;
  for (const item of tree.body) {
    visit(item, (node) => {
      const at = (other = node) => index(other.span.start);
      const isIn = (belongs: (source: string) => boolean) =>
        belongs(locate(piece, at()).source);
      const find = (mistake: { reason: string } | { required: string }) =>
        findings.push({ place: locate(piece, at()), ...mistake });
      const promise = promiseOf(node);
      if (promise && isIn(isApplication)) tracked.push(at(promise));
      else if (isAsyncIteration(node) && isIn(isCompiled)) lowered.add(item);
      else if (
        node.type === "VariableDeclarator" || node.type === "Parameter"
      ) {
        isShadowed ||= (node.id ?? node.pat)?.value === "Promise";
      } else if (node.type === "CallExpression") {
        const [argument] = node.arguments;
        const name = argument?.expression.value;
        if (node.callee.type === "Import" && isIn(isApplication)) {
          find({ reason: "import() needs a string literal in Workflow code" });
        } else if (
          node.callee.value === "require" && typeof name === "string" &&
          isRefused(name)
        ) find({ required: name });
      } else if (isUrlOfFile(node) && isIn(isApplication)) {
        find({
          reason: "A file beside the code is not available in Workflow code: " +
            "read it in an Activity, or import it",
        });
      }
    });
  }
  let { code } = piece;
  if (!isShadowed) {
    for (const start of tracked) {
      const end = start + trackedPromise.length;
      code = code.slice(0, start) + trackedPromise + code.slice(end);
    }
  }
  const pieces: Code[] = [];
  const line = (offset: number) => code.slice(0, offset).split("\n").length - 1;
  let next = 0;
  for (const { span } of lowered) {
    const [from, to] = [line(index(span.start)), line(index(span.end)) + 1];
    if (from > next) pieces.push(slice({ ...piece, code }, next, from));
    pieces.push(lower(swc, slice({ ...piece, code }, from, to)));
    next = to;
  }
  pieces.push(slice({ ...piece, code }, next, code.split("\n").length));
  return { part: { ...part, pieces }, findings };
}

/** Compiles async iteration. */
function lower(swc: Swc, { code, map }: Code): Code {
  const result = swc.transformSync(code, {
    swcrc: false,
    configFile: false,
    isModule: false,
    sourceMaps: true,
    jsc: { parser: syntax },
    env: {
      targets: { node: "24" },
      include: ["transform-async-generator-functions"],
    },
  });
  return { code: result.code, map: compose(JSON.parse(result.map), map) };
}

/** Returns the line of the first `await` outside of functions in TypeScript. */
export function findTopLevelAwait(
  text: string,
  sdkModule: string,
): number | undefined {
  const swc: Swc = createRequire(sdkModule)("@swc/core");
  // The tree begins with the first token.
  const code = `;${text}`;
  const tree = swc.parseSync(code, { syntax: "typescript", target: "esnext" });
  let line: number | undefined;
  visit(tree.body, (node) => {
    if ("params" in node || line) return false;
    const isAwait = node.type === "AwaitExpression" || isAsyncIteration(node);
    if (!isAwait) return;
    const index = indexOf(code, tree.span.start);
    line = code.slice(0, index(node.span.start)).split("\n").length;
  });
  return line;
}

/** @param enter returns false where it is not to visit what is inside */
function visit(value: unknown, enter: (node: Node) => boolean | void): void {
  if (!value || typeof value !== "object") return;
  if ("type" in value && enter(value as Node) === false) return;
  for (const child of Object.values(value)) visit(child, enter);
}

/** Returns a function that makes an index of a string of swc's count of bytes. */
function indexOf(code: string, first: number): (byte: number) => number {
  const bytes = new TextEncoder().encode(code);
  if (bytes.length === code.length) return (byte) => byte - first;
  const decoder = new TextDecoder();
  return (byte) => decoder.decode(bytes.subarray(0, byte - first)).length;
}

/** The identifier `Promise` in `new Promise` and `Promise.withResolvers`. */
function promiseOf({ type, callee, object, property }: Node): Node | undefined {
  const identifier = type === "NewExpression"
    ? callee
    : type === "MemberExpression" && property.value === "withResolvers"
    ? object
    : undefined;
  return identifier?.type === "Identifier" && identifier.value === "Promise"
    ? identifier
    : undefined;
}

function isAsyncIteration(node: Node): boolean {
  const { type, isAwait, async, generator, isAsync, isGenerator } = node;
  return type === "ForOfStatement"
    ? !!(isAwait ?? node.await)
    : !!((async ?? isAsync) && (generator ?? isGenerator));
}

/** Whether code is `new URL("./file", import.meta.url)`. */
function isUrlOfFile({ type, callee, arguments: args }: Node): boolean {
  const base = args?.[1]?.expression;
  return type === "NewExpression" && callee.value === "URL" &&
    base?.type === "MemberExpression" &&
    /^import_meta\d*$/.test(base.object.value) && base.property.value === "url";
}

/** Whether a source is the application's own, and the SDK or Deno compiles it. */
function isCompiled(source: string): boolean {
  return isApplication(source) && !/\.[cm]?js$/.test(source);
}
