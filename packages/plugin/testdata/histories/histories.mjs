/**
 * Records Event Histories, and replays them: on Node.js as the SDK is, on Deno with
 * the plugin. `record FOLDER` runs each Workflow of `workflows.ts` on a development
 * server that it starts; `TEMPORAL_CLI` may name the Temporal CLI.
 *
 * @module
 */

import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { ApplicationFailure } from "@temporalio/common";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import * as sdk from "@temporalio/worker";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
// A package of the SDK's, which the application does not import itself.
const nexus = createRequire(require.resolve("@temporalio/worker"))("nexus-rpc");

const root = fileURLToPath(new URL("../../../..", import.meta.url)).slice(
  0,
  -1,
);
const { DefaultLogger, Runtime, Worker } = sdk;
const logger = new DefaultLogger("ERROR");
const plugin = "Deno" in globalThis ? await import("../../mod.ts") : undefined;
const { bundleWorkflowCode } = plugin ?? sdk;
const plugins = plugin ? [new plugin.DenoPlugin()] : [];

function bundle() {
  const workflowsPath = fileURLToPath(new URL("workflows.ts", import.meta.url));
  return bundleWorkflowCode({ workflowsPath, logger });
}

const activities = {
  echo: async (value) => value,
  refuse: async () => {
    throw ApplicationFailure.nonRetryable("refused");
  },
};

/** What the Client does with the Workflows that wait for it. */
const interact = {
  async messages(handle) {
    await handle.signal("signal");
    await handle.executeUpdate("update", { args: ["refused"] }).catch(() => {});
    await handle.executeUpdate("update", { args: ["accepted"] });
    await handle.signal("signal");
  },
  async scopes(handle) {
    // Until it waits for its last timer.
    for (let timers = 0; timers < 6;) {
      const { events } = await handle.fetchHistory();
      timers = events.filter((e) => e.timerStartedEventAttributes).length;
    }
    await handle.cancel();
  },
};

async function record(folder) {
  const path = process.env.TEMPORAL_CLI;
  const environment = await TestWorkflowEnvironment.createLocal({
    client: { identity: "client" },
    server: {
      executable: path && { type: "existing-path", path },
      searchAttributes: [{ name: "CustomKeywordField", type: "KEYWORD" }],
    },
  });
  try {
    const taskQueue = "histories";
    await environment.createNexusEndpoint("endpoint", taskQueue);
    const { workflow } = environment.client;
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      identity: "worker",
      taskQueue,
      workflowBundle: await bundle(),
      activities,
      nexusServices: [
        nexus.serviceHandler(
          nexus.service("service", {
            echo: nexus.operation(),
            refuse: nexus.operation(),
          }),
          {
            echo: async (_, value) => value,
            refuse: async () => {
              throw new nexus.OperationError("failed", "refused");
            },
          },
        ),
      ],
      plugins,
    });
    mkdirSync(folder, { recursive: true });
    const run = async (name, ...args) => {
      const handle = await workflow.start(name, {
        args,
        taskQueue,
        workflowId: name,
      });
      await interact[name]?.(handle);
      await handle.result().catch((error) => {
        if (!["fails", "scopes"].includes(name)) throw error;
      });
      return handle;
    };
    const write = async (name, handle) => {
      const history = JSON.parse(historyToJSON(await handle.fetchHistory()));
      // Without the folder on this machine, which stack traces name.
      const text = JSON.stringify(history, null, 2).replaceAll(root, "");
      writeFileSync(join(folder, `${name}.json`), `${text}\n`);
    };
    await worker.runUntil(async () => {
      for (
        const name of [
          "fails",
          "messages",
          "operations",
          "order",
          "parent",
          "patches",
          "scopes",
          "syntax",
          "values",
        ]
      ) await write(name, await run(name));
      await write("callsNexus", await run("callsNexus", "endpoint"));
      const { firstExecutionRunId } = await run("continues", 1);
      const first = workflow.getHandle("continues", firstExecutionRunId);
      await write("continues", first);
      await write("continued", workflow.getHandle("continues"));
    });
  } finally {
    await environment.teardown();
  }
}

/** Replays each history of a folder, and returns the errors by the file's name. */
export async function replay(folder, change = (text) => text) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const histories = names.map((workflowId) => ({
    workflowId,
    history: JSON.parse(change(readFileSync(join(folder, workflowId), "utf8"))),
  }));
  const results = {};
  const options = { workflowBundle: await bundle(), plugins };
  for await (
    const { workflowId, error } of Worker.runReplayHistories(options, histories)
  ) results[workflowId] = error;
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, folder] = process.argv.slice(2);
  Runtime.install({ logger });
  if (command === "record") await record(folder);
  else {
    const results = await replay(folder);
    for (const [name, error] of Object.entries(results)) {
      console.log(error ? `FAILED ${name}: ${error.message}` : `ok ${name}`);
      if (error) process.exitCode = 1;
    }
  }
}
