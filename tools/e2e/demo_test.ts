/** The tasks `demo` and `server`, and each command of the README. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { hasFreePorts } from "../../packages/cli/servers/dev_server.ts";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import { answers, findPort, isFree } from "../../packages/cli/ports.ts";
import {
  output,
  type Program,
  readProjectFile,
  spawn,
  startDevServer,
  taskQueue,
  waitFor,
  workflowId,
} from "./_programs.ts";

const readme = await readProjectFile("README.md");
/** What the README shows of two commands. */
const [shownDemo, shownStart] = Array.from(
  readme.matchAll(
    /(?:sh\ndeno task demo\n```|prints:)\n\n```text\n([^]*?)```/g,
  ),
  ([, transcript]) => transcript,
);

/** Checks each line of a transcript, in which "…" stands for anything. */
function printsAsShown(program: Program, shown: string, address: string) {
  const [, port] = address.split(":");
  const printed = `${program.stderr}\n${program.stdout}`;
  // The usual address may be in use on this machine.
  const lines = shown.replaceAll("7233", port)
    .replaceAll("8233", `${Number(port) + 1000}`).trim().split("\n");
  for (const line of lines) {
    const literal = line.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
      .replaceAll("…", ".*");
    assert(
      new RegExp(`^${literal}$`, "m").test(printed),
      `${line}\n${printed}`,
    );
  }
}

/** Starts the demo where no server runs, with this port for its own. */
function startDemo(
  port = findPort(hasFreePorts),
  args: string[] = [],
): Program {
  const env = { TEMPORAL_ADDRESS: `localhost:${port}` };
  return spawn("demo", args, { env });
}

/** Returns the address of the server that a demo has started. */
async function serverOf(demo: Program): Promise<string> {
  await demo.prints(", Web UI at ");
  return /Temporal Service at (\S+),/.exec(demo.stdout)![1];
}

Deno.test("demo prints each step and the Web UI's page, as the README says, and stops everything", async () => {
  await using demo = startDemo();
  const address = await serverOf(demo);
  assertEquals((await demo.status).code, 0);
  printsAsShown(demo, shownDemo, address);
  const port = Number(address.split(":")[1]);
  assertEquals(
    demo.stdout,
    `Temporal Service at ${address}, Web UI at http://localhost:${port + 1000}
Worker is polling Task Queue "${taskQueue}" in Namespace "default" at ${address}; press Ctrl-C to stop it
Result: Hello, Temporal!
Worker is shutting down
`,
  );
  const page = `http://localhost:${port + 1000}/namespaces/default/workflows/`;
  assertMatch(
    demo.stderr,
    new RegExp(`^Started Workflow "${workflowId}": ${page}\\S+\n$`, "m"),
  );
  assertEquals([isFree(port), isFree(port + 1000)], [true, true]);
});

Deno.test("demo uses a server that is running, and does not stop it", async () => {
  await using server = await startDevServer();
  const { address } = server;
  const env = { TEMPORAL_ADDRESS: address };
  const { code, stdout } = await output("demo", [], { env });
  assertEquals(code, 0);
  const [first, , result] = stdout.split("\n");
  assertEquals(first, `Temporal Service at ${address} is running already`);
  assertEquals(result, "Result: Hello, Temporal!");
  assertEquals(await answers(address), true);
});

Deno.test("demo does not start a server in place of one that is set", async () => {
  const env = { TEMPORAL_ADDRESS: "127.0.0.1:1", TEMPORAL_API_KEY: "key" };
  const { code, stdout, stderr } = await output("demo", [], { env });
  assertEquals(code, 1);
  assertEquals(
    stdout,
    "Temporal Service at 127.0.0.1:1, from your settings\n",
  );
  const [connect, demo] = stderr.split("\n");
  assertMatch(
    connect,
    /^Cannot connect to a Temporal Service at "127.0.0.1:1"/,
  );
  assertEquals(demo, "Cannot run the demo: the Worker has not started");
});

Deno.test("demo --keep uses other ports where the usual ones are in use, and leaves server and Worker running until Ctrl-C", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await using demo = startDemo(port, ["--keep"]);
  await demo.prints("keep running until Ctrl-C");
  const [first, second] = demo.stdout.split("\n");
  assertEquals(first, `Port ${port} or ${port + 1000} is in use`);
  assertMatch(second, /^Temporal Service at localhost:\d+, Web UI at /);
  const address = await serverOf(demo);
  const { stdout } = await output("start", ["Again", "--address", address]);
  assertEquals(stdout, "Result: Hello, Again!\n");
  demo.kill("SIGINT");
  assertEquals((await demo.status).code, 0);
  assertEquals(await answers(address), false);
});

for (
  const [phase, reach] of [
    [
      "the server starts",
      (_, port) =>
        waitFor("the server", async () => !isFree(port), { seconds: 20 }),
    ],
    ["the Worker starts", (demo) => demo.prints("Temporal Service at ")],
    ["the Workflow runs", (demo) => demo.prints("Worker is polling ")],
  ] as [string, (demo: Program, port: number) => Promise<void>][]
) {
  Deno.test(`demo stops what it has started on Ctrl-C while ${phase}`, async () => {
    const port = findPort(hasFreePorts);
    await using demo = startDemo(port);
    await reach(demo, port);
    demo.kill("SIGINT");
    assertEquals((await demo.status).code, 130);
    assertEquals(demo.stdout.includes("Result"), false);
    assertEquals(hasFreePorts(port), true);
  });
}

Deno.test("server rejects a port that is in use", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const { code, stderr } = await output("server", ["--port", `${port}`]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    new RegExp(`^Cannot listen on port ${port}: it is in use`),
  );
});

Deno.test("the other commands of the README print what it says", async () => {
  const port = findPort(hasFreePorts);
  const env = {
    TEMPORAL_ADDRESS: `localhost:${port}`,
    TEMPORAL_TEST_SERVER: await locateServer("test-server"),
  };
  await using programs = new AsyncDisposableStack();
  const commands: [Parameters<typeof spawn>[0], string[], string][] = [
    ["server", ["--port", `${port}`], "Temporal Service at …"],
    ["worker", [], "Worker is polling …"],
    ["start", [], shownStart],
    ["test", ["--no-check", "tests/run_workflow_test.ts"], "ok | 2 passed …"],
  ];
  for (const [name, args, shown] of commands) {
    const program = programs.use(spawn(name, args, { env }));
    await program.prints(shown.trim().split("\n").at(-1)!.split("…")[0].trim());
    printsAsShown(program, shown, env.TEMPORAL_ADDRESS);
  }
});
