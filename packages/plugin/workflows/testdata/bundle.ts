/**
 * Bundles Workflow code in a process of its own, whose environment and permissions
 * a test can choose: for each line of stdin, which holds the bundler's options, it
 * prints a line with the result.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { bundleWorkflowCode } from "../../mod.ts";

/** What becomes of one bundle. */
export interface Result {
  code?: string;
  errors: string[];
}

for await (const line of createInterface(process.stdin)) {
  const result = await bundleWorkflowCode(JSON.parse(line)).then(
    ({ code }): Result => ({ code, errors: [] }),
    (error: Error): Result => ({
      errors: error.message
        .replace(/^Cannot bundle Workflow code:\s+/, "").split("\n  "),
    }),
  );
  console.log(JSON.stringify(result));
}
