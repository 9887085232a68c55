/** The task `worker`, and both programs without a server. */

import { assertEquals, assertMatch } from "@std/assert";
import { findPort } from "../../packages/cli/ports.ts";
import {
  output,
  spawn,
  startDevServer,
  startWorker,
  taskQueue,
} from "./_programs.ts";

const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

Deno.test("worker shares its Task Queue with another one, which can stop, logs at LOG_LEVEL, and serves metrics at --metrics-address", async () => {
  const address = `127.0.0.1:${findPort()}`;
  const args = ["--metrics-address", address];
  const debug = { ...env, LOG_LEVEL: "debug" };
  await using first = spawn("worker", [], { env });
  await using second = spawn("worker", args, { env: debug });
  await first.prints(
    `Worker is polling Task Queue "${taskQueue}" in Namespace "default" at ` +
      `${server.address}; press Ctrl-C to stop it\n`,
  );
  await second.prints("Worker is polling");
  const greet = async (name: string) => {
    const args = [name, "--workflow-id", name];
    const { stdout } = await output("start", args, { env });
    assertEquals(stdout, `Result: Hello, ${name}!\n`);
  };
  await Promise.all(["a", "b", "c", "d"].map(greet));
  first.kill("SIGINT");
  assertEquals((await first.status).code, 0);
  await greet("e");

  assertEquals(first.stderr, "");
  await second.prints("Worker state changed");
  assertMatch(second.stderr, /DEBUG/);

  const metrics = await (await fetch(`http://${address}/metrics`)).text();
  assertMatch(metrics, /temporal_workflow_completed\{.*\} [1-5]/);
  // The sign of health that docs/deploy.md names
  assertMatch(metrics, /temporal_num_pollers\{.*\} [1-9]/);
});

Deno.test("worker and start report a lost connection, worker that it is back", async () => {
  const first = await startDevServer();
  const { address } = first;
  const args = ["--address", address];
  await using worker = await startWorker(args);
  await using client = spawn("start", [...args, "--task-queue", "none"]);
  await client.prints("Started Workflow");
  await first[Symbol.asyncDispose]();
  await worker.prints(
    `Lost connection to the Temporal Service at ${address}; the Worker keeps ` +
      "trying\n",
  );
  await client.prints("Lost connection to the Temporal Service: ", 60);
  assertEquals((await client.status).code, 1);
  const port = Number(address.split(":")[1]);
  await using _server = await startDevServer({ port });
  await worker.prints(`Reconnected to the Temporal Service at ${address}\n`);
  const { stdout } = await output("start", args);
  assertEquals(stdout, "Result: Hello, Temporal!\n");
  assertEquals(worker.stderr.split("\n").length, 3);
});

Deno.test("worker and start report in one line that nothing listens or answers", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const silentAddress = `127.0.0.1:${silent.addr.port}`;
  const cases = [
    [
      "127.0.0.1:1",
      /^connection refused.*; start one with "deno task server"/i,
    ],
    [silentAddress, /^no response; check the address/],
  ] as const;
  await Promise.all(
    (["worker", "start"] as const).flatMap((program) =>
      cases.map(async ([address, reason]) => {
        const args = ["--address", address];
        const { code, stdout, stderr } = await output(program, args);
        assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2]);
        const head = `Cannot connect to a Temporal Service at "${address}": `;
        assertEquals(stderr.slice(0, head.length), head);
        assertMatch(stderr.slice(head.length), reason);
      })
    ),
  );
});

for (const program of ["worker", "start"] as const) {
  Deno.test(`${program} ends at once on Ctrl-C while a server does not answer`, async () => {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${silent.addr.port}`;
    await using running = spawn(program, ["--address", address]);
    // The program connects: for the Client, the first time only probes the port.
    using stack = new DisposableStack();
    for (let i = 0; i < (program === "start" ? 2 : 1); i++) {
      stack.use(await silent.accept());
    }
    running.kill("SIGINT");
    // If it went on, it would report that there is no answer, and end with 1.
    assertEquals((await running.status).code, 130);
    assertEquals([running.stdout, running.stderr], ["", ""]);
  });
}
