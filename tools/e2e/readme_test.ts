/**
 * The README and `docs/`: code, links, tasks, files and messages exist, and what
 * the README tells the reader to do works.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { sdkVersion } from "../../packages/cli/servers/locate.ts";
import {
  changedProject,
  output,
  readProjectFile,
  root,
  runTest,
  spawn,
  startDeno,
  startDevServer,
  startWorker,
} from "./_programs.ts";
import { applyDiff } from "./_diff.ts";

const docs = Array.from(
  Deno.readDirSync(join(root, "docs")),
  ({ name }) => name,
)
  .filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
const pages = await Promise.all(
  ["README.md", "CONTRIBUTING.md", ...docs].map(async (path) => ({
    path,
    text: await readProjectFile(path),
  })),
);
const [readme] = pages;

/** Returns the groups of all matches on these pages; fails if there are none. */
function findAll(pattern: RegExp, searched = pages) {
  const matches = searched.flatMap(({ path, text }) =>
    Array.from(text.matchAll(pattern), ([, ...groups]) => ({ path, groups }))
  );
  assert(matches.length > 0, `nothing matches ${pattern}`);
  return matches;
}

/** The block of code after a sentence of the README that names a file. */
function findBlocks(sentence: RegExp, language: string) {
  const block = new RegExp(
    `${sentence.source}[^\`]*:\\n\\n\`\`\`${language}\\n([^]*?)\`\`\``,
    "g",
  );
  return findAll(block, [readme])
    .map(({ groups: [file, code] }) => ({ file, code }));
}

/** Removes the doc comment of the module. */
function withoutModuleComment(code: string): string {
  return code.replace(/^\/\*\*[^]*?@module\n \*\/\n+/, "");
}

Deno.test("the README shows the Workflow and the Activity as a whole", async () => {
  const blocks = findBlocks(/The file `(\S+)`/, "ts");
  for (const { file, code } of blocks) {
    assertEquals(code, withoutModuleComment(await readProjectFile(file)));
  }
  assertEquals(blocks.map(({ file }) => file), [
    "workflows.ts",
    "activities.ts",
  ]);
});

Deno.test("the README shows parts of the Client and the tests as they are", async () => {
  const withoutSpace = (code: string) => code.replaceAll(/\s+/g, "");
  const test = "tests/run_workflow_test.ts";
  const blocks = [
    ...findBlocks(/From\s`(\S+)`/, "ts"),
    { file: test, code: readme.text.match(/^activities: \{[^]*?^\},$/m)![0] },
  ];
  for (const { file, code } of blocks) {
    assertStringIncludes(
      withoutSpace(await readProjectFile(file)),
      withoutSpace(code),
    );
  }
  assertEquals(blocks.map(({ file }) => file), ["run_workflow.ts", test, test]);
});

/** The README's first Worker, as a program. */
const [, firstWorker] = readme.text.match(/^```ts\n([^]*?)```/m)!;
const project = await changedProject({
  "worker.ts": `import { NativeConnection, Worker } from "@temporalio/worker";
    import { DenoPlugin } from "@temporal-on-deno/plugin";
    const connection = await NativeConnection.connect({ address: Deno.args[0] });
    ${firstWorker.replace("{", "{ connection,")}`,
});
const cwd = project.path;
const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

Deno.test("the README's first Worker is one", async () => {
  const command = ["run", "--no-check", "-A", "worker.ts", server.address];
  await using _worker = startDeno(command, { cwd });
  const { stdout, stderr } = await output("start", [], { env });
  assertEquals(stdout, "Result: Hello, Temporal!\n", stderr);
});

Deno.test('the part "Break it" prints what it says', async () => {
  const part = readme.text.match(/^## Break it\n[^]*?(?=^## )/m)![0];
  const [noWorker, failing] = Array.from(
    part.matchAll(/```text\n\s*(.+)\n/g),
    ([, line]) => line,
  );
  const [, change] = part.match(/`(throw .+)`/)!;
  const file = join(cwd, "activities.ts");
  const activities = await Deno.readTextFile(file);
  await using client = spawn("start", [], { env });
  await client.prints(noWorker);
  await using second = spawn("start", [], { env });
  await Deno.writeTextFile(file, activities.replace(/return .*/, change));
  {
    await using _worker = await startWorker([], { env, cwd });
    await client.prints(failing);
  }
  await Deno.writeTextFile(file, activities);
  await using _worker = await startWorker([], { env, cwd });
  for (const { status } of [client, second]) {
    assertEquals((await status).code, 0);
  }
  assertEquals(client.stdout, "Result: Hello, Temporal!\n");
  assertEquals(second.stdout, client.stdout);
});

/** Makes the README's changes of a part in a copy of the project. */
async function followPart(heading: string) {
  const part = readme.text.split(/^### /m)
    .find((part) => part.startsWith(heading))!;
  const blocks = part.matchAll(
    /(?:In|Allow it in|Create)\s`(\S+)`[^`]*:\n\n```(ts|diff)\n([^]*?)```/g,
  );
  for (const [, file, language, code] of blocks) {
    const path = join(cwd, file);
    const text = language === "ts"
      ? code
      : applyDiff(await Deno.readTextFile(path), code);
    await Deno.writeTextFile(path, text);
  }
}

Deno.test('the part "Make it yours" works, change by change', async () => {
  const test = "tests/run_workflow_test.ts";

  await followPart("Rename the Workflow");
  const files = ["run_workflow.ts", test, "worker.ts"];
  await using check = startDeno(["check", ...files], { cwd });
  assertEquals((await check.status).code, 1);
  // The first Worker names no Workflow.
  assertEquals(check.stderr.includes("/worker.ts:"), false);
  for (const file of ["run_workflow.ts", test]) {
    assertStringIncludes(check.stderr, file);
    const text = await Deno.readTextFile(join(cwd, file));
    await Deno.writeTextFile(
      join(cwd, file),
      text.replaceAll(/(?<!")\bSayHello\b/g, "Greet"),
    );
  }

  await followPart("Add an Activity");
  await Deno.writeTextFile(join(cwd, "place.txt"), "the library\n");
  await followPart("Add a Workflow");
  const commands = Array.from(
    readme.text.matchAll(/^deno task temporal (.+)/gm),
    ([, line]) => line.split(/ +/).map((word) => word.replaceAll("'", "")),
  );
  assertEquals(commands.length, 4);
  const last = commands.pop()!;
  {
    await using worker = await startWorker([], { env, cwd });
    for (const command of commands) {
      const { code, stderr } = await output("temporal", command, { env });
      assertEquals(code, 0, stderr);
    }
    await worker.prints('Requires read access to "place.txt"');
  }
  await followPart("Give the Activity a permission");
  await using _worker = await startWorker([], { env, cwd });
  const { stdout } = await output("temporal", last, { env });
  assertStringIncludes(stdout, '"Hello, Ada! Come to the library."');
  const passed = await runTest([test, "tests/invite_test.ts"], cwd);
  assertStringIncludes(passed, "ok | 4 passed");
});

Deno.test("the README has at most 450 lines, and each page of docs/ at most 150", () => {
  for (const { path, text } of pages) {
    const limit = path === "README.md" ? 450 : 150;
    const lines = text.trimEnd().split("\n").length;
    assert(lines <= limit, `${path} has ${lines} lines`);
  }
});

Deno.test("each link within the project leads to a file and a heading", async () => {
  const links = findAll(/\]\((?!https?:)([^)#]*)(#[^)]+)?\)/g);
  for (const { path, groups: [link, anchor] } of links) {
    const target = link ? join(dirname(path), link) : path;
    await Deno.stat(join(root, target));
    if (!anchor) continue;
    const headings = Array.from(
      (await readProjectFile(target)).matchAll(/^#+ (.+)$/gm),
      ([, heading]) =>
        heading.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-"),
    );
    assert(headings.includes(anchor.slice(1)), `${path}: ${anchor}`);
  }
});

Deno.test("each page of docs/ is linked from docs/README.md", () => {
  const list = pages.find(({ path }) => path === "docs/README.md")!;
  for (const path of docs) {
    if (path !== list.path) {
      assertStringIncludes(list.text, `(${path.slice("docs/".length)})`);
    }
  }
});

Deno.test("each task and file that is named exists", async () => {
  for (const { groups: [name] } of findAll(/`deno task ([a-z][a-z0-9:-]*)/g)) {
    assert(name in config.tasks, name);
  }
  // Files that begin with "./", or that the reader creates, need not exist.
  const created = findAll(/Create `(.+?)`/g).map(({ groups: [path] }) => path);
  const paths = findAll(/`((?:[a-z_0-9.]+\/)*[a-z_]+\.tsx?|(?:[a-z_.]+\/)+)`/g)
    .filter(({ groups: [path] }) =>
      !path.startsWith("./") && !created.includes(path)
    );
  assert(paths.length > 10);
  for (const { path, groups: [name] } of paths) {
    await Deno.stat(join(root, name)).catch(() => {
      throw new Error(`${path} names "${name}", which does not exist`);
    });
  }
});

Deno.test("each command that adds a package of Temporal's names the SDK's version", () => {
  const named = findAll(/npm:@temporalio\/[\w-]+@(\S+)/g);
  for (const { path, groups: [number] } of named) {
    assertEquals(number, sdkVersion, path);
  }
});

Deno.test("each environment variable that is named is one that programs may read", () => {
  const readable = [
    ...config.permissions.worker.env.allow,
    ...config.permissions.start.env.allow,
  ].map((name) => new RegExp(`^${name.replace("*", ".*")}$`));
  for (const { groups: [name] } of findAll(/`\$?((?:TEMPORAL|XDG|LOG)_\w+)/g)) {
    assert(readable.some((pattern) => pattern.test(name)), name);
  }
});

Deno.test("each message in docs/troubleshooting.md is in the source code", async () => {
  const page = pages.find(({ path }) => path.endsWith("troubleshooting.md"))!;
  const rows = findAll(/^\| `([^`]+)` +\|/gm, [page]);
  assert(rows.length > 20);
  const folders = [
    "packages/cli",
    "packages/cli/servers",
    "packages/create",
    "packages/plugin",
    "packages/plugin/activities",
    "packages/plugin/workflows",
  ];
  const sources = await Promise.all(
    folders.flatMap((folder) =>
      Array.from(Deno.readDirSync(join(root, folder)))
        .filter(({ name }) => name.endsWith(".ts") && !/_test\./.test(name))
        .map(({ name }) => readProjectFile(join(folder, name)))
    ),
  );
  // Messages are in pieces there, and values are put in.
  const source = sources.join().replaceAll(/[`"'] \+\s+[`"']/g, "")
    .replaceAll(/\$\{[^]*?\}/g, "…");
  for (const { groups: [message] } of rows) {
    const pieces = message.split(/"[^"]*"|…|\(?\d+\)?|[:,] /)
      .map((piece) => piece.trim()).filter((piece) => piece.length > 1);
    assert(pieces.some((piece) => piece.length > 8), message);
    for (const piece of pieces) {
      assert(source.includes(piece), `${message}: "${piece}"`);
    }
  }
});
