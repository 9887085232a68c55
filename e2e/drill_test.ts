/** The drill in short: each fault once, with a few Workflows in flight. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runTask } from "./_programs.ts";

Deno.test("no Workflow is lost, wrong or doubled, whatever fails", async () => {
  const size = ["--workflows", "5", "--minutes", "0", "--seed", "1"];
  const { code, stdout, stderr } = await runTask("drill", size);
  assertEquals(code, 0, stderr + stdout);
  const rows = stdout.split("\n").filter((row) => row.startsWith("| ")).slice(2)
    .map((row) => row.split("|").map((cell) => cell.trim()));
  assertEquals(rows.length, 6);
  for (const [, fault, , , ...counts] of rows) {
    assertEquals(counts.slice(0, 3), ["0", "0", "0"], fault);
  }
});

Deno.test("a size that is no number is a wrong usage", async () => {
  const { code, stderr } = await runTask("drill", ["--workflows", "many"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, '"--workflows" is "many", not a number');
});
