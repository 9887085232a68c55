/**
 * A page of `docs/` is a script, and does what it says in a new project:
 *
 * - "Create the file `F`" writes the block below it, and "In `F`" changes a file:
 *   what a block declares takes the place of what the file declares under the same
 *   names, and the rest is added. JSON is merged, and a diff is applied.
 * - Commands (`sh`) with a transcript (`text`, where `…` stands for anything) are
 *   run, beside a development server. A new Worker takes the place of the last one.
 *   Of those without a transcript, `deno add` is run.
 *
 * At the end, `deno check` passes, and so do all tests of the page. This takes
 * minutes, so it runs with `LONG=1`.
 */

import { assert } from "@std/assert";
import { dirname, join } from "node:path";
import { createProject } from "../../packages/create/mod.ts";
import { findPort, isFree } from "../../packages/cli/ports.ts";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import {
  cleanEnv,
  deno,
  Program,
  readProjectFile,
  root,
  startDevServer,
  temporaryFolder,
} from "./_programs.ts";
import { isLong } from "../shared/random.ts";
import { applyDiff } from "./_diff.ts";

/** One step of a page: code for a file, or commands and what they print. */
const step = new RegExp(
  [
    "^(?:Create the file|In) `(?<file>\\S+)`(?:, below `(?<line>.+)`)?.*:",
    "\n\n```(?:ts|js|json|diff)\n(?<code>[^]*?)^```",
    "|^```sh\n(?<commands>[^]*?)^```(?:\n\n```text\n(?<transcript>[^]*?)^```)?",
  ].join(""),
  "gm",
);

/** Pages with code that is wrong, which `lint_test.ts` checks. */
const mistakes = ["lint.md", "mistakes.md"];

const testServer = await locateServer("test-server");

/** Splits formatted code into what stands at its top level. */
function statements(code: string): string[] {
  return code.match(/^(?:.*\n)*?(?:\S.*)?[;}]$/gm) ?? [];
}

/** Returns the names that a statement declares. */
function names(statement: string): string[] {
  const [, named = "", name] = statement.match(
    /^(?:import (?:type )?([^]*?) from|(?:export )?(?:async )?(?:const|function|interface|type) (?:(\w+)|\{))/m,
  ) ?? [];
  if (name) return [name];
  const list = named || statement.match(/^const \{([^]*?)\}/m)?.[1] || "";
  return list.match(/\w+/g) ?? [];
}

/** Changes code by a block, as a reader would. */
function change(text: string, block: string): string {
  const declared = new Set(statements(block).flatMap(names));
  for (const word of ["as", "type"]) declared.delete(word);
  const kept = statements(text).filter((statement) =>
    !names(statement).some((name) => declared.has(name))
  );
  return [...kept, block].join("\n");
}

/** Whether a block is a diff. */
function isDiff(code: string): boolean {
  return code.split("\n").every((line) => /^(?:[-+ ]|$)/.test(line));
}

/** Reads JSON: a whole, or fields of an object. */
function parse(code: string): unknown {
  return JSON.parse(code.startsWith("{") ? code : `{${code}}`);
}

/** Merges two values of JSON. */
function merge(left: unknown, right: unknown): unknown {
  if (Object(left) !== left || Array.isArray(left)) return right;
  const merged = { ...left as Record<string, unknown> };
  for (const [name, value] of Object.entries(right as object)) {
    merged[name] = merge(merged[name], value);
  }
  return merged;
}

/** Writes a block to a file: as a part of it, or below one of its lines. */
async function edit(path: string, code: string, line?: string) {
  const text = await Deno.readTextFile(path).catch(() => "");
  await Deno.mkdir(dirname(path), { recursive: true });
  const changed = line
    ? text.replace(line, () => `${line}\n${code}`)
    : isDiff(code)
    ? applyDiff(text, code)
    : path.endsWith(".json")
    ? JSON.stringify(merge(JSON.parse(text), parse(code)), null, 2)
    : change(text, code);
  assert(changed !== text, `${path} has this already:\n${code}`);
  await Deno.writeTextFile(path, changed);
}

for (const { name } of Deno.readDirSync(join(root, "docs"))) {
  if (!name.endsWith(".md") || mistakes.includes(name)) continue;
  const page = await readProjectFile(`docs/${name}`);
  const port = findPort(isFree);
  const steps = [...page.replaceAll("8000", `${port}`).matchAll(step)].map((
    { groups },
  ) => groups!);
  if (!steps.some(({ file }) => file)) continue;

  const ignore = !isLong;
  Deno.test(`docs/${name} does what it says`, { ignore }, async () => {
    await using folder = await temporaryFolder();
    await using server = await startDevServer();
    await using running = new AsyncDisposableStack();
    const cwd = join(folder.path, "my-app");
    createProject(cwd);
    const cli = dirname(cleanEnv.TEMPORAL_CLI);
    const env = {
      ...cleanEnv,
      PATH: `${cleanEnv.PATH}:${cli}`,
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_TEST_SERVER: testServer,
    };
    const start = (command: string) =>
      new Program(["sh", "-c", command], { cwd, env, clearEnv: true });
    await deno(["install"], { cwd, env });
    let worker: Program | undefined;
    for (const { file, line, code, commands, transcript } of steps) {
      if (file) {
        await edit(join(cwd, file), code, line);
        continue;
      }
      if (!transcript) {
        const [, ...args] = commands.trim().split(/[\s\\]+/);
        if (args[0] === "add") await deno(args, { cwd, env });
        continue;
      }
      if (commands.startsWith("deno task worker")) {
        await worker?.[Symbol.asyncDispose]();
      }
      const program = running.use(start(commands));
      for (const part of transcript.trim().split(/\n|…/)) {
        await program.prints(part);
      }
      if (commands.startsWith("deno task worker")) worker = program;
      // Other tasks run until the end of the page.
      else if (!commands.startsWith("deno task")) await program.status;
    }
    const files = new Set(steps.flatMap(({ file }) => file ?? []));
    const tests = [...files].filter((file) => file.endsWith("_test.ts"));
    await deno(["check"], { cwd, env });
    const flags = ["--no-check", "--no-prompt", "-P"];
    await deno(["test", ...flags, ...tests], { cwd, env });
  });
}
