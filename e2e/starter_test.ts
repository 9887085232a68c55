/** The starter, as the person who runs it sees it. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Client, Connection } from "@temporalio/client";
import { UserError } from "../lib/errors.ts";
import { loadSettings } from "../lib/settings.ts";
import { runWorkflow } from "../run_workflow.ts";
import { devServer, runTask, task } from "./_programs.ts";

const server = await devServer();
const env = { TEMPORAL_ADDRESS: server.address };
const connection = await Connection.connect({ address: server.address });
const { workflow } = new Client({ connection });

Deno.test.afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
});

Deno.test("the starter waits for a Worker, and says how to start one", async () => {
  await using starter = task("start", [], { env });
  await starter.prints(
    'No Worker polls "hello-task-queue": start one with "deno task worker"',
  );
  await using _worker = task("worker", [], { env });
  assertEquals((await starter.status).code, 0);
  assertEquals(starter.stdout, "Result: Hello, Temporal!\n");
});

Deno.test("the starter names the Web UI's page of its run", async () => {
  await using worker = task("worker", [], { env });
  await worker.prints("Worker polls");
  const { code, stdout, stderr } = await runTask("start", [], { env });
  assertEquals([code, stdout], [0, "Result: Hello, Temporal!\n"]);
  const { runId } = await workflow.getHandle("hello-workflow").describe();
  const page = `/namespaces/default/workflows/hello-workflow/${runId}`;
  assertStringIncludes(stderr, `"hello-workflow": ${server.webUi}${page}\n`);
});

Deno.test("the starter takes any name and Workflow Id", async () => {
  await using worker = task("worker", ["--task-queue", "q u e"], { env });
  await worker.prints('Worker polls "q u e"');
  const names = [
    "Ada Lovelace",
    `"O'Neill"`,
    "👋 世界",
    "",
    "$HOME",
    "42",
    "-x",
  ];
  await Promise.all(names.map(async (name) => {
    const id = `id of ${name}/?#%`;
    const options = ["--workflow-id", id, "--task-queue", "q u e"];
    const args = [...options, "--", name];
    const { code, stdout } = await runTask("start", args, { env });
    assertEquals([code, stdout], [0, `Result: Hello, ${name}!\n`]);
    assertEquals((await workflow.getHandle(id).describe()).type, "SayHello");
  }));
});

Deno.test("a name of 1 MB is greeted, and one beyond the server's limit refused", async () => {
  await using worker = task("worker", [], { env });
  await worker.prints("Worker polls");
  const settings = loadSettings({ address: server.address });
  const { signal } = new AbortController();
  const greet = (name: string) =>
    runWorkflow(settings, { name, workflowId: crypto.randomUUID(), signal });
  assertEquals((await greet("x".repeat(1e6))).length, 1e6 + 8);
  const tooLong = () => greet("x".repeat(3e6));
  await assertRejects(tooLong, UserError, "size exceeds limit");
});

Deno.test("the starter attaches to a Workflow that runs already", async () => {
  const options = ["--workflow-id", "shared"];
  await using first = task("start", ["First", ...options], { env });
  await first.prints('Started Workflow "shared"');
  await using second = task("start", ["Second", ...options], { env });
  await second.prints(
    'Attached to Workflow "shared", which runs already with its own argument',
  );
  await using _worker = task("worker", [], { env });
  assertEquals((await first.status).code, 0);
  assertEquals((await second.status).code, 0);
  assertEquals(second.stdout, "Result: Hello, First!\n");
});

Deno.test("Ctrl-C leaves the Workflow running; the same command gets its result", async () => {
  const args = ["Again", "--workflow-id", "again"];
  await using starter = task("start", args, { env });
  await starter.prints('Started Workflow "again"');
  starter.kill("SIGINT");
  assertEquals((await starter.status).code, 130);
  assertStringIncludes(
    starter.stderr,
    'Workflow "again" goes on; the same command again waits for it\n',
  );
  await using _worker = task("worker", [], { env });
  const { code, stdout } = await runTask("start", args, { env });
  assertEquals([code, stdout], [0, "Result: Hello, Again!\n"]);
});

Deno.test("a terminated Workflow is told in one line", async () => {
  await using starter = task("start", ["--workflow-id", "ended"], { env });
  await starter.prints('Started Workflow "ended"');
  await workflow.getHandle("ended").terminate("no longer wanted");
  assertEquals((await starter.status).code, 1);
  assertEquals(starter.stdout, "");
  assertEquals(
    starter.stderr.split("\n")[1],
    'Workflow "ended" was terminated: no longer wanted',
  );
});
