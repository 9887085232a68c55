/** What the README shows of files, links, tasks and messages is so. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { root } from "./_programs.ts";

const readme = await Deno.readTextFile(join(root, "README.md"));

/** Code as it is, but for how far it is set in. */
function unindented(code: string): string {
  return code.replaceAll(/^ +/gm, "");
}

Deno.test("each piece of code is in the file that it is said to be in", async () => {
  const pieces = readme.matchAll(/<!-- (\S+) -->\n+```ts\n([^]*?)```/g);
  let count = 0;
  for (const [, file, code] of pieces) {
    const text = await Deno.readTextFile(join(root, file));
    assertStringIncludes(unindented(text), unindented(code));
    count++;
  }
  assertEquals(count, readme.match(/^```ts$/gm)?.length);
});

Deno.test("each link within the project leads somewhere", async () => {
  for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
    await Deno.stat(join(root, path));
  }
});

Deno.test("each task and file that is named is there", async () => {
  for (const [, name] of readme.matchAll(/`deno task ([a-z:]+)/g)) {
    assertEquals(name in config.tasks, true, name);
  }
  for (const [, path] of readme.matchAll(/`([a-z_/]+\.tsx?|[a-z]+\/)`/g)) {
    await Deno.stat(join(root, path));
  }
});

Deno.test("each message of this project is one that it prints", async () => {
  const [, rows] = readme.split("## If something goes wrong");
  const sources = await Promise.all(
    ["lib", "dev"].flatMap((folder) =>
      Array.from(
        Deno.readDirSync(join(root, folder)),
        ({ name }) => Deno.readTextFile(join(root, folder, name)),
      )
    ),
  );
  // As the sources have it: in pieces, with values put in.
  const printed = sources.join().replaceAll(/[`"'] \+\s+[`"']/g, "")
    .replaceAll(/\$\{.*?\}/g, "…");
  const theirs = /^(Nondeterminism|NotCapable|JSR|Error loading)/;
  for (const [, message] of rows.matchAll(/^\| `([^`]+)`/gm)) {
    if (theirs.test(message)) continue;
    const literal = message.replaceAll(/"[^"]*"|….*| \d+ |\w+'s/g, "…");
    const pieces = literal.split("…").map((piece) => piece.trim());
    const found = pieces.every((piece) => printed.includes(piece));
    assertEquals(found, true, message);
  }
});
