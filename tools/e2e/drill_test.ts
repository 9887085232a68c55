/** The drill: in short, each fault once with a few Workflows open. */

import { assertEquals } from "@std/assert";
import { isLong } from "../shared/random.ts";
import { output } from "./_programs.ts";

Deno.test("drill loses no Workflow, and none is wrong or runs twice", async () => {
  const size = isLong ? [] : ["--workflows", "2", "--minutes", "0"];
  const { code, stdout, stderr } = await output("drill", size);
  assertEquals(code, 0, stderr + stdout);
  const rows = stdout.split("\n").filter((row) => row.startsWith("| ")).slice(2)
    .map((row) => row.split("|").map((cell) => cell.trim()));
  assertEquals(rows.length, 9);
  for (const [, fault, , , ...counts] of rows) {
    assertEquals(counts.slice(0, 3), ["0", "0", "0"], fault);
  }
});
