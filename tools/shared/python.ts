/**
 * Temporal's SDK for Python, in a virtual environment in `node_modules/.cache`.
 *
 * @module
 */

import { join } from "node:path";
import { run } from "../../packages/cli/processes.ts";
import { root } from "./project.ts";

/** The folder of the virtual environment. */
export const pythonFolder: string = join(
  root,
  "node_modules",
  ".cache",
  "python",
);

/** Its interpreter. */
export const python: string = join(pythonFolder, "bin", "python");

/** Creates the virtual environment, unless it is there. */
export async function installPython(signal: AbortSignal): Promise<void> {
  await run(["python3", "-m", "venv", pythonFolder], { signal });
  const install = ["install", "--quiet", "temporalio==1.35.0"];
  await run([python, "-m", "pip", ...install], { signal });
}
