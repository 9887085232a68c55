/** The compiler of Workflow code. */

import { assertEquals } from "@std/assert";
import { join } from "node:path";

Deno.test.sanitizer({ ops: true, resources: true });

Deno.test("swc outlives the thread that loaded it first, such as a test file's", async () => {
  const program = join(import.meta.dirname!, "testdata", "threads.js");
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", program],
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "done\n"]);
});
