/** The plugin alone, in another application: Temporal's hello-world, as on Node.js. */

import { assertEquals } from "@std/assert";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import plugin from "../../packages/plugin/deno.json" with { type: "json" };
import { run } from "../../packages/cli/processes.ts";
import {
  cleanEnv,
  Program,
  root,
  startDevServer,
  temporaryFolder,
} from "./_programs.ts";

const files = {
  // What the lock file pins, so that no package registry is asked.
  "deno.json": JSON.stringify({
    imports: {
      ...config.imports,
      "@temporal-on-deno/plugin":
        `jsr:@temporal-on-deno/plugin@${plugin.version}`,
    },
    links: ["packages/plugin"],
    nodeModulesDir: "auto",
  }),
  "src/activities.ts": `
    export async function greet(name: string): Promise<string> {
      return \`Hello, \${name}!\`;
    }`,
  "src/workflows.ts": `
    import { proxyActivities } from "@temporalio/workflow";
    import type * as activities from "./activities.ts";
    const { greet } = proxyActivities<typeof activities>({
      startToCloseTimeout: "1 minute",
    });
    export async function example(name: string): Promise<string> {
      return await greet(name);
    }`,
  "src/worker.ts": `
    import { NativeConnection, Worker } from "@temporalio/worker";
    import { DenoPlugin } from "@temporal-on-deno/plugin";
    import * as activities from "./activities.ts";
    const address = Deno.env.get("TEMPORAL_ADDRESS");
    const connection = await NativeConnection.connect({ address });
    try {
      const worker = await Worker.create({
        connection,
        namespace: "default",
        taskQueue: "hello-world",
        workflowsPath: import.meta.resolve("./workflows.ts"),
        activities,
        plugins: [new DenoPlugin()],
      });
      await worker.run();
    } finally {
      await connection.close();
    }`,
  "src/client.ts": `
    import { Client, Connection } from "@temporalio/client";
    import { example } from "./workflows.ts";
    const address = Deno.env.get("TEMPORAL_ADDRESS");
    const connection = await Connection.connect({ address });
    const client = new Client({ connection });
    const handle = await client.workflow.start(example, {
      taskQueue: "hello-world",
      args: ["Temporal"],
      workflowId: "workflow-" + crypto.randomUUID(),
    });
    console.log(await handle.result());
    await connection.close();`,
};

Deno.test("DenoPlugin works when another application links to it", async () => {
  await using server = await startDevServer();
  await using application = await temporaryFolder();
  const cwd = application.path;
  await Deno.mkdir(join(cwd, "src"));
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(cwd, name), text);
  }
  for (const name of ["packages/plugin", "tools/std", "deno.lock"]) {
    await cp(join(root, name), join(cwd, name), { recursive: true });
  }
  const signal = AbortSignal.timeout(60_000);
  await run(["cp", "-al", join(root, "node_modules"), cwd], { signal });
  const options = {
    cwd,
    env: { ...cleanEnv, TEMPORAL_ADDRESS: server.address },
    clearEnv: true,
  };
  const command = [Deno.execPath(), "run", "-q", "-A"];
  // A log line of the SDK, which reports that it polls.
  await using worker = new Program([...command, "src/worker.ts"], options);
  await worker.prints("RUNNING");
  const { env } = options;
  const result = await run([...command, "src/client.ts"], { cwd, env, signal });
  assertEquals(result, "Hello, Temporal!\n");
});
