/**
 * Lets the SDK download a server: `sdk_download.ts dev-server|test-server FOLDER`.
 * It is a program of its own, so that it can be stopped if Temporal's host does not
 * answer, and so that the server's output is not seen.
 *
 * @module
 */

import { TestWorkflowEnvironment } from "@temporalio/testing";

const [kind, downloadDir] = Deno.args;
const server = {
  executable: { type: "cached-download", downloadDir },
} as const;
try {
  const environment = await (kind === "dev-server"
    ? TestWorkflowEnvironment.createLocal({ server })
    : TestWorkflowEnvironment.createTimeSkipping({ server }));
  await environment.teardown();
} catch (error) {
  console.error((error as Error).message);
  Deno.exit(1);
}
