/**
 * Runs Temporal's TypeScript SDK on Deno:
 *
 * ```ts
 * const worker = await Worker.create({
 *   connection,
 *   taskQueue: "hello-task-queue",
 *   workflowsPath: import.meta.resolve("./workflows.ts"),
 *   plugins: [
 *     new DenoPlugin({ activities: import.meta.resolve("./activities.ts") }),
 *   ],
 * });
 * ```
 *
 * @module
 */

import type {
  BundleOptions,
  BundlerPlugin,
  NativeConnectionPlugin,
  ReplayWorkerOptions,
  Worker,
  WorkerOptions,
  WorkerPlugin,
} from "@temporalio/worker";
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ActivitySandbox } from "./activities/sandbox.ts";
import { type BundleSource, CachedBundle } from "./workflows/bundle_cache.ts";
import { revokeFfi, revokePermissions } from "./permissions.ts";
import {
  bundlerModules,
  CacheWebpackPlugin,
  DenoWebpackPlugin,
  hasSandbox,
} from "./workflows/bundler.ts";
import type { WebpackConfig } from "./workflows/resolve.ts";
import { DenoPluginError } from "./errors.ts";

export { DenoPluginError };

/** Options of {@linkcode DenoPlugin}. */
export interface DenoPluginOptions {
  /**
   * URL of a module that exports Activities. They run in a sandbox: processes of
   * their own that hold the permissions below and nothing else. Activities that are
   * passed to the Worker run outside, in the Worker's own process.
   */
  activities?: string;
  /**
   * What Activities in the sandbox may do, as for a Deno Worker (default: nothing).
   * Loading their module needs no permission.
   */
  permissions?: Deno.PermissionOptionsObject;
  /** The number of processes for Activities (default: 1). */
  processes?: number;
  /**
   * The limit of each of these processes for JavaScript objects, in megabytes
   * (default: V8's). An Activity that exceeds it ends its process.
   */
  heapLimitMB?: number;
  /** Whether these processes listen for a debugger, on ports that the Worker logs. */
  inspect?: boolean;
  /**
   * Whether this process keeps its permissions when a Worker runs (default: false).
   *
   * Otherwise, it gives up those to write to the cache of bundles and to run Deno
   * and, if Activities run in the sandbox, to load native libraries: create all
   * Workers of the process before one runs. A permission that is wider stays: for
   * a folder around the cache, to run any program, or to load any library.
   */
  keepPermissions?: boolean;
}

/**
 * The Activities of a module, for `proxyActivities`: as the SDK sees them, but with
 * the synchronous ones, whose results a Workflow awaits, too.
 *
 * ```ts
 * const { hash } = proxyActivities<ActivitiesOf<typeof activities>>({ … });
 * ```
 */
export type ActivitiesOf<Module> = {
  [Name in keyof Module]: Module[Name] extends
    (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/**
 * Adapts Temporal's TypeScript SDK to Deno.
 *
 * It patches the sandbox of Workflow code where Deno's `node:vm` differs from that
 * of Node.js (clocks, stack traces, stack trace queries), sets its time zone to UTC
 * and its locale to en-US, resolves the imports of Workflow code as Deno does, keeps
 * bundles in a cache, and runs Activities in a sandbox if they are named here. Before
 * a Worker runs, it gives up the permissions that only bundling and the sandbox need.
 *
 * Pass it to a Worker, a `NativeConnection`, a `TestWorkflowEnvironment`,
 * `bundleWorkflowCode` or `runReplayHistory`, in any place among other plugins.
 * Bundles with a `webpackConfigHook` are not cached.
 */
export class DenoPlugin
  implements BundlerPlugin, NativeConnectionPlugin, WorkerPlugin {
  /** How the SDK tells plugins apart. */
  readonly name = "DenoPlugin";
  readonly #options: DenoPluginOptions;

  /** @param options what runs in the sandbox for Activities */
  constructor(options: DenoPluginOptions = {}) {
    this.#options = options;
  }

  /**
   * Called by the SDK before it bundles Workflow code.
   *
   * @throws {DenoPluginError} from the bundler, if the code cannot be bundled
   */
  configureBundler(options: BundleOptions): BundleOptions {
    const { plugins } = options;
    if (!plugins) return configureWebpack(options);
    takeLastTurn(plugins);
    return options;
  }

  /**
   * Called by the SDK before it creates a Worker.
   *
   * @throws {DenoPluginError} if the Activities cannot be loaded
   */
  async configureWorker(given: WorkerOptions): Promise<WorkerOptions> {
    const { plugins = [] } = given;
    const options = await this.#useActivitySandbox(usePaths(given));
    takeLastTurn(plugins);
    return options;
  }

  /**
   * Called by the SDK before it replays an Event History.
   *
   * @throws {DenoPluginError} if `workflowBundle` was made without this plugin
   */
  async configureReplayWorker(
    options: ReplayWorkerOptions,
  ): Promise<ReplayWorkerOptions> {
    const others = options.plugins?.filter((p) =>
      !(p instanceof LastTurnPlugin)
    );
    const isLast = others?.at(-1) === this;
    return isLast ? await takeFromCache(options) : usePaths(options);
  }

  /** Called by the SDK to run a Worker. */
  async runWorker(
    worker: Worker,
    next: (worker: Worker) => Promise<void>,
  ): Promise<void> {
    // Not later: the SDK expects that a Worker runs as soon as `run` has returned.
    if (!this.#options.keepPermissions) revokePermissions();
    await next(worker);
  }

  async #useActivitySandbox(options: WorkerOptions): Promise<WorkerOptions> {
    const { plugins = [], dataConverter } = options;
    const { activities, keepPermissions = false, ...rest } = this.#options;
    const isUsed = plugins.some((p) => p instanceof ActivitySandboxPlugin);
    if (!activities || isUsed) return options;
    const path = dataConverter?.payloadConverterPath;
    const sandbox = await ActivitySandbox.start(activities, {
      ...rest,
      payloadConverter: path && pathToFileURL(path).href,
    });
    plugins.push(new ActivitySandboxPlugin(sandbox, keepPermissions));
    return {
      ...options,
      activities: { ...sandbox.activities, ...options.activities },
    };
  }
}

/** Ends an Activity sandbox with its Worker, and a Worker with its sandbox. */
class ActivitySandboxPlugin implements WorkerPlugin {
  readonly name = "DenoPlugin.activitySandbox";
  readonly #sandbox: ActivitySandbox;
  readonly #keepPermissions: boolean;

  constructor(sandbox: ActivitySandbox, keepPermissions: boolean) {
    this.#sandbox = sandbox;
    this.#keepPermissions = keepPermissions;
  }

  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>) {
    if (!this.#keepPermissions) revokeFfi();
    let failure: DenoPluginError | undefined;
    this.#sandbox.ended.then(() => {
      if (worker.getState() !== "RUNNING") return;
      failure = new DenoPluginError(
        "Cannot run Activities: the process that starts theirs has ended; " +
          "restart the Worker",
      );
      worker.shutdown();
    });
    try {
      await next(worker);
    } catch (error) {
      // Nobody waits for Activities any more.
      this.#sandbox.close();
      throw error;
    }
    await this.#sandbox.close();
    if (failure) throw failure;
  }
}

/**
 * Bundles what all other plugins have made of the options, or takes it from the
 * cache.
 */
class LastTurnPlugin implements BundlerPlugin, WorkerPlugin {
  readonly name = "DenoPlugin.lastTurn";

  async configureWorker(options: WorkerOptions): Promise<WorkerOptions> {
    return await takeFromCache(options);
  }

  configureBundler(options: BundleOptions): BundleOptions {
    return configureWebpack(options);
  }
}

/**
 * Adds {@linkcode LastTurnPlugin} to the list that the SDK is walking through: a
 * plugin that comes later, such as one of the connection, may still change what is
 * bundled.
 */
function takeLastTurn(plugins: { name: string }[]) {
  if (!(plugins.at(-1) instanceof LastTurnPlugin)) {
    plugins.push(new LastTurnPlugin());
  }
}

function configureWebpack(given: BundleOptions): BundleOptions {
  const { webpackConfigHook: hook = (config) => config } = given;
  const options = usePaths(given);
  if (!existsSync(options.workflowsPath)) {
    throw new DenoPluginError(
      `Cannot bundle Workflow code: "${options.workflowsPath}" does not exist`,
    );
  }
  return {
    ...options,
    webpackConfigHook: (config) => {
      const { plugins = [] } = config;
      if (plugins.some((plugin) => plugin instanceof DenoWebpackPlugin)) {
        return hook(config);
      }
      return hook({
        ...config,
        // Webpack's default, but without the search for a browserslist file in
        // the folders above, which a Worker may not read.
        target: "web",
        plugins: [...plugins, new DenoWebpackPlugin(options)],
      });
    },
  };
}

/**
 * Replaces `workflowsPath` by the bundle in the cache, if that is up to date;
 * otherwise has the bundle that the SDK makes kept there.
 */
async function takeFromCache<T extends ReplayWorkerOptions>(
  given: T,
): Promise<T> {
  const options = usePaths(given);
  const { bundlerOptions, interceptors, workflowBundle } = options;
  if (workflowBundle) await requireSandbox(workflowBundle);
  const source = describeSource(options);
  if (!source) return options;
  const cache = new CachedBundle(source, bundlerModules);
  const code = await cache.read();
  if (code === undefined) {
    const webpackConfigHook = (config: WebpackConfig) => ({
      ...config,
      plugins: [...config.plugins ?? [], new CacheWebpackPlugin(cache)],
    });
    return {
      ...options,
      bundlerOptions: { ...bundlerOptions, webpackConfigHook },
    };
  }
  // The SDK would warn that it ignores what the bundle holds already.
  return {
    ...options,
    workflowBundle: { code },
    workflowsPath: undefined,
    bundlerOptions: undefined,
    interceptors: { ...interceptors, workflowModules: [] },
  };
}

/**
 * Returns what the SDK would bundle, as data; undefined if it would bundle nothing,
 * or if functions that are not known here take part.
 */
function describeSource(
  options: ReplayWorkerOptions,
): BundleSource | undefined {
  const { bundlerOptions, dataConverter, interceptors, plugins } = options;
  if (options.workflowBundle || !options.workflowsPath) return;
  let source: BundleOptions = {
    ...bundlerOptions,
    workflowsPath: options.workflowsPath,
    workflowInterceptorModules: interceptors?.workflowModules,
    payloadConverterPath: dataConverter?.payloadConverterPath,
    failureConverterPath: dataConverter?.failureConverterPath,
  };
  for (const plugin of plugins as BundlerPlugin[] ?? []) {
    if (plugin instanceof DenoPlugin || plugin instanceof LastTurnPlugin) {
      continue;
    }
    source = plugin.configureBundler?.(source) ?? source;
  }
  return source.webpackConfigHook ? undefined : source;
}

/** Takes `file:` URLs, as of `import.meta.resolve`, where the SDK wants paths. */
function usePaths<T extends object>(options: T): T {
  const changes = Object.entries(options).flatMap(([name, value]) =>
    name === "dataConverter" && value
      ? [[name, usePaths(value)]]
      : name.endsWith("Path") && value?.startsWith("file:")
      ? [[name, fileURLToPath(value)]]
      : []
  );
  return { ...options, ...Object.fromEntries(changes) };
}

async function requireSandbox(
  bundle: NonNullable<WorkerOptions["workflowBundle"]>,
) {
  const code = "code" in bundle
    ? bundle.code
    : await Deno.readTextFile(bundle.codePath);
  if (hasSandbox(code)) return;
  throw new DenoPluginError(
    "Cannot use the Workflow bundle: it was made without DenoPlugin; pass " +
      '"plugins: [new DenoPlugin()]" to bundleWorkflowCode',
  );
}
