/** A Worker whose server goes away for a while. */

import { assertEquals } from "@std/assert";
import { startDevServer } from "../dev/dev_server.ts";
import { devServer, runTask, task } from "./_programs.ts";

Deno.test("the Worker says once that the server is away, and when it is back", async () => {
  const server = await devServer();
  const { address } = server;
  const args = ["--address", address, "--task-queue", "none"];
  await using starter = task("start", [...args, "--workflow-id", "waits"]);
  await starter.prints(
    'No Worker polls "none": start one with "deno task worker --task-queue none"',
  );
  await using worker = task("worker", ["--address", address]);
  await worker.prints("Worker polls");
  await server[Symbol.asyncDispose]();
  await starter.prints("The Temporal Server is away; when it is back", 60);
  assertEquals((await starter.status).code, 1);
  await worker.prints(
    `No Temporal Server answers at ${address}; the Worker keeps trying\n`,
  );
  const port = Number(address.split(":")[1]);
  await using _server = await startDevServer({ port });
  await worker.prints(`The Temporal Server at ${address} is back\n`);
  const { stdout } = await runTask("start", ["--address", address]);
  assertEquals(stdout, "Result: Hello, Temporal!\n");
  assertEquals(worker.stderr.split("\n").length, 3);
});
