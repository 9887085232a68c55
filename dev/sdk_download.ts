/**
 * Has the SDK download a server into a folder: `dev-server` or `test-server`,
 * then the folder. A program of its own, so that it can be stopped if Temporal's
 * host does not answer, and so that the server's greeting is not seen.
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
