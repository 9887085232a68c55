/**
 * What the SDK's bundler needs on Deno, as a plugin of webpack: it sees the final
 * configuration, whatever other hooks and plugins make of it.
 *
 * @module
 */

import type { BundleOptions } from "@temporalio/worker";
import {
  SourceMap,
  type SourceMapPayload,
  type SourceMapping,
} from "node:module";
import { join } from "node:path";
import type { CachedBundle } from "./bundle_cache.ts";
import { DenoPluginError } from "../errors.ts";
import {
  type Compilation,
  type Compiler,
  DenoResolverPlugin,
  disallowed,
} from "./resolve.ts";

/** The module that patches the Workflow sandbox, the first one of a bundle. */
const sandboxModule = join(import.meta.dirname!, "sandbox.ts");

/** Files of this folder that decide what a bundle holds. */
export const bundlerModules: string[] = [
  sandboxModule,
  ...["bundler.ts", "graph.ts", "resolve.ts"].map((name) =>
    join(import.meta.dirname!, name)
  ),
];

/** Found in each bundle with {@linkcode sandboxModule}, even if minimized. */
const sandboxMark = "prepareStackTraceOnDeno";

/** Whether a bundle was made with {@linkcode DenoWebpackPlugin}. */
export function hasSandbox(code: string): boolean {
  return code.includes(sandboxMark);
}

/**
 * Puts {@linkcode sandboxModule} into a bundle, resolves imports as Deno does, and
 * explains what fails.
 */
export class DenoWebpackPlugin {
  readonly #resolver: DenoResolverPlugin;

  /** @param options what is bundled */
  constructor(options: BundleOptions) {
    const roots = [
      options.workflowsPath,
      options.payloadConverterPath,
      options.failureConverterPath,
      ...options.workflowInterceptorModules ?? [],
      ...options.preloadModules ?? [],
      sandboxModule,
    ];
    this.#resolver = new DenoResolverPlugin(
      roots.filter((root) => root !== undefined),
      options.ignoreModules,
    );
  }

  /** Called by webpack. */
  apply(compiler: Compiler) {
    // Webpack adds its entries after those of plugins: the sandbox is patched
    // before the SDK freezes its globals.
    new compiler.webpack.EntryPlugin(compiler.context, sandboxModule, {
      name: "main",
    }).apply(compiler);
    this.#resolver.apply(compiler);
    compiler.hooks.done.tap("DenoWebpackPlugin", ({ compilation }) => {
      const reasons = compilation.errors.map(explain);
      if (reasons.length === 0) return;
      if (reasons.every((reason) => /Requires .* access/.test(reason))) {
        reasons.push(
          "No bundle in the cache is up to date, and this process may not " +
            'bundle: run "deno task bundle"',
        );
      }
      const areDisallowed = reasons.every((text) => text.includes(disallowed));
      const lines = areDisallowed
        // In the SDK's words, under which its documentation explains it.
        ? [
          "Cannot bundle Workflow code, which is importing the following " +
          "disallowed modules:",
          ...reasons.map((text) => text.replace(disallowed, "")),
        ]
        : ["Cannot bundle Workflow code:", ...reasons];
      throw new DenoPluginError(lines.join(lines.length === 2 ? " " : "\n  "));
    });
  }
}

/** Keeps the bundle that webpack makes. */
export class CacheWebpackPlugin {
  readonly #cache: CachedBundle;

  /** @param cache where the bundle is kept */
  constructor(cache: CachedBundle) {
    this.#cache = cache;
  }

  /** Called by webpack. */
  apply(compiler: Compiler) {
    compiler.hooks.assetEmitted.tapPromise(
      "CacheWebpackPlugin",
      async (_, { content, compilation }) => {
        const { fileDependencies, missingDependencies, startTime } =
          compilation;
        // Webpack emits code that throws them.
        if (compilation.errors.length > 0) return;
        const files = [...fileDependencies, ...missingDependencies];
        await this.#cache.write(`${content}`, files, startTime!);
      },
    );
  }
}

/** An error of webpack's in a few lines: file and reason, without its trace. */
function explain(webpackError: Compilation["errors"][number]): string {
  const { error, module, message } = webpackError as Error & {
    error?: Error & { loc?: { line: number; column: number } };
    module?: {
      resource?: string;
      originalSource(): { map(): SourceMapPayload | null } | null;
    };
  };
  let [text] = (error?.message ?? message).split(/\n\s*\n/);
  const loc = error?.loc;
  const map = loc && module?.originalSource()?.map();
  if (map) { // The place is one of compiled code.
    const { originalLine, originalColumn } = new SourceMap(map)
      .findEntry(loc.line - 1, loc.column) as SourceMapping;
    text = text.replace(
      `(${loc.line}:${loc.column})`,
      `(${originalLine + 1}:${originalColumn})`,
    );
  }
  const file = module?.resource;
  return !file || text.includes(file) ? text : `${file}: ${text}`;
}
