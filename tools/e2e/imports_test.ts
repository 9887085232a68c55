/** Workflow code that imports a package, under the Worker's permissions. */

import { assertEquals } from "@std/assert";
import {
  changedProject,
  output,
  startDevServer,
  startWorker,
  workflowType,
} from "./_programs.ts";

Deno.test("worker runs Workflow code that imports a package with sideEffects", async () => {
  await using server = await startDevServer();
  // Only deno.lock names this package, as nothing else in the project imports it.
  await using project = await changedProject({
    "workflows.ts": `
      import * as z from "npm:zod@4.6.7";
      const Name = z.string().min(3);
      export async function ${workflowType}(name: string): Promise<string> {
        const { error } = Name.safeParse("");
        return Name.parse(name) + ": " + error?.issues[0].message;
      }`,
  });
  const options = {
    env: { TEMPORAL_ADDRESS: server.address },
    cwd: project.path,
  };
  await using _worker = await startWorker([], options);
  const { stdout } = await output("start", ["Ada"], options);
  assertEquals(
    stdout,
    "Result: Ada: Too small: expected string to have >=3 characters\n",
  );
});
