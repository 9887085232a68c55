/**
 * The programs of `docs/` that show gaps between the runtimes print what the pages say,
 * on Deno and, where it is installed, on Node.js. If one fails on Deno only, Deno may
 * have closed the gap.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import {
  cleanEnv,
  findNodeVersion,
  Program,
  readProjectFile,
  startDeno,
  temporaryFolder,
} from "./_programs.ts";

const hasNode20 = (await findNodeVersion())?.startsWith("v20.");

/** A program of a page, and what its table says. */
interface Gap {
  title: string;
  code: string;
  expected: { node: string; deno: string };
}

/** Reads the first program and table of each part of a page. */
async function readGaps(page: string): Promise<Gap[]> {
  const parts = (await readProjectFile(page)).split(/^## (?=\d)/m).slice(1);
  return parts.map((part) => {
    const [title] = part.split("\n", 1);
    const [, code] = part.match(/^```js\n([^]*?)^```/m)!;
    const [, node, deno] = part.match(/^\| -.*\n\| (.+?) +\| (.+?) +\|$/m)!;
    return { title, code, expected: { node, deno } };
  });
}

/** Returns the lines of a cell of a table: its code. */
function lines(cell: string): string {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([_, code]) => `${code}\n`)
    .join("");
}

/** The pages say what happens on Linux. */
const ignore = Deno.build.os !== "linux";

const gaps = [
  ...await readGaps("docs/gaps.md"),
  ...await readGaps("docs/gaps-process.md"),
];

for (const { title, code, expected } of gaps) {
  const env = title.startsWith("2.")
    ? { LC_ALL: "sv_SE.UTF-8", TZ: "Asia/Tokyo" }
    : undefined;
  const limit = title.startsWith("7.") ? "--max-old-space-size=100" : undefined;
  // These end the process, by a signal.
  const crashes = /^[79]\./.test(title);

  /** Runs the program to its end. */
  const run = async (start: (file: string, cwd: string) => Program) => {
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(join(folder.path, "gap.mjs"), code);
    await using program = start("gap.mjs", folder.path);
    const { signal } = await program.status;
    return { stdout: program.stdout, stderr: program.stderr, signal };
  };

  const name = `gap ${title}: Deno prints what the page says`;
  Deno.test(name, { ignore }, async () => {
    const { signal, stderr, stdout } = await run((file, cwd) => {
      const flags = limit ? [`--v8-flags=${limit}`] : [];
      return startDeno(["run", "-A", ...flags, file], { cwd, env });
    });
    if (!crashes) assertEquals(stdout, lines(expected.deno));
    else {
      assertMatch(`${signal}`, /^SIG(?:ABRT|SEGV|TRAP)$/);
      if (limit) assertMatch(stderr, RegExp(lines(expected.deno).trim()));
    }
  });

  Deno.test({
    name: `gap ${title}: Node.js prints what the page says`,
    ignore: ignore || !hasNode20,
    fn: async () => {
      const { stdout } = await run((file, cwd) => {
        const command = ["node", ...limit ? [limit] : [], file];
        return new Program(command, { cwd, env: { ...cleanEnv, ...env } });
      });
      assertEquals(stdout, lines(expected.node));
    },
  });
}

for (
  const [title, flag] of [["2. ", "--unstable-bundle"], ["3. ", "--quiet"]]
) {
  Deno.test(`report ${title}for Deno: its program prints "false"`, async () => {
    const page = await readProjectFile("docs/upstream-deno.md");
    const part = page.split(/^## /m).find((text) => text.startsWith(title))!;
    const [, code] = part.match(/^ +```js\n([^]*?)^ +```/m)!;
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(join(folder.path, "report.mjs"), code);
    const args = ["run", "-A", flag, "report.mjs"];
    await using program = startDeno(args, { cwd: folder.path });
    await program.status;
    assertEquals(program.stdout, "false\n", program.stderr);
  });
}
