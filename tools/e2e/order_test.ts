/** The programs of `examples/order/`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { output, spawn, startDevServer } from "./_programs.ts";

Deno.test("order:start completes an order, and order:worker undoes one that fails", async () => {
  await using server = await startDevServer();
  const address = ["--address", server.address];
  await using worker = spawn("order:worker", address);

  const completed = await output("order:start", address);
  assertStringIncludes(completed.stdout, "Result: Ordered a book\n");
  await worker.prints("Sent the receipt");

  const order = ["a pen", "--order-id", "2", "--card", "declined"];
  const failed = await output("order:start", [...address, ...order]);
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "Card was declined");
  await worker.prints("Released the item");
});
