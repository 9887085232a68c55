/** The task `start`. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { formatError } from "../../packages/cli/format_error.ts";
import { runWorkflow } from "../../run_workflow.ts";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectClient } from "../shared/client.ts";
import {
  output,
  spawn,
  startDevServer,
  startWorker,
  taskQueue,
  temporaryFolder,
  workflowId,
  workflowType,
} from "./_programs.ts";

const server = await startDevServer();
const env = { TEMPORAL_ADDRESS: server.address };
const { connection, workflow, workflowService } = await connectClient(
  server.address,
);

Deno.test.afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
});

Deno.test("start prints the Web UI's page, waits for a Worker, and says how to start one", async () => {
  await using client = spawn("start", [], { env });
  await client.prints(
    `No Worker polls "${taskQueue}": start one with "deno task worker`,
  );
  await using _worker = await startWorker([], { env });
  assertEquals((await client.status).code, 0);
  assertEquals(client.stdout, "Result: Hello, Temporal!\n");
  const { runId } = await workflow.getHandle(workflowId).describe();
  const page = `/namespaces/default/workflows/${workflowId}/${runId}`;
  assertEquals(
    client.stderr.split("\n")[0],
    `Started Workflow "${workflowId}": ${server.webUi}${page}`,
  );
});

Deno.test("a NativeConnection outlives the connections that the server closes", async () => {
  await using server = await startDevServer({
    config: { "frontend.keepAliveMaxConnectionAge": '"1s"' },
  });
  const { connection, workflow } = await connectClient(server.address);
  for (let call = 0; call < 100; call++) {
    await workflow.count();
    await delay(50);
  }
  await connection.close();
});

Deno.test("start accepts any name and Workflow Id", async () => {
  const names = [
    "Ada Lovelace",
    `"O'Neill"`,
    "👋 世界",
    "",
    "$HOME",
    "42",
    "-x",
  ];
  await using _worker = await startWorker(["--task-queue", "q u e"], { env });
  await Promise.all(names.map(async (name) => {
    const id = `id of ${name}/?#%`;
    const options = ["--workflow-id", id, "--task-queue", "q u e"];
    const args = [...options, "--", name];
    const { code, stdout, stderr } = await output("start", args, { env });
    assertEquals([code, stdout], [0, `Result: Hello, ${name}!\n`]);
    assertEquals(stderr.split("\n").length, 2, stderr);
    assertEquals((await workflow.getHandle(id).describe()).type, workflowType);
  }));
});

Deno.test("runWorkflow() greets a name of 1 MB, and rejects one of 3 MB", async () => {
  await using _worker = await startWorker([], { env });
  // Not loaded: this process has the settings of the person who runs the tests.
  const settings = {
    connectionOptions: { address: server.address, connectTimeout: 5_000 },
    namespace: "default",
    taskQueue,
  };
  const greet = (name: string) =>
    runWorkflow(settings, { name, workflowId: crypto.randomUUID() });
  assertEquals((await greet("x".repeat(1e6))).length, 1e6 + 8);
  const error = await assertRejects(() => greet("x".repeat(3e6)), Error);
  assertStringIncludes(formatError(error)!, "size exceeds limit");
});

Deno.test("start attaches to a Workflow Execution that is running, and leaves it running on Ctrl-C", async () => {
  const options = ["--workflow-id", "shared"];
  await using first = spawn("start", ["First", ...options], { env });
  await first.prints('Started Workflow "shared"');
  const attach = async () => {
    const client = spawn("start", ["Second", ...options], { env });
    await client.prints(
      'Attached to Workflow "shared", which is already running, so your argument is not used',
    );
    return client;
  };
  await using interrupted = await attach();
  interrupted.kill("SIGINT");
  assertEquals((await interrupted.status).code, 130);
  assertStringIncludes(
    interrupted.stderr,
    'Workflow "shared" is still running; run the same command to wait for it again\n',
  );
  await using second = await attach();
  await using _worker = await startWorker([], { env });
  for (const client of [first, second]) {
    assertEquals((await client.status).code, 0);
    assertEquals(client.stdout, "Result: Hello, First!\n");
  }
});

Deno.test("start reports a terminated Workflow in one line, with controls escaped", async () => {
  await using client = spawn("start", ["--workflow-id", "ended"], { env });
  await client.prints('Started Workflow "ended"');
  await workflow.getHandle("ended").terminate("not \x1b[31mneeded");
  assertEquals((await client.status).code, 1);
  assertEquals(client.stdout, "");
  const [, report, ...rest] = client.stderr.split("\n");
  assertEquals(report, "Workflow was terminated: not \\u001b[31mneeded");
  assertEquals(rest, [""]);
});

Deno.test("start reports in one line a result that it cannot decode", async () => {
  const taskQueue = { name: "undecodable" };
  await using client = spawn("start", ["--task-queue", taskQueue.name], {
    env,
  });
  const namespace = "default";
  const { taskToken } = await connection.withDeadline(
    Date.now() + 30_000,
    () => workflowService.pollWorkflowTaskQueue({ namespace, taskQueue }),
  );
  const encode = (text: string) => new TextEncoder().encode(text);
  const result = {
    payloads: [{
      metadata: { encoding: encode("x/\n\x1b[2J") },
      data: encode(""),
    }],
  };
  await workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    commands: [{
      commandType: 4, // COMPLETE_WORKFLOW_EXECUTION
      completeWorkflowExecutionCommandAttributes: { result },
    }],
  });
  assertEquals((await client.status).code, 1);
  const [, ...lines] = client.stderr.split("\n");
  assertEquals(lines, ["Unknown encoding: x/\\n\\u001b[2J", ""]);
});

Deno.test("worker and start use the profile that the temporal CLI has written", async () => {
  await using home = await temporaryFolder();
  const folder = join(home.path, "temporalio");
  await Deno.mkdir(folder);
  await Deno.writeTextFile(
    join(folder, "temporal.toml"),
    `[profile.mine]\naddress = "${server.address}"\n`,
  );
  const env = { XDG_CONFIG_HOME: home.path };
  const args = ["--profile", "mine"];
  await using worker = await startWorker(args, { env });
  assertStringIncludes(worker.stdout, `at ${server.address}; `);
  const { stdout } = await output("start", args, { env });
  assertEquals(stdout, "Result: Hello, Temporal!\n");
});
