/** What an Activity can do under the Worker's permission set, and what not. */

import { assertEquals } from "@std/assert";
import { Client, Connection } from "@temporalio/client";
import { SayHello } from "../workflows.ts";
import { changedProject, devServer, task } from "./_programs.ts";

Deno.test("an Activity is contained, and can still greet", async () => {
  await using server = await devServer();
  await using project = await changedProject({
    "activities.ts": `
      import { connect } from "node:net";
      import { once } from "node:events";

      const attempts: Record<string, () => unknown> = {
        "read a file of the project": () => Deno.readTextFile("deno.json"),
        "read a file outside": () => Deno.readTextFile("/etc/hostname"),
        "list a folder outside": () => Array.fromAsync(Deno.readDir("/")),
        "write into the project": () => Deno.writeTextFile("new.txt", ""),
        "write outside": () => Deno.makeTempFile(),
        "change the next Worker's bundle": () =>
          Deno.writeTextFile("node_modules/.cache/workflow-bundle.js", ""),
        "fetch": () => fetch("${server.webUi}"),
        "open a socket": () => once(connect(${
      new URL(server.webUi).port
    }, "127.0.0.1"), "connect"),
        "listen": () => Deno.listen({ port: 0 }),
        "spawn": () => new Deno.Command("true").output(),
        "see a named variable": () => Deno.env.get("TEMPORAL_ADDRESS"),
        "see another variable": () => Deno.env.get("PATH"),
        "see all variables": () => {
          if (!("PATH" in Deno.env.toObject())) throw new Deno.errors.NotCapable();
        },
        "learn the system's release": () => Deno.osRelease(),
        "load a library": () => Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {}),
      };

      export async function say_hello(name: string): Promise<string> {
        if (!(name in attempts)) return \`Hello, \${name}!\`;
        try {
          await attempts[name]();
          return "done";
        } catch (error) {
          return (error as Error).name;
        }
      }`,
  });
  const env = { TEMPORAL_ADDRESS: server.address };
  await using worker = task("worker", [], { env, cwd: project.path });
  await worker.prints("Worker polls");
  const expected = {
    "read a file of the project": "done",
    "read a file outside": "NotCapable",
    "list a folder outside": "NotCapable",
    "write into the project": "NotCapable",
    "write outside": "NotCapable",
    "change the next Worker's bundle": "NotCapable",
    "fetch": "NotCapable",
    "open a socket": "NotCapable",
    "listen": "NotCapable",
    "spawn": "NotCapable",
    "see a named variable": "done",
    "see another variable": "NotCapable",
    "see all variables": "NotCapable",
    "learn the system's release": "NotCapable",
    "load a library": "NotCapable",
    "Temporal": "Hello, Temporal!",
  };
  const connection = await Connection.connect({ address: server.address });
  const { workflow } = new Client({ connection });
  const results: Record<string, string> = {};
  for (const name in expected) {
    results[name] = await workflow.execute(SayHello, {
      args: [name],
      taskQueue: "hello-task-queue",
      workflowId: name,
    });
  }
  await connection.close();
  assertEquals(results, expected);
});
