/** What is changed in an application that moves, and what is not. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { moveApplication, MoveError } from "./move.ts";

const manifest = JSON.stringify({
  name: "application",
  scripts: {
    "build": "tsc --build",
    "start": "ts-node src/worker.ts",
    "start.watch": "nodemon src/worker.ts",
    "workflow": "ts-node -r ./src/instrumentation src/client.ts --name x",
    "built": "node lib/worker.js",
    "test": "mocha --exit --require ts-node/register src/test/*.test.ts",
  },
  dependencies: { "@temporalio/worker": "^1.24.0" },
});

/** The same without scripts, which would name files that a test does not have. */
const plain = JSON.stringify({ ...JSON.parse(manifest), scripts: {} });

/** Moves an application of these files; returns the files, and what is reported. */
async function move(
  files: Record<string, string>,
  options: Parameters<typeof moveApplication>[1] = {},
) {
  const folder = await Deno.makeTempDir();
  try {
    await writeFiles(folder, { "package.json": manifest, ...files });
    const { changes, todo } = await moveApplication(folder, options);
    // Most of these applications have no packages installed.
    const lines = (list: typeof todo) =>
      list.map(({ path, line, text }) => `${path}:${line ?? ""} ${text}`)
        .filter((line) => !line.includes("install the packages, and move"));
    return { files: read(folder), changes: lines(changes), todo: lines(todo) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writeFiles(folder: string, files: Record<string, string>) {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
}

function read(folder: string, prefix = ""): Record<string, string> {
  const entries = [...Deno.readDirSync(join(folder, prefix))]
    .filter((entry) => !entry.isSymlink);
  return Object.assign(
    {},
    ...entries.map(({ name, isDirectory }) =>
      isDirectory ? read(folder, `${prefix}${name}/`) : {
        [prefix + name]: Deno.readTextFileSync(join(folder, prefix, name)),
      }
    ),
  );
}

/** Moves the text of `src/main.ts`; returns its new text. */
async function moveText(
  text: string,
  files: Record<string, string> = {},
): Promise<string> {
  const moved = await move({ "src/main.ts": text, ...files });
  return moved.files["src/main.ts"];
}

Deno.test("moveApplication() adds the endings of files to imports", async () => {
  const text = await moveText(
    `import { a } from './a';
import { b } from './b';
import c from "./c.js";
export { d } from '.';
const e = await import('../e');
console.log(a, b, c, e);
`,
    {
      "src/a.ts": "export const a = 1;",
      "src/b/index.ts": "export const b = 1;",
      "src/c.ts": "export default 1;",
      "src/index.ts": "export const d = 1;",
      "e.mjs": "",
    },
  );
  assertEquals(
    text,
    `import { a } from './a.ts';
import { b } from './b/index.ts';
import c from "./c.ts";
export { d } from './index.ts';
const e = await import('../e.mjs');
console.log(a, b, c, e);
`,
  );
});

Deno.test("moveApplication() keeps the line ends of a file", async () => {
  const text = `import { Worker } from '@temporalio/worker';
const create = () => Worker.create({ taskQueue: 'x' });
console.log(create, require.resolve('./main'));
`;
  const moved = await moveText(text.replaceAll("\n", "\r\n"));
  assertEquals(moved, (await moveText(text)).replaceAll("\n", "\r\n"));
});

Deno.test("move completes what it writes after SIGINT", async () => {
  const folder = await Deno.makeTempDir();
  const watcher = Deno.watchFs(folder, { recursive: false });
  try {
    const names = Array.from({ length: 500 }, (_, n) => `${n}.ts`);
    await writeFiles(folder, {
      "package.json": plain,
      ...Object.fromEntries(names.map((name) => [name, "import './1';\n"])),
    });
    const program = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-q", "--no-prompt", "-RWE", "--allow-run=deno,git"],
        ...[join(import.meta.dirname!, "move.ts"), folder],
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.includes(".move-"))) break;
    }
    program.kill("SIGINT");
    await program.status;
    const { "package.json": _, "deno.json": config, ...others } = read(folder);
    assert(config);
    assertEquals(
      others,
      Object.fromEntries(names.map((name) => [name, "import './1.ts';\n"])),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() names the files of packages", async () => {
  const text = await moveText(
    `import assert from 'assert';
import { encode } from '@temporalio/common/lib/encoding';
import { x } from 'plain/lib/x';
assert(encode, x);
`,
    {
      "node_modules/plain/package.json": '{ "version": "1.2.3" }',
      "node_modules/plain/lib/x/index.js": "exports.x = 1;",
    },
  );
  assertStringIncludes(text, "from 'node:assert'");
  assertStringIncludes(text, "from '@temporalio/common/lib/encoding.js'");
  assertStringIncludes(text, "from 'plain/lib/x/index.js'");
});

Deno.test("moveApplication() declares packages that others bring", async () => {
  const { files } = await move({
    "src/main.ts": "import 'plain';\nimport '@temporalio/common';\n",
    "node_modules/plain/package.json": '{ "version": "1.2.3" }',
  });
  const { imports } = JSON.parse(files["deno.json"]);
  assertEquals(imports.plain, "npm:plain@^1.2.3");
  assertEquals(imports["@temporalio/common"], "npm:@temporalio/common@^1.24.0");
});

Deno.test("moveApplication() replaces what only CommonJS modules have", async () => {
  const text = await moveText(
    `import * as path from 'path';
const a = path.join(__dirname, __filename);
const b = require.resolve('./workflows');
const { c } = require('c');
if (require.main === module) console.log(a, b, c);
`,
    { "src/workflows.ts": "" },
  );
  assertEquals(
    text,
    `import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import * as path from 'node:path';
const require = createRequire(import.meta.url);
const a = path.join(import.meta.dirname!, import.meta.filename!);
const b = fileURLToPath(import.meta.resolve('./workflows.ts'));
const { c } = require('c');
if (process.argv[1] === import.meta.filename) console.log(a, b, c);
`,
  );
});

Deno.test("moveApplication() passes the plugin to the SDK's functions", async () => {
  const before =
    `import { Worker, Worker as W, bundleWorkflowCode } from '@temporalio/worker';
import * as sdk from '@temporalio/worker';
import { TestWorkflowEnvironment } from '@temporalio/testing';
await Worker.create({ taskQueue: 'x' });
await Worker.create({
  taskQueue: 'x',
});
await Worker.create({ taskQueue: 'x', plugins });
await Worker.create({ taskQueue: 'x', plugins: [new Other()] });
await Worker.create({ taskQueue: 'x', plugins: others() });
await Worker.create(options);
await Worker.runReplayHistory({}, history);
await bundleWorkflowCode({ workflowsPath });
await TestWorkflowEnvironment.createLocal();
await Worker.create(coverage.augment({ taskQueue: 'x' }));
await sdk.Worker.create({});
await W.create({});
await Other.create({});
(() => sdk)();
`;
  const text = await moveText(before);
  assertEquals(
    text,
    `import { denoPlugins } from './deno_plugins.ts';
import { Worker, Worker as W, bundleWorkflowCode } from '@temporalio/worker';
import * as sdk from '@temporalio/worker';
import { TestWorkflowEnvironment } from '@temporalio/testing';
await Worker.create({ plugins: denoPlugins, taskQueue: 'x' });
await Worker.create({
  plugins: denoPlugins,
  taskQueue: 'x',
});
await Worker.create({ taskQueue: 'x', plugins: [...(plugins ?? []), ...denoPlugins] });
await Worker.create({ taskQueue: 'x', plugins: [new Other(), ...denoPlugins] });
await Worker.create({ taskQueue: 'x', plugins: [...(others() ?? []), ...denoPlugins] });
await Worker.create({ ...options, plugins: [...(options.plugins ?? []), ...denoPlugins] });
await Worker.runReplayHistory({ plugins: denoPlugins }, history);
await bundleWorkflowCode({ plugins: denoPlugins, workflowsPath });
await TestWorkflowEnvironment.createLocal({ plugins: denoPlugins });
await Worker.create(coverage.augment({ plugins: denoPlugins, taskQueue: 'x' }));
await sdk.Worker.create({ plugins: denoPlugins });
await W.create({ plugins: denoPlugins });
await Other.create({});
(() => sdk)();
`,
  );
});

Deno.test("moveApplication() leaves the plugin out on Node.js", async () => {
  const { files } = await move({
    "src/main.ts":
      "import { Worker } from '@temporalio/worker';\nawait Worker.create({});\n",
  });
  assert(!files["src/deno_plugins.ts"].includes("import "));
  assertStringIncludes(files["src/deno_plugins.deno.ts"], "new DenoPlugin()");
  assertEquals(
    JSON.parse(files["deno.json"]).imports["./src/deno_plugins.ts"],
    "./src/deno_plugins.deno.ts",
  );
});

Deno.test("moveApplication() marks what is only a type", async () => {
  const text = await moveText(
    `import { Shape, size } from './shapes';
export { Shape } from './shapes';
export const area = (shape: Shape) => size;
`,
    { "src/shapes.ts": "export interface Shape {}\nexport const size = 1;\n" },
  );
  assertEquals(
    text,
    `import { type Shape, size } from './shapes.ts';
export { type Shape } from './shapes.ts';
export const area = (shape: Shape) => size;
`,
  );
});

Deno.test("moveApplication() imports JSON as Deno does", async () => {
  const text = await moveText("import x from './x.json';\nconsole.log(x);\n", {
    "src/x.json": "{}",
  });
  assertEquals(
    text,
    `import x from './x.json' with { type: "json" };\nconsole.log(x);\n`,
  );
});

Deno.test("moveApplication() imports own CommonJS modules as a whole", async () => {
  const { files } = await move({
    "src/main.ts": `import { foo, Proto } from '../protos/root';
export function create(input: foo.Input): Proto {
  return Proto.create(input);
}
`,
    "protos/root.js": "module.exports = require('./json-module');",
    ".eslintrc.js": "module.exports = {};",
  });
  assertEquals(
    files["src/main.ts"],
    `import root_module, { type foo } from '../protos/root.js';
const { Proto } = root_module;
export function create(input: foo.Input): root_module.Proto {
  return Proto.create(input);
}
`,
  );
  assertEquals(files["protos/package.json"], '{ "type": "commonjs" }\n');
  assertEquals(files[".eslintrc.cjs"], "module.exports = {};");
  assertEquals(files[".eslintrc.js"], undefined);
});

Deno.test("moveApplication() finds names that a package hides, and runs no code", async () => {
  const { files, todo } = await move({
    "src/main.ts":
      "import { seen, hidden } from 'plain';\nconsole.log(seen, hidden);\n",
    "package.json": JSON.stringify({
      dependencies: { "@temporalio/worker": "^1.24.0", plain: "1.0.0" },
    }),
    "node_modules/plain/package.json":
      '{ "name": "plain", "version": "1.0.0", "main": "index.js" }',
    "node_modules/plain/index.js":
      "exports.seen = 1; for (const x of ['hidden']) exports[x] = 1; throw 1;",
  });
  assertEquals(todo, []);
  assertEquals(
    files["src/main.ts"],
    `import plain_module, { seen } from 'plain';
const { hidden } = plain_module;
console.log(seen, hidden);
`,
  );
});

Deno.test("moveApplication() maps the aliases of tsconfig.json", async () => {
  const { files } = await move({
    "tsconfig.json": `{
  // Aliases
  "compilerOptions": {
    "lib": ["es2021"],
    "baseUrl": ".",
    "paths": { "@app/*": ["src/app/*"], "shared": ["src/shared/index"] }
  }
}
`,
    "src/main.ts": "import '@app/a';\nimport 'shared';\nimport 'src/app/a';\n",
    "src/app/a.ts": "",
    "src/shared/index.ts": "",
  });
  assertEquals(
    files["src/main.ts"],
    "import '@app/a.ts';\nimport 'shared';\nimport 'src/app/a.ts';\n",
  );
  const { imports } = JSON.parse(files["deno.json"]);
  assertEquals(imports["@app/"], "./src/app/");
  assertEquals(imports.shared, "./src/shared/index.ts");
  assertEquals(imports["src/"], "./src/");
  assertStringIncludes(files["tsconfig.json"], "// Aliases");
  assert(!files["tsconfig.json"].includes('"lib"'));
});

Deno.test("moveApplication() makes tasks of scripts, and keeps these for Node.js", async () => {
  const { files, todo } = await move({
    "tsconfig.json":
      '{ "compilerOptions": { "rootDir": "src", "outDir": "lib" } }',
    "src/worker.ts": "import '@temporalio/worker';",
    "src/client.ts":
      "import '@temporalio/client';\nconsole.log(process.env.KEY);",
    "src/instrumentation.ts": "",
  });
  const { tasks, permissions } = JSON.parse(files["deno.json"]);
  const run = "deno run -q --no-prompt";
  assertEquals(tasks, {
    "start": `${run} -P=worker src/worker.ts`,
    "start.watch": `${run} --watch -P=worker src/worker.ts`,
    "workflow":
      `${run} -P=start --preload ./src/instrumentation.ts src/client.ts --name x`,
    "built": `${run} -P=worker src/worker.ts`,
    "test": `${run} -P=dev npm:mocha --exit src/test/*.test.ts`,
  });
  assert(permissions.start.env.allow.includes("KEY"));
  assertEquals(permissions.worker.write, [
    "node_modules/.cache/temporal-on-deno",
  ]);
  const { scripts, type } = JSON.parse(files["package.json"]);
  assertEquals(type, "module");
  assertEquals(scripts, {
    "build": "tsc --build",
    "start": "node src/worker.ts",
    "start.watch": "node --watch src/worker.ts",
    "workflow": "node --import ./src/instrumentation.ts src/client.ts --name x",
    "built": "node src/worker.ts",
    "test": "mocha --exit src/test/*.test.ts",
  });
  assertEquals(todo, []);
});

Deno.test("moveApplication() loses no option of a script in silence", async () => {
  const scripts = {
    "start": "cross-env A=1 npx tsx watch --clear-screen=false src/worker.ts",
    "node": "node --trace-warnings -r source-map-support/register src/worker",
    "env": "dotenv -e .env.local -- ts-node src/worker.ts | tee log && echo x",
    "other": "concurrently 'npm run start'",
    "format": "prettier .",
  };
  const { files, todo } = await move({
    "package.json": JSON.stringify({ ...JSON.parse(manifest), scripts }),
    "src/worker.ts": "import '@temporalio/worker';",
  });
  const run = "deno run -q --no-prompt";
  assertEquals(JSON.parse(files["deno.json"]).tasks, {
    "start": `A=1 ${run} --watch -P=worker src/worker.ts`,
    "node": `${run} -P=worker src/worker.ts`,
    "env":
      `${run} -P=worker --env-file=.env.local src/worker.ts | tee log && echo x`,
  });
  assertEquals(JSON.parse(files["package.json"]).scripts, {
    ...scripts,
    "start": "cross-env A=1 node --watch src/worker.ts",
    "node": "node --trace-warnings src/worker.ts",
    "env":
      "node --env-file-if-exists=.env.local src/worker.ts | tee log && echo x",
  });
  assertEquals(todo, [
    'package.json: task "start" does without "--clear-screen=false" of the script',
    'package.json: task "node" does without "--trace-warnings" of the script',
    'package.json: these scripts still run on Node.js: "other"',
  ]);
});

Deno.test("moveApplication() converts an application of CommonJS modules", async () => {
  const { files, todo } = await move({
    "package.json": JSON.stringify({
      scripts: { start: "node worker.js" },
      dependencies: { "@temporalio/worker": "^1.24.0" },
    }),
    "worker.js": `const { Worker } = require('@temporalio/worker');
const activities = require('./activities');
const { run } = require('./run');
run(Worker.create({ activities, workflowsPath: require.resolve('./workflows') }));
`,
    "activities.js": "exports.greet = async (name) => name;\n",
    "workflows.js":
      "async function example() {}\nmodule.exports = { example };\n",
    "run.js": "module.exports = { run: (worker) => worker };\n",
  });
  assertEquals(todo, []);
  assertEquals(
    files["worker.js"],
    `import { denoPlugins } from './deno_plugins.ts';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import * as activities from './activities.js';
import { run } from './run.js';
run(Worker.create({ plugins: denoPlugins, activities, workflowsPath: fileURLToPath(import.meta.resolve('./workflows.js')) }));
`,
  );
  assertStringIncludes(files["activities.js"], "export async function greet(");
  assertStringIncludes(files["workflows.js"], "export { example };");
  assertStringIncludes(files["run.js"], "export function run(");
});

Deno.test("moveApplication() moves the packages of a workspace", async () => {
  const { files, todo } = await move({
    "package.json": JSON.stringify({ name: "all", workspaces: ["*"] }),
    "flows/package.json": JSON.stringify({
      name: "@own/flows",
      main: "dist/index.js",
      dependencies: { "@temporalio/workflow": "^1.24.0" },
    }),
    "flows/tsconfig.json": '{ "compilerOptions": { "outDir": "dist" } }',
    "flows/src/index.ts": "export async function example() {}\n",
    "worker/package.json": JSON.stringify({
      name: "@own/worker",
      scripts: { start: "ts-node src/worker.ts" },
      dependencies: { "@temporalio/worker": "^1.24.0", "@own/flows": "*" },
    }),
    "worker/src/worker.ts":
      "import { Worker } from '@temporalio/worker';\nimport '@own/flows';\nawait Worker.create({});\n",
    "web/package.json": '{ "name": "web", "dependencies": { "next": "15" } }',
    "web/next.config.js": "module.exports = {};",
    "web/main.ts": "import './other';",
    "web/other.ts": "",
  });
  assertEquals(
    todo,
    [
      'web/package.json: "next" builds this package: it stays as it is',
    ].filter((line) => todo.includes(line)),
  );
  assertEquals(JSON.parse(files["worker/deno.json"]).tasks, {
    start: "deno run -q --no-prompt -P=worker src/worker.ts",
  });
  const { imports } = JSON.parse(files["deno.json"]);
  assertEquals(imports["@own/flows"], "./flows/src/index.ts");
  assertStringIncludes(
    files["worker/src/worker.ts"],
    "import { denoPlugins } from './deno_plugins.ts';",
  );
  assertEquals(files["web/main.ts"], "import './other';");
  assertEquals(files["web/next.config.js"], "module.exports = {};");
  assertEquals(JSON.parse(files["worker/package.json"]).type, "module");
});

Deno.test("moveApplication() keeps classes that decorators need, and names what Node.js cannot run", async () => {
  const service = `import { Clock } from './clock';
import { Other } from './other';
@Injectable()
export class Service {
  constructor(clock: Clock, other?: Other) {}
}
`;
  const { files, todo } = await move({
    "package.json": manifest,
    "tsconfig.json":
      '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }',
    "src/worker.ts": service,
    "src/clock.ts": "export class Clock {}",
    "src/other.tsx": "export type Other = 1;\nexport const x = <b />;\n",
  });
  assertEquals(
    files["src/worker.ts"],
    service.replace("./clock", "./clock.ts").replace("./other", "./other.tsx"),
  );
  const { scripts } = JSON.parse(files["package.json"]);
  assertEquals(scripts.start, "ts-node src/worker.ts");
  assertEquals(
    todo.filter((line) => line.includes("without a build")).sort(),
    [
      "src/other.tsx:2 Node.js runs no JSX without a build",
      "src/worker.ts:3 Node.js runs no decorators without a build",
    ],
  );
});

Deno.test("moveApplication() names what a program would have to guess", async () => {
  const { files, todo } = await move({
    "package.json": plain,
    "src/main.ts": `import { Worker } from '@temporalio/worker';
import legacy = require('./legacy');
await Worker.create(await options());
const { create } = Worker;
const make = Worker.create;
const sdk = await import('@temporalio/worker');
await import(\`./\${legacy}\`);
const url = new URL('./legacy.js', import.meta.url);
if (!module.parent) console.log({ workflowsPath: join(__dirname, 'legacy') });
await using client = open('ts-node');
`,
    "src/legacy.ts": "const legacy = 1;\nexport = legacy;\n",
    ".env": "GREETING=secret\n",
  });
  const text = files["src/main.ts"];
  assertStringIncludes(text, "import legacy from './legacy.ts';");
  assertStringIncludes(text, "{ plugins: denoPlugins, ...await options() }");
  assertStringIncludes(text, "new URL('./legacy.ts', import.meta.url)");
  assertStringIncludes(text, "join(import.meta.dirname!, './legacy.ts')");
  assertStringIncludes(files["src/legacy.ts"], "export default legacy;");
  const { env } = JSON.parse(files["deno.json"]).permissions.worker;
  assert(env.allow.includes("GREETING"));
  assert(!files["deno.json"].includes("secret"));
  assertEquals(todo, [
    "src/main.ts:4 if what is spread here has plugins, add denoPlugins there",
    'src/main.ts:6 pass "plugins: denoPlugins" where this is called',
    'src/main.ts:7 pass "plugins: denoPlugins" to what this loads',
    "src/main.ts:8 this name needs the ending of its file",
    'src/main.ts:10 an ES module has no "module.parent"',
    'src/main.ts:11 Node.js runs "using" since version 24 only',
    "src/main.ts:11 this runner may not load ES modules: run deno or node",
  ]);
});

Deno.test("moveApplication() keeps files of variables, and limits of memory", async () => {
  const { files } = await move({
    "package.json": JSON.stringify({
      ...JSON.parse(manifest),
      scripts: {
        "start": "ts-node -r dotenv/config src/worker.ts",
        "large":
          "node --env-file .env.local --max-old-space-size=4096 src/worker.ts",
      },
    }),
    "src/worker.ts": "import '@temporalio/worker';",
  });
  const run = "deno run -q --no-prompt -P=worker";
  assertEquals(JSON.parse(files["deno.json"]).tasks, {
    "start": `${run} --env-file=.env src/worker.ts`,
    "large":
      `${run} --env-file=.env.local --v8-flags=--max-old-space-size=4096 src/worker.ts`,
  });
  assertEquals(JSON.parse(files["package.json"]).scripts, {
    "start": "node --env-file-if-exists=.env src/worker.ts",
    "large":
      "node --env-file-if-exists=.env.local --max-old-space-size=4096 src/worker.ts",
  });
});

Deno.test("moveApplication() proposes permissions for what is used", async () => {
  const profiled = (text: string) =>
    move({
      "package.json": manifest.replace(
        "@temporalio/worker",
        "@temporalio/envconfig",
      ),
      "src/worker.ts": `import '@temporalio/worker';\n${text}`,
    }).then(({ files }) => JSON.parse(files["deno.json"]).tasks.start);
  assertStringIncludes(await profiled(""), "/.config/temporalio");
  assert(!(await profiled("import 'fs';\n")).includes(" -R="));
  const permissionsOf = async (text: string) => {
    const { files } = await move({ "src/main.ts": text });
    return JSON.parse(files["deno.json"]).permissions.worker;
  };
  const { env, run } = await permissionsOf(
    "const { A, B: b = 1 } = process.env;\nprocess.env.C + process.env['D'];\n",
  );
  assertEquals(
    ["A", "B", "C", "D"].filter((name) => !env.allow.includes(name)),
    [],
  );
  assertEquals(run, ["deno"]);
  const wide = await permissionsOf(
    "import 'fs/promises';\nimport 'node:child_process';\nprint(process.env);\n",
  );
  assertEquals(
    [wide.env, wide.run, wide.read, wide.write],
    Array(4).fill(true),
  );
});

Deno.test("moveApplication() names the lines that a person has to look at", async () => {
  const { todo } = await move({
    "package.json": plain,
    "src/main.ts": `import express from 'express';
import { Connection } from '@temporalio/client';
import './missing';
enum Color { Red }
await Connection.connect();
console.log(express, Color);
`,
  });
  const starts = [
    'src/main.ts: imports "express", which package.json does not name',
    'src/main.ts:3 there is no module "./missing"',
    "src/main.ts:4 Node.js runs this syntax with",
    "src/main.ts:5 a long-lived Client needs a NativeConnection",
  ];
  assertEquals(
    todo.map((line, index) => line.slice(0, starts[index]?.length)),
    starts,
  );
});

Deno.test("moveApplication() changes nothing with check, and nothing the second time", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeFiles(folder, {
      "package.json": manifest,
      ".eslintrc.js": "module.exports = {};",
      "tsconfig.json": '{ "compilerOptions": { "lib": [] } }',
      "src/worker.ts":
        "import { Worker } from '@temporalio/worker';\nimport * as activities from './activities';\nimport { Shape } from './activities';\nawait Worker.create({ activities, workflowsPath: require.resolve('./workflows') } as Shape);\n",
      "src/activities.ts":
        "export interface Shape {}\nexport const x = __dirname;\n",
      "src/workflows.ts": "",
      "node_modules/a/a.ts": "import './b';",
    });
    const given = read(folder);
    const checked = await moveApplication(folder, { check: true });
    assertEquals(read(folder), given);
    const { changes } = await moveApplication(folder);
    assertEquals(changes, checked.changes);
    const moved = read(folder);
    assert(moved["src/worker.ts"] !== given["src/worker.ts"]);
    assertEquals(moved["node_modules/a/a.ts"], given["node_modules/a/a.ts"]);
    assertEquals((await moveApplication(folder)).changes, []);
    assertEquals(read(folder), moved);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() keeps what deno.json has", async () => {
  const { files } = await move({
    "src/worker.ts": "import '@temporalio/worker';",
    "deno.json": `{
  // Mine
  "tasks": { "start": "mine" }
}
`,
  });
  assertStringIncludes(files["deno.json"], "// Mine");
  assertStringIncludes(files["deno.json"], '"start": "mine"');
  assertStringIncludes(files["deno.json"], '"nodeModulesDir": "auto"');
});

/** Runs Git as a person without a name of their own. */
function git(cwd: string, ...args: string[]) {
  return new Deno.Command("git", {
    args: ["-c", "user.name=x", "-c", "user.email=x@x", ...args],
    cwd,
  }).output();
}

Deno.test("moveApplication() refuses uncommitted changes, unless they are allowed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeFiles(folder, { "package.json": manifest });
    await git(folder, "init", "-q");
    const { message } = await moveApplication(folder).catch((error) => error);
    assertEquals(
      message,
      `Cannot move "${folder}": it has uncommitted changes; commit them, or add --allow-dirty`,
    );
    await moveApplication(folder, { check: true });
    await git(folder, "add", "-A");
    await git(folder, "commit", "-qm", "x");
    await moveApplication(folder);
    await Deno.writeTextFile(join(folder, "new.ts"), "");
    await moveApplication(folder, { allowDirty: true });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() runs no program that a repository configures", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const ran = join(folder, ".git", "ran");
    const program = `touch '${ran}'; cat`;
    await writeFiles(folder, { "package.json": plain, "sub/a.ts": "" });
    const sub = join(folder, "sub");
    for (const one of [sub, folder]) {
      await git(one, "init", "-q");
      await git(one, "add", "-A");
      await git(one, "commit", "-qm", "x");
      await git(one, "config", "core.fsmonitor", `${program}; false`);
      await git(one, "config", "filter.x=y.clean", program);
      await writeFiles(join(one, ".git"), {
        "info/attributes": "* filter=x=y",
      });
      const hook = join(one, ".git", "hooks", "post-index-change");
      await Deno.mkdir(dirname(hook), { recursive: true });
      await Deno.writeTextFile(hook, `#!/bin/sh\n${program}`, { mode: 0o755 });
    }
    // Git has to look at the content of what seems to have changed.
    for (const file of ["package.json", "sub/a.ts"]) {
      await Deno.utime(join(folder, file), 1, 1);
    }
    await Deno.remove(ran).catch(() => {});
    await moveApplication(folder);
    assertEquals(await Deno.stat(ran).catch(() => "missing"), "missing");
    // It has moved the folder, and knows changes in a submodule, too.
    await git(folder, "-c", "core.fsmonitor=false", "commit", "-qam", "moved");
    await git(folder, "-c", "core.fsmonitor=false", "add", "-A");
    await git(folder, "-c", "core.fsmonitor=false", "commit", "-qm", "moved");
    await Deno.writeTextFile(join(folder, "sub/new.ts"), "");
    const { message } = await moveApplication(folder).catch((error) => error);
    assertStringIncludes(message, "it has uncommitted changes");
    await Deno.writeTextFile(join(folder, ".git/index"), "garbage");
    const broken = await moveApplication(folder).catch((error) => error);
    assertStringIncludes(broken.message, "Git cannot tell whether it has");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() sees files that Git is configured not to show", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await git(folder, "init", "-q");
    await git(folder, "config", "status.showUntrackedFiles", "no");
    await writeFiles(folder, { "package.json": plain });
    const { message } = await moveApplication(folder).catch((error) => error);
    assertStringIncludes(message, "it has uncommitted changes");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() writes to no link, and over nothing that it did not read", async () => {
  const folder = await Deno.makeTempDir();
  const outside = await Deno.makeTempDir();
  try {
    await writeFiles(folder, {
      "package.json": manifest,
      ".eslintrc.js": "module.exports = {};",
      ".eslintrc.cjs": "module.exports = { mine: 1 };",
      "protos/root.js": "module.exports = {};",
      "protos/package.json": "{ broken",
      "src/worker.ts":
        "import { Worker } from '@temporalio/worker';\nawait Worker.create({});\n",
    });
    const links = ["deno.json", "src/deno_plugins.ts", "protos.txt"];
    for (const [index, link] of links.entries()) {
      const target = join(outside, `${index}`);
      if (index !== 1) await Deno.writeTextFile(target, "precious");
      await Deno.symlink(target, join(folder, link));
    }
    const { changes } = await moveApplication(folder);
    assertEquals(read(outside), { "0": "precious", "2": "precious" });
    const files = read(folder);
    assertEquals(files["protos/package.json"], "{ broken");
    assertEquals(files[".eslintrc.js"], "module.exports = {};");
    assertEquals(files[".eslintrc.cjs"], "module.exports = { mine: 1 };");
    assertEquals(changes.filter(({ path }) => links.includes(path)), []);
    // Another deno.json, which is not UTF-8.
    await Deno.remove(join(folder, "deno.json"));
    const bytes = new Uint8Array([0x7b, 0xe4, 0x7d]);
    await Deno.writeFile(join(folder, "deno.json"), bytes);
    await moveApplication(folder);
    assertEquals(await Deno.readFile(join(folder, "deno.json")), bytes);
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(outside, { recursive: true });
  }
});

Deno.test("moveApplication() changes nothing if the disk is full", async () => {
  const folder = await Deno.makeTempDir();
  const { rename } = Deno;
  try {
    await writeFiles(folder, {
      "package.json": manifest,
      "src/worker.ts": "import 'fs';\nimport './x';\n",
      "src/x.ts": "",
    });
    const given = read(folder);
    let count = 0;
    Deno.rename = (from, to) => {
      if (++count < 3) return rename(from, to);
      const message = "No space left on device (os error 28)";
      throw Object.assign(new Error(message), { code: "ENOSPC" });
    };
    const error = await moveApplication(folder).catch((error) => error);
    assert(error instanceof MoveError);
    assertEquals(
      error.message,
      `Cannot move "${folder}": No space left on device`,
    );
    assertEquals(read(folder), given);
  } finally {
    Deno.rename = rename;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() keeps the mode of a file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeFiles(folder, {
      "package.json": plain,
      "cli.ts": "#!/usr/bin/env deno\nimport 'fs';\n",
    });
    const file = join(folder, "cli.ts");
    await Deno.chmod(file, 0o750);
    await moveApplication(folder);
    assertStringIncludes(await Deno.readTextFile(file), "node:fs");
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o750);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("moveApplication() takes no offense at values of wrong types", async () => {
  const dependencies = { "@temporalio/worker": "^1.24.0", "x": 1 };
  const { files } = await move({
    "package.json": JSON.stringify({
      dependencies,
      name: 5,
      main: {},
      scripts: { a: null },
      workspaces: true,
    }),
    "sub/package.json": JSON.stringify({ dependencies, name: "sub", main: 7 }),
    "tsconfig.json": '{ "compilerOptions": [] }',
    "tsconfig.build.json": '{ "compilerOptions": "x" }',
    "a.ts": "import 'fs';",
  });
  assertEquals(files["a.ts"], "import 'node:fs';");
});

Deno.test("moveApplication() leaves alone what is nested too deeply", async () => {
  const sum = `export const x = ${Array(50_000).fill("1").join("+")};`;
  const { todo } = await move({
    "package.json": plain,
    "sum.ts": sum,
    "parentheses.ts": "(".repeat(100_000),
    "sum.js": `require("@temporalio/worker");${sum.replace("export", "")}`,
    "tsconfig.json": "[".repeat(100_000),
  });
  assertEquals(
    todo.map((line) => line.split(": ")[1]),
    Array(4).fill("it is nested too deeply"),
  );
  const error = await move({ "package.json": "[".repeat(100_000) })
    .catch((error) => error);
  assertStringIncludes(
    error.message,
    ": its package.json is nested too deeply",
  );
});

Deno.test("moveApplication() escapes the names of files in imports", async () => {
  const text = await moveText(
    `import './it\\'s';\nimport "./it's";\nimport './a\\\\b';\n`,
    { "src/it's.ts": "", "src/a\\b.ts": "" },
  );
  assertEquals(
    text,
    `import './it\\'s.ts';\nimport "./it's.ts";\nimport './a\\\\b.ts';\n`,
  );
});

Deno.test("moveApplication() refuses what is no application", async () => {
  for (
    const [files, reason] of [
      [{ "package.json": "{" }, "its package.json is not valid JSON"],
      [{ "package.json": "[]" }, "its package.json is not valid JSON"],
      [
        { "package.json": "{}" },
        "its package.json names no package of Temporal",
      ],
    ] as const
  ) {
    const error = await move(files).catch((error) => error);
    assert(error instanceof MoveError);
    assertStringIncludes(error.message, reason);
  }
});

Deno.test("moveApplication() leaves alone what it cannot read", async () => {
  const folder = await Deno.makeTempDir();
  const outside = await Deno.makeTempDir();
  try {
    await writeFiles(outside, { "out.ts": "import './x';", "x.ts": "" });
    const broken = {
      "src/broken.ts": "import from ('",
      "tsconfig.json": "{ x",
    };
    await writeFiles(folder, {
      "package.json": plain,
      "src/huge.ts": `import './x';\n${"/".repeat(1_000_001)}`,
      "src/x.ts": "",
      ...broken,
    });
    await Deno.writeFile(join(folder, "src/latin.ts"), new Uint8Array([0xe4]));
    await Deno.symlink(outside, join(folder, "src/folder"));
    await Deno.symlink(join(outside, "out.ts"), join(folder, "src/out.ts"));
    const { todo } = await moveApplication(folder);
    assertEquals(
      todo.map(({ path, text }) => `${path}: ${text}`).sort(),
      [
        "src/broken.ts: it has a syntax error: it stays as it is",
        "src/huge.ts: it is larger than 1 MB: it stays as it is",
        "src/latin.ts: it is not UTF-8: it stays as it is",
        "src/out.ts: it is a link, or no file: it stays as it is",
        "tsconfig.json: it is not valid JSON: it stays as it is",
      ],
    );
    const files = read(folder);
    assertEquals(files["tsconfig.json"], broken["tsconfig.json"]);
    assertEquals(read(outside)["out.ts"], "import './x';");
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(outside, { recursive: true });
  }
});

Deno.test("the program prints a line for each finding", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeFiles(folder, {
      "package.json": manifest,
      "src/a\x1b[31m\n.ts": "import './missing';\n",
    });
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "-A", import.meta.resolve("./move.ts"), ...args],
        env: { NO_COLOR: "1" },
      }).output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, stdout: decode(stdout), stderr: decode(stderr) };
    };
    const { code, stdout } = await run("--check", folder);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "Would change:\n");
    assertStringIncludes(stdout, "\nLook at:\n  src/a?[31m?.ts:1  there is no");
    assertEquals((await run("--wrong", folder)).code, 2);
    const missing = await run(join(folder, "missing"));
    assertEquals(missing.code, 1);
    assertEquals(missing.stderr.trim().split("\n").length, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
