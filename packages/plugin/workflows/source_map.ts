/**
 * Source maps of generated code: of a whole, of some of its lines, and of several
 * pieces in a row.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  SourceMap as Lookup,
  type SourceMapPayload,
  type SourceMapping,
} from "node:module";

/** A source map, as of the specification's revision 3. */
export interface SourceMap {
  version: number;
  sources: string[];
  sourcesContent: string[];
  names: string[];
  mappings: string;
}

/** Generated code with its source map. */
export interface Code {
  code: string;
  map: SourceMap;
}

/** Where code comes from; the line counts from 1. */
export interface Place {
  source: string;
  line: number;
}

const marker = "//# sourceMappingURL=data:application/json;base64,";
const digits =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Takes the source map out of code that ends in it. */
export function split(text: string): Code {
  const end = text.lastIndexOf(marker);
  const bytes = Uint8Array.fromBase64(text.slice(end + marker.length).trim());
  const map = JSON.parse(new TextDecoder().decode(bytes));
  return { code: text.slice(0, end), map: coverLines(map) };
}

/**
 * Adds a mapping at the start of each line: to where its first one leads or, if it has
 * none, the one before. Of JavaScript that has a source map, Deno's bundler maps only
 * some lines, and V8 places an `await` at its first letter.
 */
function coverLines(map: SourceMap): SourceMap {
  let hasMapping = false;
  const lines = map.mappings.split(";").map((line) => {
    const [first, ...others] = line.split(",");
    const [column, ...differences] = decode(first);
    if (differences.length === 0) return hasMapping ? "AAAA" : line;
    hasMapping = true;
    if (column === 0) return line;
    const start = [0, ...differences.slice(0, 3)];
    const next = [column, 0, 0, 0, ...differences.slice(3)];
    const segments = [start, next].map((all) => all.map(encode).join(""));
    return [...segments, ...others].join(",");
  });
  return { ...map, mappings: lines.join(";") };
}

/** Joins pieces of a bundle, with and without a source map, to one that ends in one. */
export function join(pieces: (string | Code)[]): string {
  const map: SourceMap = {
    version: 3,
    sources: [],
    sourcesContent: [],
    names: [],
    mappings: "",
  };
  let code = "";
  let state: State = [0, 0, 0, 0];
  for (const piece of pieces) {
    const text = typeof piece === "string" ? piece : piece.code;
    code += text;
    const lines = new Array(text.split("\n").length - 1).fill(";").join("");
    if (typeof piece === "string") {
      map.mappings += lines;
      continue;
    }
    const { sources, sourcesContent, names, mappings } = piece.map;
    // The first mapping says how it differs from the one before: start anew.
    const hasNames = names.length > 0;
    const start: State = [
      ...[map.sources.length, 0, 0] as const,
      hasNames ? map.names.length : state[3],
    ];
    const mapped = mappings.split(";");
    map.mappings += seed(state, start, hasNames) + (mapped[0] ? "," : "") +
      mappings + lines.slice(mapped.length - 1);
    state = advance(start, mapped);
    map.sources.push(...sources);
    map.sourcesContent.push(...sourcesContent);
    map.names.push(...names);
  }
  // By this name, the SDK tells the source maps of bundles apart.
  const hash = createHash("sha256").update(code).digest("hex").slice(0, 20);
  const json = JSON.stringify({ file: `workflow-bundle-${hash}.js`, ...map });
  return code + marker + new TextEncoder().encode(json).toBase64();
}

/** Returns the lines `from` up to, but without, `to` with their source map. */
export function slice({ code, map }: Code, from: number, to: number): Code {
  const lines = map.mappings.split(";");
  const state = advance([0, 0, 0, 0], lines.slice(0, from));
  const start = seed([0, 0, 0, 0], state, map.names.length > 0);
  const mappings = lines.slice(from, to);
  mappings[0] = mappings[0] ? `${start},${mappings[0]}` : start;
  return {
    code: code.split("\n").slice(from, to).map((line) => `${line}\n`).join(""),
    map: { ...map, mappings: mappings.join(";") },
  };
}

/** The numbers of source, line, column and name, from which a mapping differs. */
type State = [source: number, line: number, column: number, name: number];

/** Returns the state after these lines. */
function advance(state: State, lines: string[]): State {
  const result: State = [...state];
  for (const segment of lines.flatMap((line) => line.split(","))) {
    decode(segment).slice(1).forEach((difference, field) => {
      result[field] += difference;
    });
  }
  return result;
}

/** Returns a mapping at the start of a line that leads from one state to another. */
function seed(from: State, to: State, hasNames: boolean): string {
  const differences = to.map((field, index) => field - from[index]);
  return [0, ...differences].slice(0, hasNames ? 5 : 4).map(encode).join("");
}

/**
 * Returns the source map of code that was generated from code with a source map. It
 * has no names.
 *
 * @param generated leads from the new code to the code before
 * @param source leads from the code before to its sources
 */
export function compose(generated: SourceMap, source: SourceMap): SourceMap {
  const lookup = new Lookup(source as SourceMapPayload);
  const position: State = [0, 0, 0, 0];
  let last = [0, 0, 0];
  const lines = generated.mappings.split(";").map((line) => {
    let column = 0;
    let lastColumn = 0;
    return line.split(",").flatMap((segment) => {
      const [offset = 0, ...differences] = decode(segment);
      column += offset;
      differences.forEach((difference, field) => {
        position[field] += difference;
      });
      if (differences.length === 0) return [];
      const entry = lookup.findEntry(position[1], position[2]);
      if (!("originalSource" in entry)) return [];
      const { originalSource, originalLine, originalColumn } = entry;
      const place = [
        source.sources.indexOf(originalSource),
        originalLine,
        originalColumn,
      ];
      const numbers = [
        column - lastColumn,
        ...place.map((field, index) => field - last[index]),
      ];
      last = place;
      lastColumn = column;
      return [numbers.map(encode).join("")];
    }).join(",");
  });
  return { ...source, names: [], mappings: lines.join(";") };
}

/** Returns where the code at an offset comes from. */
export function locate({ code, map }: Code, offset: number): Place {
  const lines = code.slice(0, offset).split("\n");
  const { originalSource = "", originalLine = 0 } = new Lookup(
    map as SourceMapPayload,
  )
    .findEntry(lines.length - 1, lines.at(-1)!.length) as SourceMapping;
  return { source: originalSource, line: originalLine + 1 };
}

function decode(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = digits.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return numbers;
}

function encode(number: number): string {
  let rest = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = "";
  do {
    text += digits[(rest & 31) | (rest > 31 ? 32 : 0)];
    rest >>>= 5;
  } while (rest > 0);
  return text;
}
