/** The Worker, as the person who runs it sees it. */

import { assertEquals, assertMatch } from "@std/assert";
import { findPort } from "../dev/processes.ts";
import { devServer, root, runTask, task } from "./_programs.ts";

const server = await devServer();
const env = { TEMPORAL_ADDRESS: server.address };

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

Deno.test("two Workers share a Task Queue, and one of them is enough", async () => {
  await using first = task("worker", [], { env });
  await using second = task("worker", [], { env });
  await first.prints(
    `Worker polls "hello-task-queue" in "default" at ${server.address}; ` +
      "Ctrl-C stops it\n",
  );
  await second.prints("Worker polls");
  const greet = async (name: string) => {
    const args = [name, "--workflow-id", name];
    assertEquals(
      (await runTask("start", args, { env })).stdout,
      `Result: Hello, ${name}!\n`,
    );
  };
  await Promise.all(["a", "b", "c", "d"].map(greet));
  first.kill("SIGINT");
  assertEquals((await first.status).code, 0);
  await greet("e");
});

Deno.test("LOG_LEVEL sets what the Worker logs", async () => {
  await using quiet = task("worker", [], { env });
  await using loud = task("worker", [], {
    env: { ...env, LOG_LEVEL: "debug" },
  });
  await quiet.prints("Worker polls");
  await loud.prints("Worker state changed");
  assertEquals(quiet.stderr, "");
  assertMatch(loud.stderr, /DEBUG/);
});

Deno.test("--metrics-address serves the SDK's metrics", async () => {
  const address = `127.0.0.1:${findPort(30_000)}`;
  await using worker = task("worker", ["--metrics-address", address], { env });
  await worker.prints("Worker polls");
  await runTask("start", ["--workflow-id", "counted"], { env });
  const metrics = await (await fetch(`http://${address}/metrics`)).text();
  assertMatch(metrics, /temporal_workflow_completed\{.*\} 1/);
});

Deno.test({
  name: "Ctrl-C in a terminal stops the Worker, in peace",
  ignore: Deno.build.os !== "linux",
  async fn() {
    // The tool that gives a program a terminal: here Ctrl-C reaches the task
    // and the Worker at once, and libraries ask what colors they may use.
    const terminal = new Deno.Command("script", {
      args: [
        "-qec",
        `exec "${Deno.execPath()}" task --quiet worker`,
        "/dev/null",
      ],
      cwd: root,
      env: { ...env, TERM: "xterm" },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const stdin = terminal.stdin.getWriter();
    let text = "";
    let pressed = false;
    const decoder = new TextDecoder();
    for await (const chunk of terminal.stdout) {
      text += decoder.decode(chunk, { stream: true });
      if (!pressed && text.includes("Worker polls")) {
        pressed = true;
        await stdin.write(new Uint8Array([3]));
      }
    }
    assertEquals((await terminal.status).code, 0);
    assertMatch(text, /Worker stops/);
    await stdin.close().catch(() => {});
  },
});
