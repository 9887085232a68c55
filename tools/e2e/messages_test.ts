/** Each error that the packages print has a row in docs/troubleshooting.md. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  cleanEnv,
  Program,
  readProjectFile,
  root,
  temporaryFolder,
} from "./_programs.ts";

/** What nobody sees, or as part of another message. */
const unseen = [
  // In a test or a tool that waits for a program
  'Cannot find "…" in what "…" printed',
  // In Workflow code that stops changes to what all share
  'Cannot "…" globalThis: other Workflows share it',
  // In a bundle, as Node.js says it
  'Cannot find module "…"',
];

const page = await readProjectFile("docs/troubleshooting.md");

/** Lists the modules of the packages, without tests. */
function* modulesOf(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(root, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory && !/^(?:testdata|node_modules)$/.test(name)) {
      yield* modulesOf(path);
    } else if (/(?<!_test|template)\.ts$/.test(name)) yield path;
  }
}

/** Returns a message up to its reason, with "…" for what varies. */
function headOf(message: string): string {
  return message.replaceAll(/"[^"]*(?:"|$)/g, '"…"').split(/[:;,](?=[ …]|$)/)[0]
    .replaceAll(/\b\d+\b/g, "…").trim();
}

/** Lists the errors in the code. */
async function readErrors(): Promise<{ path: string; head: string }[]> {
  const found = [];
  for (const path of modulesOf("packages")) {
    const source = (await readProjectFile(path))
      // Messages are in pieces there, and values are put in.
      .replaceAll(/[`"'] \+\s+[`"']/g, "")
      .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, "…")
      .replaceAll(/\\n|\\(?=["'`])/g, "");
    const messages = source.matchAll(/(["'`])(Cannot .*?)(?:\1[,;)\s]|\n)/g);
    for (const [, , message] of messages) {
      found.push({ path, head: headOf(message) });
    }
  }
  return found;
}

Deno.test("each error of the packages has a row in docs/troubleshooting.md", async () => {
  const errors = await readErrors();
  assert(errors.length > 35, `${errors.length}`);
  const rows = Array.from(
    page.matchAll(/^\| `(Cannot [^`]+)` +\|/gm),
    ([, message]) => headOf(message),
  );
  const known = [...rows, ...unseen.map(headOf)];
  const missing = errors.filter(({ head }) => !known.includes(head));
  assertEquals(missing, []);
});

Deno.test("docs/troubleshooting.md has no row for an error that no package prints", async () => {
  const heads = (await readErrors()).map(({ head }) => head);
  const rows = Array.from(
    page.matchAll(/^\| `(Cannot [^`]+)` +\|/gm),
    ([, message]) => headOf(message),
  );
  assertEquals(rows.filter((row) => !heads.includes(row)), []);
});

Deno.test("docs/troubleshooting.md says what Deno says without a registry", async () => {
  await using folder = await temporaryFolder();
  const env = {
    ...cleanEnv,
    DENO_DIR: folder.path,
    JSR_URL: "http://127.0.0.1:1/",
    NPM_CONFIG_REGISTRY: "http://127.0.0.1:1/",
  };
  const create = "jsr:@temporal-on-deno/create";
  const commands = [
    ["run", create, "my-app"],
    ["add", "jsr:@temporal-on-deno/plugin"],
    ["run", "npm:@temporalio/worker@1.24.0"],
  ];
  const section = page.split("## Create a project and install packages")[1];
  const messages = Array.from(
    section.matchAll(/^\| Deno: `([^`]+)`/gm),
    ([, message]) => message,
  );
  assertEquals(messages.length, commands.length);
  for (const [index, args] of commands.entries()) {
    await using program = new Program([Deno.execPath(), ...args], {
      cwd: folder.path,
      env,
      clearEnv: true,
    });
    await program.status;
    for (const part of messages[index].split("…")) {
      assertStringIncludes(program.stderr, part);
    }
  }
});

Deno.test("docs/troubleshooting.md says what Deno says of a permission that is not a list", async () => {
  const [, message, wrong, right] = page.match(
    /^\| Deno: `(data .*) …`.*Instead of `(.+)`, write `(.+)`/m,
  )!;
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(join(folder.path, "empty.ts"), "");
  for (const [permission, isAccepted] of [[wrong, false], [right, true]]) {
    await Deno.writeTextFile(
      join(folder.path, "deno.json"),
      `{ "permissions": { "activities": { ${permission} } } }`,
    );
    await using program = new Program(
      [Deno.execPath(), "run", "-P=activities", "empty.ts"],
      { cwd: folder.path, env: cleanEnv, clearEnv: true },
    );
    const { success } = await program.status;
    assertEquals(success, isAccepted);
    assertEquals(program.stderr.includes(message), !isAccepted);
  }
});
