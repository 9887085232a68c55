/**
 * Workflow code imports what any Deno module may.
 *
 * Processes of their own bundle a project in a temporary folder, with a cache of
 * Deno's and a JSR registry made for it, so that the tests leave nothing behind. The
 * project's configuration file is named by `--config`.
 *
 * @module
 */

import {
  type BundleOptions,
  DefaultLogger,
  Runtime,
  Worker,
} from "@temporalio/worker";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import config from "../../../deno.json" with { type: "json" };
import {
  createEnvironment,
  telemetryOptions,
} from "../testdata/environment.ts";
import type { Result } from "./testdata/bundle.ts";

/** A module whose function fails in line 5, or in the same line of JavaScript. */
const failsInJavaScript = `


export function fail() {
  throw new Error("failed");
}
`;
const fails = `interface Removed {
  when: "compiling";
}
export function fail(_?: Removed): never {
  throw new Error("failed");
}
`;
const jsx = "export const element = <a />;\n";

const folder = await Deno.realPath(await Deno.makeTempDir());
const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  (request) => {
    const { pathname, search } = new URL(request.url);
    const text = remote[pathname + search];
    return text === undefined
      ? new Response(null, { status: 404 })
      : new Response(text, {
        headers: {
          "content-type": pathname.endsWith(".json")
            ? "application/json"
            : "application/typescript",
        },
      });
  },
);
const origin = `http://127.0.0.1:${server.addr.port}`;

/** What the server has: modules, and a JSR package. */
const remote: Record<string, string> = {
  "/module.ts": `export * from "./no_extension?version=1";`,
  "/no_extension?version=1": fails,
  "/data.json": `{ "remote": true }`,
  ...packageOf({
    "/mod.ts": `export * from "./src/fail.ts";`,
    "/src/fail.ts": fails,
    "/script.js": failsInJavaScript,
  }),
};

function packageOf(modules: Record<string, string>): Record<string, string> {
  const name = "/@scope/package";
  const served = Object.entries(modules)
    .map(([path, text]) => [`${name}/1.2.3${path}`, text]);
  const manifest = Object.entries(modules).map(([path, text]) => {
    const hash = createHash("sha256").update(text).digest("hex");
    return [path, { size: text.length, checksum: `sha256-${hash}` }];
  });
  return {
    ...Object.fromEntries(served),
    [`${name}/meta.json`]: `{ "versions": { "1.2.3": {} } }`,
    [`${name}/1.2.3_meta.json`]: JSON.stringify({
      manifest: Object.fromEntries(manifest),
      exports: { ".": "./mod.ts", "./script": "./script.js" },
    }),
  };
}

/** The modules that Workflow code imports, and where each of them fails. */
const modules: Record<string, string> = {
  "./relative.ts": `${folder}/relative.ts:5`,
  "./relative.mts": `${folder}/relative.mts:5`,
  "./relative.tsx": `${folder}/relative.tsx:5`,
  "./relative.js": `${folder}/relative.js:5`,
  "./script.mjs": `${folder}/script.mjs:5`,
  "./relative.jsx": `${folder}/relative.jsx:5`,
  "./iterates.ts": `${folder}/iterates.ts:5`,
  "./resolves.cjs": `${folder}/resolves.cjs:5`,
  "mapped": `${folder}/mapped/fail.ts:5`,
  "@/fail.ts": `${folder}/mapped/fail.ts:5`,
  "./scoped/mod.ts": `${folder}/scoped/fail.ts:5`,
  "jsr:@scope/linked@1": `${folder}/linked/fail.ts:5`,
  "jsr:@scope/package@1": `${origin}/@scope/package/1.2.3/src/fail.ts:5`,
  "package/script": `${origin}/@scope/package/1.2.3/script.js:5`,
  [`${origin}/module.ts`]: `${origin}/no_extension?version=1:5`,
  "npm:deno-std@1.4.0/assert/unreachable.js": "deno-std/assert/unreachable.js:",
  "alias": "/smol-toml/dist/struct.js:",
  "npm:ms@3.0.0-canary.1": "/ms/dist/index.mjs:",
};

/** What in a module fails, if not its function `fail`. */
const failing: Record<string, string> = {
  "npm:deno-std@1.4.0/assert/unreachable.js": "m.unreachable()",
  "alias": `m.parse("a = [")`,
  "npm:ms@3.0.0-canary.1": "m.default({})",
};

const files: Record<string, string> = {
  "deno.json": JSON.stringify({
    nodeModulesDir: "auto",
    imports: {
      ...config.imports,
      "@/": "./mapped/",
      "mapped": "./mapped/fail.ts",
      "package": "jsr:@scope/package@^1.0.0",
      "elements/jsx-runtime": "./jsx_runtime.ts",
      "alias": "npm:smol-toml@1.9.1",
    },
    scopes: { "./scoped/": { "mapped": "./scoped/fail.ts" } },
    links: ["./linked"],
    compilerOptions: { jsx: "react-jsx", jsxImportSource: "elements" },
  }),
  "iterates.ts": `${fails}
export async function iterate(values: AsyncIterable<number>) {
  for await (const value of values) console.log(value);
}
`,
  "resolves.cjs": `exports.path = require.resolve("./relative.js");

exports.fail =
  function fail() {
    throw new Error("failed");
  };
`,
  "relative.ts": fails,
  "relative.mts": fails,
  "relative.tsx": fails + jsx,
  "relative.js": failsInJavaScript,
  "script.mjs": failsInJavaScript,
  "relative.jsx": failsInJavaScript + jsx,
  "jsx_runtime.ts": "export const jsx = (name: string) => ({ name });",
  "mapped/fail.ts": fails,
  "scoped/mod.ts": `export * from "mapped";`,
  "scoped/fail.ts": fails,
  "linked/deno.json":
    `{ "name": "@scope/linked", "version": "1.0.0", "exports": "./fail.ts" }`,
  "linked/fail.ts": fails,
  "data.json": `{ "default": 1, "name": "data" }`,
  "text.txt": "text",
  "common.cjs": `exports.common = "CommonJS";`,
  "commonjs/package.json": `{ "type": "commonjs" }`,
  "commonjs/index.js": `exports.required = require("./required.js");`,
  "commonjs/required.js": `module.exports = "required";`,
  "folder/index.ts": `export const folder = "folder";`,
  "lazy.ts": `export const lazy = "lazy";`,
  "meta.ts": `
    const { resolve } = import.meta;
    export const meta = [
      import.meta.url,
      import.meta.filename,
      import.meta.dirname,
      import.meta.main,
      resolve("./lazy.ts"),
    ];
  `,
  "counter.ts": `export const counter = { count: 0 };`,
  "workflows.ts": `
    import { sleep } from "@temporalio/workflow";
    import data from "./data.json" with { type: "json" };
    import remote from "${origin}/data.json" with { type: "json" };
    import text from "./text.txt" with { type: "text" };
    import { TextEncoder } from "node:util";
    import { ApplicationFailure } from "@temporalio/workflow";
    import * as sdk from "@temporalio/common";
    import * as failure from "@temporalio/common/lib/failure.js";
    import { counter } from "./counter.ts";
    import { common } from "./common.cjs";
    import { folder } from "./folder";
    import { meta } from "./meta.ts";
    import { required } from "./commonjs/index.js";
    import commonjs from "./commonjs/index.js";
    ${
    Object.keys(modules)
      .map((name, i) => `import * as module${i} from "${name}";`).join("\n")
  }
    const functions = [${
    Object.keys(modules)
      .map((name, i) =>
        (failing[name] ?? "m.fail()").replace("m", `module${i}`)
      )
      .map((call) => `() => ${call}`)
  }];
    let count = 0;
    export async function isolated() {
      const ofPackage = module${Object.keys(modules).indexOf("alias")}.parse;
      return {
        counts: [++count, ++counter.count, ofPackage.count = (ofPackage.count ?? 0) + 1],
        isShared: [sdk, failure].every((module) => module.ApplicationFailure === ApplicationFailure),
        isFrozen: Object.isFrozen(ApplicationFailure),
        promise: [Promise.name, Promise.resolve().constructor === Promise],
      };
    }
    export async function run() {
      await sleep(1);
      const stacks = functions.map((fail) => {
        try {
          fail();
        } catch (error) {
          return error.stack;
        }
      });
      const { lazy } = await import("./lazy.ts");
      const encoded = new TextEncoder().encode("a").length;
      const matches = [
        /^[\\w--\\d]$/v.test("1"),
        /^[\\p{L}--[a-z]]$/v.test("a"),
        /^[[\\p{L}&&[[a-z]\\/]]]$/v.test("a"),
        /^[[/]\\P{Lu}$/iu.test("/A"),
        "Ada 1".replace(/(?<name>\\p{L}+)/u, "$<name>!"),
      ];
      return { stacks, values: [data, remote, text, lazy, encoded, matches, common, folder, required, commonjs, meta] };
    }
  `,
};

/** Starts a process that bundles, with these permissions and variables. */
function startBundler(
  permissions: string[],
  { config = `--config=${join(folder, "deno.json")}`, ...env }: Record<
    string,
    string
  > = {},
) {
  const bundler = spawn("deno", [
    ...["run", "-q", "--no-prompt", "--no-check", ...permissions],
    config,
    join(import.meta.dirname!, "testdata", "bundle.ts"),
  ], {
    cwd: folder,
    env: {
      ...Deno.env.toObject(),
      DENO_DIR: join(folder, ".deno"),
      JSR_URL: origin,
      ...env,
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(bundler, "exit");
  const results = createInterface(bundler.stdout)[Symbol.asyncIterator]();
  return {
    async bundle(options: BundleOptions): Promise<Result> {
      bundler.stdin.write(`${JSON.stringify(options)}\n`);
      const { done, value } = await results.next();
      if (done) throw new Error("The process that bundles has ended");
      return JSON.parse(value);
    },
    async stop() {
      bundler.stdin.end();
      await ended;
    },
  };
}

let bundlers: Record<"run" | "deny-run", ReturnType<typeof startBundler>>;

Deno.test.beforeAll(async () => {
  const info = await new Deno.Command("deno", {
    args: ["info", "--json"],
  }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout));
  await Deno.mkdir(join(folder, ".deno"));
  for (const name of ["npm", "dl"]) {
    await Deno.mkdir(join(denoDir, name), { recursive: true });
    await Deno.symlink(join(denoDir, name), join(folder, ".deno", name));
  }
  await write(files);
  bundlers = {
    "run": startBundler(["-A"]),
    "deny-run": startBundler(["-A", "--deny-run"]),
  };
});

Deno.test.afterAll(async () => {
  for (const bundler of Object.values(bundlers ?? {})) await bundler.stop();
  await server.shutdown();
  await Deno.remove(folder, { recursive: true });
});

/** Writes files into the project. */
async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
}

/** Writes files into the project, and bundles `workflows.ts` or another. */
async function bundle(
  files: Record<string, string>,
  {
    workflowsPath = "workflows.ts",
    permission = "run",
    bundler = bundlers[permission],
    ...options
  }: {
    workflowsPath?: string;
    permission?: keyof typeof bundlers;
    bundler?: ReturnType<typeof startBundler>;
  } & Partial<BundleOptions> = {},
): Promise<Result> {
  await write(files);
  const request = { workflowsPath: join(folder, workflowsPath), ...options };
  return await bundler.bundle(request);
}

/** Bundles a module that may not be bundled, and returns why. */
async function refusal(
  text: string,
  { files = {}, ...options }: Partial<Parameters<typeof bundle>[1]> & {
    files?: Record<string, string>;
  } = {},
): Promise<string[]> {
  const { errors } = await bundle({ ...files, "refused.ts": text }, {
    ...options,
    workflowsPath: "refused.ts",
  });
  return errors.sort();
}

Deno.test("Workflow code runs what it imports, with stack traces", async () => {
  const { code, errors } = await bundle(files);
  assertEquals(errors, []);
  Runtime.install({
    logger: new DefaultLogger("ERROR", () => {}),
    telemetryOptions,
  });
  const environment = await createEnvironment();
  try {
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: "imports",
      workflowBundle: { code: code! },
    });
    const execute = (workflow: string, workflowId: string) =>
      environment.client.workflow.execute(workflow, {
        taskQueue: "imports",
        workflowId,
        workflowExecutionTimeout: "1 minute",
      });
    const [{ stacks, values }, ...others] = await worker.runUntil(async () => [
      await execute("run", "imports"),
      await execute("isolated", "first"),
      await execute("isolated", "second"),
    ]);
    for (const other of others) {
      assertEquals(other, {
        counts: [1, 1, 1],
        isShared: true,
        isFrozen: true,
        promise: ["Promise", true],
      });
    }
    for (const [i, place] of Object.values(modules).entries()) {
      assertStringIncludes(stacks[i], place);
    }
    assertEquals(values, [
      { default: 1, name: "data" },
      { remote: true },
      "text",
      "lazy",
      1,
      [false, false, true, true, "Ada! 1"],
      "CommonJS",
      "folder",
      "required",
      { required: "required" },
      [
        `file://${folder}/meta.ts`,
        `${folder}/meta.ts`,
        folder,
        false,
        `file://${folder}/lazy.ts`,
      ],
    ]);
  } finally {
    await environment.teardown();
  }
});

Deno.test("Workflow code may import a package that disables a module in browsers", async () => {
  const { code, errors } = await bundle({
    "workflows.ts": `export * from "./node_modules/disabling/index.js";`,
    "node_modules/disabling/package.json":
      `{ "type": "commonjs", "browser": { "fs": false } }`,
    "node_modules/disabling/index.js":
      `exports.keys = Object.keys(require("fs")).length;`,
  });
  assertEquals(errors, []);
  assertStringIncludes(code!, ".keys = Object.keys(");
});

Deno.test("Workflow code may lie anywhere", async () => {
  const workflowsPath = "a b/ä#1%20?/workflows.ts";
  const helper = `${dirname(workflowsPath)}/helper.ts`;
  const { code, errors } = await bundle({
    [workflowsPath]: `export * from "./helper.ts";`,
    [helper]: "export const anywhere = 1;",
  }, { workflowsPath });
  assertEquals(errors, []);
  assertStringIncludes(code!, "anywhere = 1");
});

Deno.test("interceptors, converters and preloadModules are named as imports are", async () => {
  const names = [
    "mapped",
    "jsr:@scope/linked@1",
    "package/script",
    `${origin}/module.ts`,
    "npm:ms@3.0.0-canary.1",
    `file://${folder}/relative.ts`,
    `${folder}/relative.tsx`,
  ];
  for (const name of names) {
    const { errors } = await bundle({}, {
      workflowsPath: "folder",
      workflowInterceptorModules: [name],
      payloadConverterPath: name,
      failureConverterPath: name,
      preloadModules: [name],
    });
    assertEquals([name, ...errors], [name]);
  }
});

Deno.test("a Node.js module is refused with the chain of imports", async () => {
  const errors = await refusal(
    `import "./uses_fs.ts"; import "path";
     import "${config.imports["@temporalio/envconfig"]}";`,
    {
      files: {
        "uses_fs.ts": `import { open } from "node:fs/promises"; open("");`,
      },
    },
  );
  const by = "imported by refused.ts";
  assertEquals(errors.filter((error) => !error.includes("@grpc")), [
    `"fs", ${by} > npm:@temporalio/envconfig`,
    `"node:fs/promises", ${by} > uses_fs.ts:1`,
    `"os", ${by} > npm:@temporalio/envconfig`,
    `"path", ${by} > npm:@temporalio/envconfig`,
    `"path", ${by}:1`,
    "Cannot bundle Workflow code, which is importing the following disallowed modules:",
  ]);
});

Deno.test("ignoreModules replaces modules by empty ones", async () => {
  const text = `import fs from "node:fs"; export const x = fs;
    import * as client from "npm:@temporalio/client@1"; client;`;
  const errors = await refusal(text, {
    ignoreModules: ["fs", "@temporalio/client"],
  });
  assertEquals(errors, []);
});

Deno.test("an import that Deno cannot resolve is refused with its line", async () => {
  const errors = await refusal(
    `
    import "./missing.ts";
    import "unknown";
    import "jsr:@scope/missing@1";
    import "${origin}/missing.ts";
    import "./relative"; // as webpack allows
    import "./broken.ts";
    import bytes from "./text.txt" with { type: "bytes" };
    export default bytes;
  `,
    { files: { "broken.ts": "let a = ;" } },
  );
  assertEquals(errors, [
    `Import "unknown" not a dependency and not in import map, imported by refused.ts:3`,
    `JSR package not found: @scope/missing, imported by refused.ts:4`,
    `Module not found "file://${folder}/missing.ts", imported by refused.ts:2`,
    `Module not found "${origin}/missing.ts", imported by refused.ts:5`,
    `SyntaxError: Expression expected at file://${folder}/broken.ts:1:9, imported by refused.ts:7`,
    `The import attribute type of "bytes" is unsupported, imported by refused.ts:8`,
  ]);
});

Deno.test("what the bundle cannot run is refused with its line", async () => {
  const errors = await refusal(`
    interface Removed {
      when: "compiling";
    }
    const name: string = "./relative.ts";
    export const lazy = (_: Removed) => import(name);
  `);
  assertEquals(errors, [
    "import() needs a string literal in Workflow code, at refused.ts:6",
  ]);
  const awaits = await refusal(`
    interface Removed {
      when: "compiling";
    }
    export const later = async (_: Removed) => await null;
    await Promise.resolve();
  `);
  assertEquals(awaits, [
    "Top-level await is not available in Workflow code, at refused.ts:6",
  ]);
});

Deno.test("Workflow code may use the newest syntax", async () => {
  assertEquals(
    await refusal("export class Counter { accessor count = 1; }"),
    [],
  );
});

Deno.test("files beside the code are refused with their line", async () => {
  const errors = await refusal(
    `
    interface Removed {
      when: "compiling";
    }
    import wasm from "./module.wasm";
    export const text = (_: Removed) => new URL("./text.txt", import.meta.url);
    wasm;
  `,
    { files: { "module.wasm": "\0asm\x01\0\0\0" } },
  );
  assertEquals(errors, [
    "A file beside the code is not available in Workflow code: read it in an Activity, or import it, at refused.ts:6",
    "WebAssembly is not available in Workflow code: run it in an Activity, imported by refused.ts:5",
  ]);
});

Deno.test("a second copy of the SDK is refused", async () => {
  const [error] = await refusal(`
    import { ApplicationFailure } from "npm:@temporalio/common@1.23.0";
    throw new ApplicationFailure();
  `);
  assertStringIncludes(error, "another copy of the SDK");
});

Deno.test("without the permission to run Deno, one line says what to do", async () => {
  const permission = "deny-run";
  assertEquals(await refusal("export {};", { permission }), [
    "No bundle in the cache is up to date, and this process may not run Deno " +
    'to make one: allow "run" for "deno", create all Workers before one runs, ' +
    'or run "deno task bundle"',
  ]);
});

Deno.test("Workflow code may import what the flags of the Worker's process allow", async () => {
  const host = `127.0.0.1:${server.addr.port}`;
  const permissions = ["-R", "-W", "-E", "-S", "--allow-ffi", "--allow-run"];
  await write({ "other.json": files["deno.json"] });
  const bundler = startBundler([...permissions, `--allow-import=${host}`], {
    config: `-qc=${join(folder, "other.json")}`,
  });
  const config = JSON.parse(files["deno.json"]);
  for (const [name, scopes] of [["mapped", {}], ["scoped", config.scopes]]) {
    const { code, errors } = await bundle({
      "flags.ts":
        `import "${origin}/module.ts"; export * from "./scoped/mod.ts";`,
      "other.json": JSON.stringify({ ...config, scopes }),
    }, { workflowsPath: "flags.ts", bundler });
    assertEquals(errors, []);
    assertEquals(code!.includes(`"${name}/fail.ts"`), true);
  }
  await bundler.stop();
});

Deno.test("Activities may import what the flags of the Worker's process allow", async () => {
  await write({ "activities.ts": `export { fail } from "mapped";` });
  const { stdout } = await new Deno.Command("deno", {
    args: [
      ...["run", "-q", "-A", "--no-check"],
      ...["--config", "deno.json"],
      import.meta.resolve("../activities/testdata/loads_in_thread.ts"),
    ],
    cwd: folder,
    env: { DENO_DIR: join(folder, ".deno"), JSR_URL: origin },
    stderr: "inherit",
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "fail\n");
});

Deno.test("where Deno cannot download esbuild, one line says what to do", async () => {
  await write({ "offline.ts": "export {};" });
  const cache = join(folder, ".offline");
  await Deno.mkdir(cache);
  const npm = await Deno.readLink(join(folder, ".deno", "npm"));
  await Deno.symlink(npm, join(cache, "npm"));
  const bundler = startBundler(["-A"], {
    DENO_DIR: cache,
    HTTPS_PROXY: "http://127.0.0.1:9",
  });
  const { errors } = await bundler.bundle({
    workflowsPath: join(folder, "offline.ts"),
  });
  await bundler.stop();
  assertEquals(errors.length, 1);
  assertMatch(
    errors[0],
    /^Deno cannot download esbuild, its bundler: .*; run "deno task bundle" once where the npm registry is available$/,
  );
});
