/**
 * Runs the tests of the SDK's own repository with the plugin (the task `sdk-tests`).
 *
 * The tests are built once, in a folder beside the clone, on the published packages
 * of the SDK's version in `deno.json`. The plugin is in each Worker, each replay and
 * each bundle. Needs Git, Node.js 20 or later, npm, and ports 7233 and 8233.
 *
 * @module
 */

import { cp, rename, symlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { UserError } from "../packages/cli/errors.ts";
import { answers, isFree } from "../packages/cli/ports.ts";
import { Program, run, waitFor } from "../packages/cli/processes.ts";
import {
  abortable,
  interruption,
  runProgram,
} from "../packages/cli/program.ts";
import { locateServer, sdkVersion } from "../packages/cli/servers/locate.ts";
import { root } from "./shared/project.ts";

const options = {
  "CLONE": "Clone of the SDK's repository, at the commit whose tests to run",
  "--files PATTERN": "Test files, such as test-workflows (default: test-*)",
  "--activity-sandbox": "Run Activities that a module exports in the sandbox",
  "--node": "Run the tests on Node.js, without the plugin, to compare",
};

/** What the SDK's own CI starts its development server with. */
const serverOptions = [
  ...["server", "start-dev", "--headless", "--log-level", "error"],
  ...[
    "system.enableActivityEagerExecution",
    "history.enableRequestIdRefLinks",
    "frontend.activityAPIsEnabled",
    "activity.enableStandalone",
    "history.enableChasm",
    "history.enableTransitionHistory",
  ].flatMap((name) => ["--dynamic-config-value", `${name}=true`]),
  ...["Int", "Bool", "Keyword", "Text", "Datetime", "Double"]
    .flatMap((type) => ["--search-attribute", `Custom${type}Field=${type}`]),
];

// deno-lint-ignore no-explicit-any -- package.json and tsconfig.json of others
type Json = any;

async function editJson(file: string, edit: (json: Json) => Json) {
  // A tsconfig.json has comments and commas that JSON has not.
  const read = new Function(`return ${await Deno.readTextFile(file)}`);
  await Deno.writeTextFile(file, JSON.stringify(edit(read()), null, 2));
}

/** Takes the tests from the clone, with their dependencies from npm. */
async function install(clone: string, folder: string, signal: AbortSignal) {
  await Deno.mkdir(folder, { recursive: true });
  const parts = [
    "packages/test",
    "packages/test-helpers",
    "tsconfig.base.json",
  ];
  const archive = join(folder, "tests.tar");
  const git = ["git", "-C", clone, "archive", "-o", archive, "HEAD"];
  await run([...git, ...parts], { signal });
  await run(["tar", "xf", archive], { cwd: folder, signal });
  const dependencies: Record<string, string> = {};
  for (const name of ["test-helpers", "test"]) {
    const file = join(folder, "packages", name, "package.json");
    const json = JSON.parse(await Deno.readTextFile(file));
    Object.assign(dependencies, json.dependencies, json.devDependencies);
  }
  delete dependencies["@temporalio/test-helpers"];
  const overrides: Record<string, string> = {};
  for (const [name, range] of Object.entries(dependencies)) {
    if (!range.startsWith("workspace:")) continue;
    // These two are released less often.
    const isRare = /cloud|lambda-worker/.test(name);
    dependencies[name] = isRare ? `<=${sdkVersion}` : sdkVersion;
    if (!isRare && !/\/(?:ai-|interceptors-|.*-contrib)/.test(name)) {
      overrides[name] = sdkVersion;
    }
  }
  // One copy of what the tests share with the published packages.
  for (const name of ["@temporalio/proto", "@temporalio/worker"]) {
    const view = ["npm", "view", `${name}@${sdkVersion}`, "dependencies"];
    const shared = JSON.parse(await run([...view, "--json"], { signal }));
    for (const [name, range] of Object.entries<string>(shared)) {
      if (!name.startsWith("@temporalio/") && dependencies[name]) {
        dependencies[name] = range;
      }
    }
  }
  // What the SDK's repository has at its root.
  Object.assign(dependencies, {
    "@tsconfig/node20": "^20.1.4",
    "@types/node": "^20.19.39",
    "typescript": "^5.6.3",
    "tsx": "^4.20.6",
  });
  await Deno.writeTextFile(
    join(folder, "package.json"),
    JSON.stringify({ private: true, dependencies, overrides }),
  );
  // Activity processes read it, too.
  await Deno.writeTextFile(
    join(folder, "deno.json"),
    JSON.stringify({
      nodeModulesDir: "manual",
      unstable: ["bare-node-builtins", "detect-cjs"],
    }),
  );
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund"];
  await run(
    ["npm", "install", ...flags, "--legacy-peer-deps", "--loglevel=error"],
    { cwd: folder, signal },
  );
}

/** Lays the packages out as the SDK's repository does, since tests compare paths. */
async function layOut(folder: string, signal: AbortSignal) {
  const scope = join(folder, "node_modules", "@temporalio");
  await Deno.mkdir(join(folder, "contrib"), { recursive: true });
  for (const { name } of Array.from(Deno.readDirSync(scope))) {
    const home = name.startsWith("interceptors-") ? "contrib" : "packages";
    await rename(join(scope, name), join(folder, home, name));
    await symlink(`../../${home}/${name}`, join(scope, name));
  }
  for (const name of ["test", "test-helpers"]) {
    await symlink(`../../packages/${name}`, join(scope, name));
    const file = join(folder, "packages", name, "tsconfig.json");
    await editJson(file, ({ references: _, ...config }) => {
      Object.assign(config.compilerOptions, {
        composite: false,
        declaration: name === "test-helpers",
        incremental: false,
        skipLibCheck: true,
      });
      return config;
    });
  }
  for (const home of ["packages", "contrib"]) {
    for (const { name } of Deno.readDirSync(join(folder, home))) {
      const file = join(folder, home, name, "package.json");
      // Without "type", Deno takes some packages for ES modules.
      await editJson(file, (json) => ({ type: "commonjs", ...json }));
    }
  }
  const test = join(folder, "packages", "test");
  await run(["npx", "tsx", "scripts/compile-proto.ts"], { cwd: test, signal });
  for (const name of ["test-helpers", "test"]) {
    const tsc = ["npx", "tsc", "-p", `packages/${name}`];
    // The tests are newer than the packages: types may differ, tsc writes anyway.
    await run(tsc, { cwd: folder, signal }).catch(() =>
      signal.throwIfAborted()
    );
  }
}

/** Puts the plugin into each Worker, replay Worker and bundler of the tests. */
async function addPlugin(folder: string) {
  const add = `
    if (process.env.DENO_PLUGIN && !options.plugins?.some((plugin) => plugin.name === "DenoPlugin")) {
      const { DenoPlugin } = require(process.env.DENO_PLUGIN);
      const { activities, plugins = [] } = options;
      const module = process.env.ACTIVITY_SANDBOX && activities &&
        Object.values(require.cache).find(({ exports }) => exports === activities);
      options = { ...options, plugins: [...plugins, new DenoPlugin(module ? {
        activities: require("node:url").pathToFileURL(module.filename).href,
        permissions: { env: true, ffi: true, net: true, read: true, run: true, sys: true, write: true },
      } : {})] };
      if (module) delete options.activities;
    }`;
  const heads = {
    "worker.js": [
      "static async create(options) {",
      "static async constructReplayWorker(options) {",
    ],
    "workflow/bundler.js": ["constructor(options) {"],
  };
  for (const [file, starts] of Object.entries(heads)) {
    const path = join(folder, "packages", "worker", "lib", file);
    let code = await Deno.readTextFile(path);
    for (const start of starts) {
      if (code.split(start).length !== 2) {
        throw new UserError(
          `Cannot add the plugin: no "${start}" in "${file}"`,
        );
      }
      code = code.replace(start, start + add);
    }
    await Deno.writeTextFile(path, code);
  }
}

/** Puts the servers where the SDK looks before it downloads them; returns the CLI. */
async function placeServers(folder: string, signal: AbortSignal) {
  await Deno.mkdir(folder, { recursive: true });
  const place = async (path: string, name: string) => {
    const script = `#!/bin/sh\nexec "${path}" "$@"\n`;
    await Deno.writeTextFile(join(folder, name), script, { mode: 0o755 });
  };
  const cli = await locateServer("dev-server", signal);
  const testServer = await locateServer("test-server", signal);
  await place(cli, `temporal-sdk-typescript-${sdkVersion}`);
  await place(testServer, `temporal-test-server-sdk-typescript-${sdkVersion}`);
  return cli;
}

await runProgram("deno task sdk-tests CLONE", options, async (args) => {
  if (!args.CLONE) throw new UserError("Cannot run tests: no CLONE is given");
  const signal = interruption();
  const clone = resolve(args.CLONE);
  const folder = `${clone}-tests-${sdkVersion}`;
  const ready = join(folder, "ready");
  if (!await Deno.stat(ready).catch(() => undefined)) {
    console.log(`Preparing the tests in "${folder}"`);
    await install(clone, folder, signal);
    await layOut(folder, signal);
    await addPlugin(folder);
    await Deno.writeTextFile(ready, "");
  }
  const plugin = join(folder, "packages", "deno-plugin");
  await Deno.remove(plugin, { recursive: true }).catch(() => {});
  await cp(join(root, "packages", "plugin"), plugin, {
    recursive: true,
    filter: (path) => basename(path) !== "deno.json",
  });
  await Deno.writeTextFile(join(plugin, "package.json"), '{"type":"module"}');
  if (!isFree(7233)) {
    throw new UserError("Cannot run tests: port 7233 is in use");
  }
  const temporary = join(folder, "tmp");
  const cli = await placeServers(temporary, signal);
  await using _server = new Program([cli, ...serverOptions]);
  const isUp = () => answers("localhost:7233");
  await waitFor("the server", isUp, { seconds: 60, signal });
  const deno = [Deno.execPath(), "run", "-A"];
  const ava = "../../node_modules/ava/entrypoints/cli.mjs";
  const files = `lib/${args.files ?? "test-*"}.js`;
  await using tests = new Program(
    [...(args.node ? ["node"] : deno), ava, "--tap", "--timeout=180s", files],
    {
      cwd: join(folder, "packages", "test"),
      env: {
        TMPDIR: temporary,
        ...!args.node && { DENO_PLUGIN: join(plugin, "mod.ts") },
        ...args["activity-sandbox"] && { ACTIVITY_SANDBOX: "1" },
      },
    },
  );
  await abortable(tests.status, signal);
  const lines = tests.stdout.split("\n");
  const failed = lines.filter((line) =>
    /^not ok(?!.*# (?:SKIP|TODO))/.test(line)
  );
  const passed = lines.filter((line) => /^ok(?!.*# (?:SKIP|TODO))/.test(line));
  for (const line of failed) {
    console.log(line.replace(/^not ok \d+ - /, "not ok: "));
  }
  console.log(`${passed.length} passed, ${failed.length} failed`);
  if (failed.length) Deno.exit(1);
});
