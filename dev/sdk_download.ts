/**
 * Has the SDK download a server into a folder: `dev-server` or `test-server`,
 * then the folder. A program of its own, so that it can be stopped if Temporal's
 * host does not answer, and so that the server's greeting is not seen.
 *
 * @module
 */

import { TestWorkflowEnvironment } from "@temporalio/testing";
import { runProgram, UserError } from "../lib/program.ts";

const [kind, downloadDir] = Deno.args;
const server = {
  executable: { type: "cached-download", downloadDir },
} as const;

await runProgram(async () => {
  const starting = kind === "dev-server"
    ? TestWorkflowEnvironment.createLocal({ server })
    : TestWorkflowEnvironment.createTimeSkipping({ server });
  const environment = await starting.catch((error) => {
    throw new UserError(error.message);
  });
  await environment.teardown();
});
