/**
 * The README and `docs/`: code, links, tasks, files and messages exist, and what
 * the README tells the reader to do works.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { locateServer, sdkVersion } from "../../packages/cli/servers/locate.ts";
import {
  changedProject,
  output,
  readProjectFile,
  root,
  spawn,
  startDevServer,
  startWorker,
} from "./_programs.ts";

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

/** Removes the doc comment of the module. */
function withoutModuleComment(code: string): string {
  return code.replace(/^\/\*\*[^]*?@module\n \*\/\n+/, "");
}

/** A block of TypeScript, and the sentence that names its file. */
const block = /^(Create the file|In) `(\S+)`.*:\n\n```ts\n([^]*?)```/gm;

Deno.test("the README shows each file of the tutorial as a whole", async () => {
  const blocks = findAll(block, [readme])
    .filter(({ groups: [verb] }) => verb.startsWith("Create"));
  for (const { groups: [, file, code] } of blocks) {
    assertEquals(code, withoutModuleComment(await readProjectFile(file)));
  }
  assertEquals(blocks.map(({ groups: [, file] }) => file), [
    "workflows.ts",
    "activities.ts",
    "tests/run_workflow_test.ts",
    "run_worker.ts",
    "run_workflow.ts",
  ]);
});

Deno.test("each block of TypeScript names its file", () => {
  const all = findAll(/^```ts$/gm);
  assertEquals(findAll(block).length, all.length);
});

Deno.test("the README shows the permissions of Activities as they are", async () => {
  const [{ groups: [line] }] = findAll(/```json\n(.+)\n```/g, [readme]);
  assertStringIncludes(await readProjectFile("deno.json"), line);
});

Deno.test("the solution of the exercise passes its test", async () => {
  const changes: Record<string, string> = {};
  for (const { groups: [verb, file, code] } of findAll(block, [readme])) {
    if (verb !== "In") continue;
    let text = await readProjectFile(file);
    const declared = [
      /^import .+ "..\/workflows.ts";$/m,
      /^const \{[^]*?^\}\);$/m,
    ];
    for (const declaration of declared) {
      if (declaration.test(code)) text = text.replace(declaration, "");
    }
    changes[file] = `${text}\n${code}`;
  }
  assertEquals(Object.keys(changes).length, 3);
  await using project = await changedProject(changes);
  const { stdout, stderr } = await output(
    "test",
    ["tests/run_workflow_test.ts"],
    {
      cwd: project.path,
      env: { TEMPORAL_TEST_SERVER: await locateServer("test-server") },
    },
  );
  assertStringIncludes(stdout, "ok | 3 passed", `${stdout}\n${stderr}`);
});

Deno.test('the part "Break it" prints what it says', async () => {
  const part = readme.text.match(/^## Break it\n[^]*?(?=^## )/m)![0];
  const [noWorker, failing] = Array.from(
    part.matchAll(/```text\n\s*(.+)\n/g),
    ([, line]) => line,
  );
  const [, change] = part.match(/```js\n\s*(.+)\n/)!;
  const activities = await readProjectFile("activities.ts");
  await using server = await startDevServer();
  const env = { TEMPORAL_ADDRESS: server.address };
  await using client = spawn("start", [], { env });
  await client.prints(noWorker);
  await using project = await changedProject({
    "activities.ts": activities.replace(/return .*/, change),
  });
  {
    await using _worker = await startWorker([], { env, cwd: project.path });
    await client.prints(failing);
  }
  await using _worker = await startWorker([], { env });
  assertEquals((await client.status).code, 0);
  assertEquals(client.stdout, "Result: Hello, Temporal!\n");
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

Deno.test("each page of docs/ is linked from the README", () => {
  for (const path of docs) assertStringIncludes(readme.text, `(${path})`);
});

Deno.test("each task and file that is named exists", async () => {
  for (const { groups: [name] } of findAll(/`deno task ([a-z:]+)/g)) {
    assert(name in config.tasks, name);
  }
  // Examples begin with "./", and need not exist.
  const paths = findAll(/`((?:[a-z_0-9.]+\/)*[a-z_]+\.tsx?|(?:[a-z_.]+\/)+)`/g)
    .filter(({ groups: [path] }) => !path.startsWith("./"));
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
