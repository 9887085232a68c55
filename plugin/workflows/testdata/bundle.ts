/**
 * Bundles Workflow code in a process of its own, whose environment and permissions
 * a test can choose: for each line of stdin, which holds the bundler's options, it
 * prints a line with the result.
 *
 * @module
 */

import {
  type BundleOptions,
  bundleWorkflowCode,
  DefaultLogger,
} from "@temporalio/worker";
import process from "node:process";
import { createInterface } from "node:readline";
import { DenoPlugin } from "../../mod.ts";

/** What becomes of one bundle. */
export interface Result {
  code?: string;
  files: string[];
  errors: string[];
}

async function bundle(options: BundleOptions): Promise<Result> {
  const files: string[] = [];
  try {
    const { code } = await bundleWorkflowCode({
      ...options,
      logger: new DefaultLogger("ERROR", () => {}),
      plugins: [new DenoPlugin()],
      webpackConfigHook: (config) => ({
        ...config,
        plugins: [...config.plugins ?? [], (compiler) => {
          compiler.hooks.done.tap("test", ({ compilation }) => {
            files.push(...compilation.fileDependencies);
          });
        }],
      }),
    });
    return { code, files, errors: [] };
  } catch (error) {
    const errors = (error as Error).message
      .replace(/^Cannot bundle Workflow code:\s+/, "").split("\n  ");
    return { files, errors };
  }
}

if (import.meta.main) {
  for await (const line of createInterface(process.stdin)) {
    console.log(JSON.stringify(await bundle(JSON.parse(line))));
  }
}
