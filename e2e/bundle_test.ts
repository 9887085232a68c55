/** The Workflow bundle in the cache is used while it is right, and only then. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { run } from "../dev/processes.ts";
import { changedProject } from "./_programs.ts";

const workflows = (text: string) => `
  import { ending } from "./ending.ts";
  export async function SayHello(): Promise<string> {
    return "${text}" + ending;
  }`;

const project = await changedProject({
  "workflows.ts": workflows("first"),
  "ending.ts": 'export const ending = "!";',
  "print.ts": `
    import { workflowBundle } from "./lib/bundle.ts";
    console.log((await workflowBundle()).code.split("//# sourceMapping")[0]);`,
});
const cached = join(project.path, "node_modules/.cache/workflow-bundle.js");

Deno.test.beforeAll(async () => {
  await bundle();
});

Deno.test.afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

/** Returns the bundle's code, made or taken under the Worker's permissions. */
async function bundle(...flags: string[]): Promise<string> {
  const command = ["run", "-q", "--no-prompt", "-P=worker", ...flags];
  return await run([Deno.execPath(), ...command, "print.ts"], {
    cwd: project.path,
    signal: AbortSignal.timeout(30_000),
  });
}

/** Tells whether `change` has the next bundle made anew. */
async function makesAnew(change: () => Promise<void>): Promise<boolean> {
  const before = await Deno.stat(cached);
  await change();
  await bundle();
  return (await Deno.stat(cached)).ino !== before.ino;
}

const write = (file: string, text: string) =>
  Deno.writeTextFile(join(project.path, file), text);

const append = (file: string) =>
  Deno.writeTextFile(join(project.path, file), "\n", { append: true });

Deno.test("an unchanged project is not bundled again", async () => {
  assertEquals(await makesAnew(async () => {}), false);
});

Deno.test("new code makes a new bundle", async () => {
  await write("ending.ts", 'export const ending = "?";');
  assertStringIncludes(await bundle(), 'ending = "?"');
  await write("workflows.ts", workflows("second"));
  assertStringIncludes(await bundle(), "second");
});

Deno.test("so do other packages, and another way to bundle", async () => {
  for (const file of ["deno.lock", "lib/bundler.ts", "lib/sandbox.ts"]) {
    assertEquals(await makesAnew(() => append(file)), true, file);
  }
});

Deno.test("what is not in the bundle makes no new one", async () => {
  assertEquals(await makesAnew(() => append("activities.ts")), false);
});

Deno.test("a bundle that was damaged or taken away is made anew", async () => {
  const code = await bundle();
  await Deno.truncate(cached, 1000);
  assertEquals(await bundle(), code);
  await Deno.remove(cached);
  assertEquals(await bundle(), code);
});

Deno.test("where the cache cannot be written, the bundle serves from memory", async () => {
  await write("workflows.ts", workflows("third"));
  assertStringIncludes(await bundle("--allow-write=elsewhere"), "third");
  assertEquals((await Deno.readTextFile(cached)).includes("third"), false);
  await bundle();
});
