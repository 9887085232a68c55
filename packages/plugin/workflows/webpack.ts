/**
 * Patches the sandbox in a bundle of the SDK's own bundler, webpack, which makes
 * bundles for the SDK's `bundleWorkflowCode` and where there is a `webpackConfigHook`.
 * Webpack knows relative imports and the packages in `node_modules`.
 *
 * @module
 */

import type { BundleOptions } from "@temporalio/worker";
import { createRequire } from "node:module";
import { sdkModule } from "./bundle.ts";
import sandbox from "./sandbox.ts" with { type: "text" };

type WebpackConfig = Parameters<
  NonNullable<BundleOptions["webpackConfigHook"]>
>[0];
type Compiler = Parameters<
  Extract<
    NonNullable<WebpackConfig["plugins"]>[number],
    (...args: never[]) => unknown
  >
>[0];

/** Puts the patches of the sandbox before everything else. */
class SandboxPlugin {
  /** Called by webpack. */
  apply(compiler: Compiler) {
    const { code } = createRequire(sdkModule)("@swc/core").transformSync(
      `${sandbox}\nglobalThis.Promise = TrackedPromise;`,
      { jsc: { parser: { syntax: "typescript" }, target: "es2022" } },
    );
    // Webpack adds its entries after those of plugins: the sandbox is patched
    // before the SDK freezes its globals.
    new compiler.webpack.EntryPlugin(
      compiler.context,
      `data:text/javascript,${encodeURIComponent(code)}`,
      { name: "main" },
    ).apply(compiler);
  }
}

/** Returns options with which webpack patches the sandbox, once. */
export function patchWebpack(options: BundleOptions): BundleOptions {
  const { webpackConfigHook: hook = (config) => config } = options;
  return {
    ...options,
    webpackConfigHook: (config) => {
      const { plugins = [] } = config;
      if (plugins.some((plugin) => plugin instanceof SandboxPlugin)) {
        return hook(config);
      }
      return hook({
        ...config,
        // Webpack's default, but without the search for a browserslist file in the
        // folders above, which a Worker may not read.
        target: "web",
        plugins: [...plugins, new SandboxPlugin()],
      });
    },
  };
}

/** Whether a bundle patches the sandbox; minimizers keep this name. */
export function hasSandbox(code: string): boolean {
  return code.includes("prepareStackTraceOnDeno");
}
