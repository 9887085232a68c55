/** Worker Versioning: which version of a Worker runs a Workflow. */

import type { WorkflowHandle } from "@temporalio/client";
import { assertEquals } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { run } from "../../packages/cli/processes.ts";
import { connectClient } from "../shared/client.ts";
import {
  changedProject,
  cleanEnv,
  startDevServer,
  startWorker,
  taskQueue,
  waitFor,
} from "./_programs.ts";

const workflows = `
import * as workflow from "@temporalio/workflow";

export async function AutoUpgrade() {
  let isFinished = false;
  workflow.setHandler(workflow.defineSignal("finish"), () => {
    isFinished = true;
  });
  await workflow.condition(() => isFinished);
}

export async function Pinned() {
  await AutoUpgrade();
}
workflow.setWorkflowOptions({ versioningBehavior: "PINNED" }, Pinned);
`;

const deploymentName = "hello";

/** Makes a version the current one, as docs/deploy.md says. */
async function setCurrentVersion(buildId: string, address: string) {
  const command = ["worker", "deployment", "set-current-version", "--yes"];
  const version = [
    "--deployment-name",
    deploymentName,
    "--build-id",
    buildId,
  ];
  await waitFor(`version "${buildId}" to poll`, async () => {
    const signal = AbortSignal.timeout(10_000);
    const cli = [cleanEnv.TEMPORAL_CLI, ...command, "--address", address];
    // This fails while the Temporal Service does not know the version.
    const options = { env: cleanEnv, clearEnv: true, signal };
    return await run([...cli, ...version], options)
      .then(() => true, () => delay(200, false));
  }, { seconds: 60 });
}

/** Returns the build id of the Worker that ran the last Workflow Task. */
async function lastBuildId(handle: WorkflowHandle) {
  const { workflowExecutionInfo } = (await handle.describe()).raw;
  return workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;
}

Deno.test("worker runs new Workflows if its version is current, and those that are pinned to it", async () => {
  await using server = await startDevServer();
  await using project = await changedProject({ "workflows.ts": workflows });
  const { address } = server;
  const client = await connectClient(address);

  const start = async (workflowType: string) => {
    const handle = await client.workflow.start(workflowType, {
      taskQueue,
      workflowId: crypto.randomUUID(),
    });
    await waitFor(`a Worker to run "${workflowType}"`, async () => {
      return Boolean(await lastBuildId(handle));
    }, { seconds: 60 });
    return handle;
  };
  // The Temporal Service takes some time to route to another version.
  const startsRunOn = (buildId: string) =>
    waitFor(`new Workflows to run on version "${buildId}"`, async () => {
      return await lastBuildId(await start("AutoUpgrade")) === buildId;
    }, { seconds: 60 });
  const finish = async (handle: WorkflowHandle) => {
    await handle.signal("finish");
    await handle.result();
  };

  const args = ["--address", address, "--deployment-name", deploymentName];
  const options = { cwd: project.path };
  await using _old = await startWorker([...args, "--build-id", "1"], options);
  await setCurrentVersion("1", address);
  await startsRunOn("1");
  const autoUpgrade = await start("AutoUpgrade");
  const pinned = await start("Pinned");
  assertEquals(await lastBuildId(autoUpgrade), "1");
  assertEquals(await lastBuildId(pinned), "1");

  await using _new = await startWorker([...args, "--build-id", "2"], options);
  assertEquals(await lastBuildId(await start("AutoUpgrade")), "1");
  await setCurrentVersion("2", address);
  await startsRunOn("2");
  assertEquals(await lastBuildId(await start("Pinned")), "2");

  await finish(autoUpgrade);
  assertEquals(await lastBuildId(autoUpgrade), "2");
  await finish(pinned);
  assertEquals(await lastBuildId(pinned), "1");
  await client.connection.close();
});
