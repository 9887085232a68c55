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
import { Runtime } from "@temporalio/worker";
import { loadDataConverter } from "@temporalio/common/lib/internal-non-workflow/index.js";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ActivitySandbox } from "./activities/sandbox.ts";
import { DenoPluginError, inspect } from "./errors.ts";
import { revokeFfi, revokePermissions } from "./permissions.ts";
import { requireDeno, requireSameSdk } from "./versions.ts";
import { bundle, type BundleSource, sdkModule } from "./workflows/bundle.ts";
import { discardThread, prepareThread } from "./workflows/thread.ts";
import { hasSandbox, patchWebpack } from "./workflows/webpack.ts";

export { DenoPluginError };

/** The module that the SDK runs in the thread for Workflows. */
const threadModule = createRequire(sdkModule)
  .resolve("./workflow/workflow-worker-thread.js");

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

/** What is checked, since Deno runs programs without a check of types. */
const optionTypes: Record<keyof DenoPluginOptions, string> = {
  activities: "string",
  permissions: "object",
  processes: "number",
  heapLimitMB: "number",
  inspect: "boolean",
  keepPermissions: "boolean",
};

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
 * `bundleWorkflowCode` or `runReplayHistory`, in any place among other plugins. Pass
 * it to a Client whose converters are `file:` URLs, too.
 * Bundles with a `webpackConfigHook` are not cached.
 */
export class DenoPlugin
  implements BundlerPlugin, NativeConnectionPlugin, WorkerPlugin {
  /** How the SDK tells plugins apart. */
  readonly name = "DenoPlugin";
  readonly #options: DenoPluginOptions;

  /**
   * Creates a plugin for one Worker, or for several that have the same Activities.
   *
   * @param options what runs in the sandbox for Activities
   * @throws {DenoPluginError} if Deno is too old, or an option has a wrong type
   */
  constructor(options: DenoPluginOptions = {}) {
    requireDeno();
    requireTypes(options);
    this.#options = options;
  }

  /** Called by the SDK before it creates a Client. */
  configureClient<Options extends object>(options: Options): Options {
    return usePaths(options);
  }

  /** Called by the SDK before it bundles Workflow code by itself. */
  configureBundler(options: BundleOptions): BundleOptions {
    const { plugins } = options;
    if (!plugins) return patchWebpack(usePaths(options));
    takeLastTurn(plugins);
    return options;
  }

  /**
   * Called by the SDK before it creates a Worker.
   *
   * @throws {DenoPluginError} if the Activities cannot be loaded, or there are two
   * copies of the SDK
   */
  async configureWorker(given: WorkerOptions): Promise<WorkerOptions> {
    const { connection, plugins = [] } = given;
    requireSameSdk(connection);
    warnOfUnknown(this.#options);
    // No other plugin decides: then the thread loads while the sandbox starts.
    if (plugins.at(-1) === this) chooseThread(given);
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
    return isLast ? await bundleWorkflows(options) : usePaths(options);
  }

  /** Called by the SDK to run a Worker. */
  async runWorker(
    worker: Worker,
    next: (worker: Worker) => Promise<void>,
  ): Promise<void> {
    requireSameSdk(worker);
    // Not later: the SDK expects that a Worker runs as soon as `run` has returned.
    if (!this.#options.keepPermissions) revokePermissions();
    await next(worker);
  }

  async #useActivitySandbox(options: WorkerOptions): Promise<WorkerOptions> {
    const { plugins = [], dataConverter } = options;
    const { activities, keepPermissions = false, ...rest } = this.#options;
    const isUsed = plugins.some((p) => p instanceof ActivitySandboxPlugin);
    if (activities === undefined || isUsed) return options;
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

/**
 * Bundles Workflow code in advance, to be passed to a Worker as `workflowBundle`. It
 * takes the place of the SDK's function of this name, which uses webpack.
 *
 * @throws {DenoPluginError} if the code cannot be bundled
 */
export async function bundleWorkflowCode(
  options: BundleOptions,
): Promise<{ code: string }> {
  const { webpackConfigHook, ...source } = applyPlugins(usePaths(options));
  if (webpackConfigHook) {
    throw new DenoPluginError(
      'Cannot bundle Workflow code: "webpackConfigHook" is for webpack; use ' +
        "bundleWorkflowCode of @temporalio/worker with " +
        '"plugins: [new DenoPlugin()]"',
    );
  }
  return { code: await bundle(source) };
}

function requireTypes(options: DenoPluginOptions): void {
  for (const [name, value] of Object.entries(options)) {
    const type = optionTypes[name as keyof DenoPluginOptions];
    const isOfType = typeof value === type && value !== null;
    if (!type || isOfType || value === undefined) continue;
    throw new DenoPluginError(
      `Cannot use DenoPlugin: the option "${name}" has the value ` +
        `${inspect(value)}; pass one of the type ${type}`,
    );
  }
}

/** Warns, rather than refuses: an option may be one of another version. */
function warnOfUnknown(options: DenoPluginOptions): void {
  const known = Object.keys(optionTypes);
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    Runtime.instance().logger.warn(
      `DenoPlugin ignores the option ${inspect(name)}, which does not exist; ` +
        `the options are ${known.join(", ")}`,
    );
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
    const { interceptors } = worker.options;
    if (interceptors.activity.length === 0) this.#sandbox.passPayloads();
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

/** Bundles what all other plugins have made of the options. */
class LastTurnPlugin implements BundlerPlugin, WorkerPlugin {
  readonly name = "DenoPlugin.lastTurn";

  async configureWorker(options: WorkerOptions): Promise<WorkerOptions> {
    chooseThread(options);
    return await bundleWorkflows(options);
  }

  configureBundler(options: BundleOptions): BundleOptions {
    return patchWebpack(usePaths(options));
  }
}

/** Starts the thread for Workflows, or ends the one that no Workflow will need. */
function chooseThread(
  { debugMode, workflowBundle, workflowsPath }: WorkerOptions,
) {
  const isNeeded = (workflowBundle || workflowsPath) && !debugMode;
  if (isNeeded) prepareThread(threadModule);
  else discardThread();
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

/**
 * Replaces `workflowsPath` and what belongs to it by a bundle, unless webpack is to
 * make it.
 */
async function bundleWorkflows<T extends ReplayWorkerOptions>(
  given: T,
): Promise<T> {
  const options = usePaths(given);
  const { dataConverter, interceptors, workflowBundle } = options;
  if (workflowBundle) await requireSandbox(workflowBundle);
  const source = describeSource(options);
  if (!source) return options;
  // The SDK's own check, which comes later, names the option.
  loadDataConverter(dataConverter);
  return {
    ...options,
    workflowBundle: { code: await bundle(source) },
    // The SDK would warn that it ignores what the bundle holds already.
    workflowsPath: undefined,
    bundlerOptions: undefined,
    interceptors: { ...interceptors, workflowModules: [] },
  };
}

/**
 * Returns what the SDK would bundle, as data; undefined if it would bundle nothing,
 * or by functions for webpack.
 */
function describeSource(
  options: ReplayWorkerOptions,
): BundleSource | undefined {
  const { bundlerOptions, dataConverter, interceptors, plugins } = options;
  if (options.workflowBundle || !options.workflowsPath) return;
  const { webpackConfigHook, ...source } = applyPlugins({
    ...bundlerOptions,
    workflowsPath: options.workflowsPath,
    workflowInterceptorModules: interceptors?.workflowModules,
    payloadConverterPath: dataConverter?.payloadConverterPath,
    failureConverterPath: dataConverter?.failureConverterPath,
    plugins: plugins as BundlerPlugin[],
  });
  return webpackConfigHook ? undefined : source;
}

/** Returns what plugins other than this one make of the bundler's options. */
function applyPlugins(
  { plugins = [], ...options }: BundleOptions,
): Omit<BundleOptions, "logger" | "plugins"> {
  for (const plugin of plugins) {
    if (plugin instanceof DenoPlugin || plugin instanceof LastTurnPlugin) {
      continue;
    }
    options = plugin.configureBundler?.(options) ?? options;
  }
  const { logger: _logger, plugins: _plugins, ...source } =
    options as BundleOptions;
  return source;
}

/** Takes `file:` URLs, as of `import.meta.resolve`, where the SDK wants paths. */
function usePaths<T extends object>(options: T): T {
  const toPath = (value: unknown) =>
    typeof value === "string" && value.startsWith("file:")
      ? fileURLToPath(value)
      : value;
  const changes = Object.entries(options).flatMap(([name, value]) =>
    /^(?:dataConverter|interceptors|workflowBundle)$/.test(name) && value
      ? [[name, usePaths(value)]]
      : name.endsWith("Path")
      ? [[name, toPath(value)]]
      : /^workflow(?:Interceptor)?Modules$/.test(name) && Array.isArray(value)
      ? [[name, value.map(toPath)]]
      : []
  );
  return { ...options, ...Object.fromEntries(changes) };
}

async function requireSandbox(
  bundle: NonNullable<WorkerOptions["workflowBundle"]>,
) {
  const code = "code" in bundle
    ? bundle.code
    : await Deno.readTextFile(bundle.codePath).catch(({ message }) => {
      throw new DenoPluginError(`Cannot use the Workflow bundle: ${message}`);
    });
  if (hasSandbox(code)) return;
  throw new DenoPluginError(
    "Cannot use the Workflow bundle: it was made without DenoPlugin; pass " +
      '"plugins: [new DenoPlugin()]" to bundleWorkflowCode',
  );
}
