/**
 * Makes Workflow code ready for the sandbox: one script of it and all it imports.
 *
 * @module
 */

import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { dirname, isAbsolute, join } from "node:path";
import { UserError } from "./errors.ts";

const root = dirname(import.meta.dirname!);
const sandbox = join(root, "lib", "sandbox.ts");

/** A script that a Worker can run in its sandbox. */
export interface Bundle {
  /** The script; its source map is its last line. */
  code: string;
  /** The files that it was made of or would be, if there; packages but once. */
  files: string[];
}

/** What is used here of webpack's account of a build. */
interface Build {
  fileDependencies: Iterable<string>;
  missingDependencies: Iterable<string>;
  errors: BuildError[];
  moduleGraph: { getIssuer(module: Module): Module | null };
}

interface BuildError {
  message: string;
  error?: Error;
  module?: Module | null;
}

interface Module {
  resource?: string;
}

/**
 * Bundles Workflow code, quietly, with what `sandbox.ts` mends put before it.
 *
 * @param workflowsPath absolute path of the module that exports the Workflows
 * @throws {UserError} naming the file, the line and the reason
 */
export async function bundleWorkflows(workflowsPath: string): Promise<Bundle> {
  let build: Build | undefined;
  let code: string;
  try {
    ({ code } = await bundleWorkflowCode({
      workflowsPath,
      logger: new DefaultLogger("ERROR", () => {}),
      webpackConfigHook: (config) => ({
        ...config,
        entry: [sandbox, ...config.entry as string[]],
        // Webpack's default, but for a browserslist file in a folder above,
        // which a Worker may neither read nor depend on.
        target: "web",
        plugins: [...config.plugins ?? [], (compiler) => {
          compiler.hooks.done.tap("bundle", (stats) => {
            build = stats.compilation as unknown as Build;
          });
        }],
      }),
    }));
  } catch (error) {
    const reasons = build?.errors.map((e) => explain(e, build!)) ?? [];
    if (reasons.length === 0) reasons.push((error as Error).message);
    throw new UserError(
      ["Cannot bundle the Workflow code", ...reasons].join("\n"),
      { cause: error },
    );
  }
  const files = [
    join(root, "deno.lock"),
    import.meta.filename!,
    ...build!.fileDependencies,
    ...build!.missingDependencies,
  ];
  return { code, files: files.filter(isLocal) };
}

/** Packages do not count: `deno.lock` does. */
function isLocal(path: string): boolean {
  return isAbsolute(path) && !path.startsWith(join(root, "node_modules"));
}

const notForWorkflows =
  'Workflow code cannot use "$1": leave that to an Activity';

/** One build error for a person: where and what, without webpack's own trace. */
function explain({ module, error, message }: BuildError, build: Build): string {
  const text = (error?.message ?? message).split(/\n\s*\n/)[0]
    // Webpack would advise to add a plugin.
    .replace(/^Reading from "(.+)" is not handled[^]*/, notForWorkflows);
  const importer = module && build.moduleGraph.getIssuer(module);
  const file = [module, importer].map((m) => m?.resource).find((path) =>
    path && isLocal(path)
  );
  return !file || text.includes(file) ? text : `${file}: ${text}`;
}
