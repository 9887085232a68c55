/**
 * The demo, the foreground dev server and the other commands of the README, as a
 * newcomer meets them; in one file, since all of them want port 7233.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { answers, isFree, waitUntil } from "../dev/processes.ts";
import { devServer, type Program, root, runTask, task } from "./_programs.ts";

/** Takes the default ports, so that the demo must do without them. */
function takePorts(ports: number[]): Disposable {
  const listeners = ports.filter(isFree).map((port) =>
    Deno.listen({ hostname: "127.0.0.1", port })
  );
  return { [Symbol.dispose]: () => listeners.forEach((l) => l.close()) };
}

/** The address of the server that a demo has told to have started. */
async function addressOf(demo: Program): Promise<string> {
  await demo.prints(", Web UI at ");
  return /Temporal Server at (\S+),/.exec(demo.stdout)![1];
}

Deno.test("demo tells each step, shows the run's page, and stops it all", async () => {
  await using demo = task("demo");
  const address = await addressOf(demo);
  assertEquals((await demo.status).code, 0);
  const steps = [
    /^Temporal Server at (localhost:\d+), Web UI at http:\/\/localhost:\d+$/m,
    /^Worker polls "hello-task-queue" in "default" at localhost:\d+; /m,
    /^Result: Hello, Temporal!$/m,
    /^Worker stops$/m,
  ];
  let text = demo.stdout;
  for (const step of steps) {
    assertMatch(text, step);
    text = text.slice(step.exec(text)!.index);
  }
  const port = Number(address.split(":")[1]);
  assertMatch(
    demo.stderr,
    new RegExp(
      `http://localhost:${
        port + 1000
      }/namespaces/default/workflows/hello-workflow/[0-9a-f-]{36}`,
    ),
  );
  assertEquals([isFree(port), isFree(port + 1000)], [true, true]);
});

Deno.test("demo uses a server that runs already, and leaves it alone", async () => {
  await using server = await devServer();
  const env = { TEMPORAL_ADDRESS: server.address };
  const { code, stdout } = await runTask("demo", [], { env });
  assertEquals(code, 0);
  assertStringIncludes(
    stdout,
    `Temporal Server at ${server.address}: found running, left alone`,
  );
  assertStringIncludes(stdout, "Result: Hello, Temporal!");
  assertEquals(await answers(server.address), true);
});

Deno.test("demo picks other ports where the default ones are taken", async () => {
  using _ports = takePorts([7233, 8233]);
  await using demo = task("demo");
  await demo.prints("Port 7233 or 8233 is taken by something else");
  assertEquals((await demo.status).code, 0);
  assertStringIncludes(demo.stdout, "Result: Hello, Temporal!");
});

Deno.test("server refuses ports that are taken", async () => {
  using _ports = takePorts([7233, 8233]);
  const { code, stderr } = await runTask("server");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Port 7233 is taken");
});

Deno.test("demo --keep leaves server and Worker running until Ctrl-C", async () => {
  await using demo = task("demo", ["--keep"]);
  await demo.prints("stay until Ctrl-C");
  const address = await addressOf(demo);
  const { stdout } = await runTask("start", ["Again", "--address", address]);
  assertEquals(stdout, "Result: Hello, Again!\n");
  demo.kill("SIGINT");
  assertEquals((await demo.status).code, 0);
  assertEquals(await answers(address), false);
});

for (
  const [step, text] of [
    ["the start", undefined],
    ["the server's start", "Temporal Server at "],
    ["the Worker's start", "Worker polls "],
  ]
) {
  Deno.test(`Ctrl-C after ${step} stops what the demo has started`, async () => {
    await using demo = task("demo");
    if (text) await demo.prints(text);
    demo.kill("SIGINT");
    assertEquals((await demo.status).code, 130);
    const [address] = /localhost:\d+/.exec(demo.stdout) ?? ["localhost:1"];
    assertEquals(await answers(address), false);
    assertEquals(demo.stdout.includes("Result"), false);
  });
}

/** Matches a line that a command prints; "…" stands for anything. */
function pattern(line: string): RegExp {
  const literal = line.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal.replaceAll("…", ".*")}$`, "m");
}

Deno.test("each command of the README prints what is shown there", async () => {
  await waitUntil("port 7233 to be free", async () => isFree(7233), {
    seconds: 30,
  });
  await using programs = new AsyncDisposableStack();
  const readme = await Deno.readTextFile(join(root, "README.md"));
  const commands = readme.matchAll(
    /```sh\ndeno task (\w+)\n```\n+```text\n([^]*?)```/g,
  );
  const ran: string[] = [];
  for (const [, name, expected] of commands) {
    const program = programs.use(
      task(name as "demo", [], { env: { NO_COLOR: "1" } }),
    );
    const lines = expected.trim().split("\n").filter((line) => line !== "…");
    await program.prints(lines.at(-1)!.split("…")[0].trim(), 120);
    const output = `${program.stderr}\n${program.stdout}`;
    for (const line of lines) assertMatch(output, pattern(line), name);
    ran.push(name);
    if (name === "demo") await program.status;
  }
  assertEquals(ran, ["demo", "test", "server", "worker", "start"]);
});
