/** What Activity code cannot do in the sandbox, at load and at run time. */

import { MockActivityEnvironment } from "@temporalio/testing";
import { assertEquals, assertRejects } from "@std/assert";
import { ActivitySandbox } from "./sandbox.ts";

let sandbox: ActivitySandbox;

Deno.test.beforeAll(async () => {
  const module = import.meta.resolve("./testdata/attacks.ts");
  sandbox = await ActivitySandbox.start(module);
});

Deno.test.afterAll(() => sandbox.close());

async function run<T>(name: string, ...args: unknown[]): Promise<T> {
  const activity = sandbox.activities[name] as () => Promise<T>;
  const environment = new MockActivityEnvironment({
    startToCloseTimeoutMs: 30_000,
  });
  return await environment.run(activity, ...args as []);
}

Deno.test("every attack is denied, at load and at run time", async () => {
  const atLoad = await run<Record<string, string>>("getAttacksAtLoad");
  const breaches: string[] = [];
  // Deno refuses it with --cached-only alone: see e2e/containment_test.ts.
  delete atLoad["import npm"];
  for (const [name, outcome] of Object.entries(atLoad)) {
    const later = await run<string>("attack", name);
    if (!outcome.startsWith("denied")) {
      breaches.push(`${name}, load: ${outcome}`);
    }
    if (!later.startsWith("denied")) breaches.push(`${name}: ${later}`);
    console.log(`${name.padEnd(28)} ${later}`);
  }
  assertEquals(breaches, []);
});

Deno.test("node:dgram is denied", async () => {
  const error = await assertRejects(() => run("bindSocket"), Error);
  assertEquals(/Requires net access/.test(error.message), true);
});

Deno.test("Activity code sees no messages, and its own reach nobody", async () => {
  assertEquals(await run("getHeard"), []);
  assertEquals("forged" in sandbox.activities, false);
});
