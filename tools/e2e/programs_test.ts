/** How the end-to-end tests and tools run programs. */

import { assertEquals } from "@std/assert";
import { Program } from "./_programs.ts";

Deno.test({
  name:
    "a Program ends with the process that has started it, even if that is killed",
  timeout: 60_000,
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const program = `
      const connection = await Deno.connect(${JSON.stringify(listener.addr)});
      await connection.read(new Uint8Array(1));`;
    const parent = `
      import { Program } from "${
      import.meta.resolve("../../packages/cli/processes.ts")
    }";
      new Program([Deno.execPath(), "eval", ${JSON.stringify(program)}]);`;
    await using process = new Program([Deno.execPath(), "eval", parent]);
    using connection = await listener.accept();
    process.kill("SIGKILL");
    assertEquals(await connection.read(new Uint8Array(1)), null);
  },
});
