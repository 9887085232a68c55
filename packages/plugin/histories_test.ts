/**
 * Event Histories that were recorded on Node.js without the plugin replay on Deno
 * with it. `docs/runtimes.md` says how to record and replay them on both.
 */

import { DefaultLogger, Runtime } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { assertEquals, assertInstanceOf } from "@std/assert";
import { join } from "node:path";
import { telemetryOptions } from "./testdata/environment.ts";
import { replay } from "./testdata/histories/histories.mjs";

Runtime.install({
  logger: new DefaultLogger("ERROR"),
  telemetryOptions,
});
const folder = `${import.meta.dirname}/testdata/histories/node`;

Deno.test("Event Histories of Node.js replay on Deno", async () => {
  const results = await replay(folder);
  assertEquals(results, {
    "callsNexus.json": undefined,
    "continued.json": undefined,
    "continues.json": undefined,
    "fails.json": undefined,
    "messages.json": undefined,
    "operations.json": undefined,
    "order.json": undefined,
    "parent.json": undefined,
    "patches.json": undefined,
    "scopes.json": undefined,
    "syntax.json": undefined,
    "values.json": undefined,
  });
});

Deno.test("an Event History of Deno, which replays on Node.js, replays on Deno", async () => {
  const results = await replay(join(folder, "..", "deno"));
  assertEquals(results, { "syntax.json": undefined });
});

Deno.test("Event Histories replay with another time zone and locale", async () => {
  const program = "packages/plugin/testdata/histories/histories.mjs";
  const { code, stdout } = await new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", "-A", program, "replay", folder],
    cwd: `${import.meta.dirname}/../..`,
    env: { LC_ALL: "sv_SE.UTF-8", TZ: "Asia/Tokyo" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals([code, text.match(/^ok /gm)?.length], [0, 12], text);
});

Deno.test("an Event History with one other value does not replay", async () => {
  // The last value that the Workflow saw.
  const change = (text: string) => text.replace(/(.*"saw )/s, "$1other ");
  const results = await replay(folder, change);
  for (const [name, error] of Object.entries(results)) {
    assertInstanceOf(error, DeterminismViolationError, name);
  }
});
