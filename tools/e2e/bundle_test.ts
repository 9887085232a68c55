/**
 * The cache of Workflow bundles, under the Worker's permissions. `SEED` repeats a
 * run, `LONG=1` changes each file that bundles depend on.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join, relative } from "node:path";
import { run } from "../../packages/cli/processes.ts";
import { isLong, randomOf, seed } from "../shared/random.ts";
import { bundlerModules } from "../../packages/plugin/workflows/parts.ts";
import { changedProject, root } from "./_programs.ts";

const workflows = (text: string) => `
  import { ending } from "./ending.ts";
  export async function fails(): Promise<string> {
    return "${text}" + ending;
  }`;

// Replaying bundles as a Worker does, but needs no server.
const folder = await changedProject({
  "workflows.ts": workflows("first"),
  "ending.ts": 'export const ending = "!";',
  "replay.ts": `
    import { Worker } from "@temporalio/worker";
    import { DenoPlugin } from "@temporal-on-deno/plugin";
    import history from "./packages/plugin/testdata/histories/node/fails.json" with { type: "json" };
    const workflowsPath = import.meta.resolve("./workflows.ts");
    const plugins = [new DenoPlugin()];
    await Worker.runReplayHistory({ workflowsPath, plugins }, history)
      .catch(({ name }) => console.log(name));`,
});
// Its path may hold characters that have a meaning in URLs.
const project = { path: `${folder.path} #1%20` };
await Deno.rename(folder.path, project.path);
const cache = join(project.path, "node_modules", ".cache", "temporal-on-deno");

Deno.test.beforeAll(async () => {
  await replay();
});

Deno.test.afterAll(async () => {
  await Deno.rename(project.path, folder.path);
  await folder[Symbol.asyncDispose]();
});

/** Bundles the Workflow code, or takes the bundle from the cache. */
async function replay(...flags: string[]) {
  const command = ["run", "-q", "--no-prompt", "-P=worker", ...flags];
  const output = await run([Deno.execPath(), ...command, "replay.ts"], {
    cwd: project.path,
    signal: AbortSignal.timeout(120_000),
  });
  // The bundle runs: its code differs from that of the history.
  assertStringIncludes(output, "DeterminismViolationError\n");
}

/** Returns the path of the only bundle in the cache. */
async function bundlePath(): Promise<string> {
  const entries = (await Array.fromAsync(Deno.readDir(cache)))
    .filter(({ name }) => name.startsWith("workflow-bundle-"));
  assertEquals(entries.length, 1);
  return join(cache, entries[0].name);
}

/** Returns the code in the cache. */
async function cachedCode(): Promise<string> {
  return await Deno.readTextFile(await bundlePath());
}

/** Whether the next bundle is a new one. */
async function isRebundledAfter(change: () => Promise<void>): Promise<boolean> {
  const before = await Deno.stat(await bundlePath());
  await change();
  await replay();
  return (await Deno.stat(await bundlePath())).ino !== before.ino;
}

const write = (file: string, text: string) =>
  Deno.writeTextFile(join(project.path, file), text);

const append = (file: string) =>
  Deno.writeTextFile(join(project.path, file), "\n", { append: true });

Deno.test("DenoPlugin takes the bundle from the cache while nothing in it has changed", async () => {
  assertEquals(await isRebundledAfter(() => append("activities.ts")), false);
});

Deno.test("DenoPlugin bundles again after a change of an imported module", async () => {
  await write("ending.ts", 'export const ending = "?";');
  await replay();
  assertStringIncludes(await cachedCode(), 'ending = "?"');
});

Deno.test(`DenoPlugin bundles again after a change of packages or of itself (SEED=${seed})`, async () => {
  const modules = bundlerModules.map((path) => relative(root, path));
  const files = ["deno.lock", ...modules];
  for (const file of isLong ? files : [randomOf(files)]) {
    assertEquals(await isRebundledAfter(() => append(file)), true, file);
  }
});

Deno.test("DenoPlugin replaces a damaged bundle", async () => {
  const code = await cachedCode();
  await Deno.truncate(await bundlePath(), 1000);
  await replay();
  assertEquals(await cachedCode(), code);
});

Deno.test("DenoPlugin bundles without a cache where it cannot write", async () => {
  await write("workflows.ts", workflows("not cached"));
  await replay("--allow-write=elsewhere");
  assertEquals((await cachedCode()).includes("not cached"), false);
});
