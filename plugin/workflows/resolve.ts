/**
 * Resolves the imports of Workflow code as Deno does.
 *
 * Webpack bundles Workflow code, but knows neither import maps nor `npm:`, `jsr:`
 * and `https:` specifiers. Deno's module graph does.
 *
 * @module
 */

import type { BundleOptions } from "@temporalio/worker";
import {
  disallowedModules,
  moduleMatches,
} from "@temporalio/worker/lib/workflow/bundler.js";
import { existsSync, readFileSync } from "node:fs";
import {
  SourceMap,
  type SourceMapPayload,
  type SourceMapping,
} from "node:module";
import { dirname, extname, isAbsolute, join, relative } from "node:path";
import { type Graph, isPackage, readGraph } from "./graph.ts";

/** Webpack's configuration, as the SDK's `webpackConfigHook` gets it. */
export type WebpackConfig = Parameters<
  NonNullable<BundleOptions["webpackConfigHook"]>
>[0];
type WebpackPlugin = NonNullable<WebpackConfig["plugins"]>[number];
/** What a plugin of webpack is applied to. */
export type Compiler = Parameters<
  Extract<WebpackPlugin, (...args: never[]) => unknown>
>[0];
/** One run of webpack. */
export type Compilation = ReturnType<Compiler["createCompilation"]>;
type Factory = ReturnType<Compiler["createNormalModuleFactory"]>;
type Module = NonNullable<
  ReturnType<Compilation["moduleGraph"]["getParentModule"]>
>;
interface SwcLoader {
  loader: string;
  options: { jsc: object };
}
type Rule = Compiler["options"]["module"]["rules"][number];

const PLUGIN = "DenoResolverPlugin";

/** Follows the name of a module that the SDK disallows in Workflow code. */
export const disallowed = " is a disallowed module";

/** A regular expression that a text begins with, by the grammar of JavaScript. */
const REGEXP = /^\/(?:\\.|\[(?:\\.|[^\\\]])*\]|[^\\/[])+\/[a-z]*/;

/** A webpack plugin that resolves the imports of Workflow code as Deno does. */
export class DenoResolverPlugin {
  readonly #roots: string[];
  readonly #ignoreModules: string[];
  /** Undefined without the permission to run Deno. */
  #graph?: Graph;

  /**
   * @param roots see {@linkcode readGraph}
   * @param ignoreModules the bundler's option: modules to replace by empty ones
   */
  constructor(roots: string[], ignoreModules: string[] = []) {
    this.#roots = roots;
    this.#ignoreModules = ignoreModules;
  }

  /** Called by webpack. */
  apply(compiler: Compiler) {
    const { module, externalsPresets } = compiler.options;
    // Or webpack would leave `npm:`, `jsr:` and `https:` imports to the browser.
    externalsPresets.web = false;
    // A bundle is one script: no part of it can be loaded later.
    (module.parser.javascript ??= {}).dynamicImportMode = "eager";
    module.rules.push(...this.#rules(module.rules));
    compiler.hooks.beforeCompile.tapPromise(PLUGIN, async () => {
      try {
        this.#graph = await readGraph(this.#roots);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotCapable)) throw error;
      }
    });
    compiler.hooks.thisCompilation.tap(PLUGIN, (compilation, params) => {
      compilation.fileDependencies.addAll(this.#graph?.files ?? []);
      const report = (text: string) => {
        if (compilation.errors.some(({ message }) => message === text)) return;
        compilation.errors.push(new compiler.webpack.WebpackError(text));
      };
      const factory = params.normalModuleFactory;
      this.#resolveImports(compilation, factory, report);
      this.#treatBrokenCode(compiler, factory, report);
      this.#readRemoteModules(compiler, compilation, factory, report);
    });
  }

  /** Compiles what the SDK's own rule, which is for `.ts`, leaves out. */
  #rules(rules: Rule[]): Rule[] {
    const swc = rules
      .map((rule) => (rule as { use?: Partial<SwcLoader> })?.use)
      .find((use) => use?.loader?.includes("swc-loader")) as SwcLoader;
    const typeOf = (path: string) =>
      this.#graph?.modules.get(path)?.mediaType ?? extname(path).slice(1);
    const options = (path: string) => {
      const type = typeOf(path).toLowerCase();
      const runtime = this.#graph?.modules.get(path)?.dependencies
        ?.find(({ specifier }) => specifier.endsWith("/jsx-runtime"));
      return {
        ...swc.options,
        jsc: {
          ...swc.options.jsc,
          parser: {
            syntax: type === "jsx" ? "ecmascript" : "typescript",
            decorators: true,
            [type]: true, // jsx or tsx
          },
          transform: {
            react: runtime && {
              runtime: "automatic",
              importSource: dirname(runtime.specifier),
              development: false,
            },
          },
        },
      };
    };
    return [
      // As in Deno, the default import of a CommonJS module is `module.exports`.
      // Deno's graph calls such modules "esm", too.
      {
        test: (path) =>
          this.#graph?.modules.get(path)?.kind === "esm" &&
          !/^(cjs|cts)$/i.test(typeOf(path)) && !isCommonJs(path),
        type: "javascript/esm",
      },
      {
        test: (path) =>
          !!swc && /^(typescript|mts|tsx|jsx)$/i.test(typeOf(path)) &&
          !path.endsWith(".ts") && !isPackage(path),
        use: ({ resource }) => [{
          loader: swc.loader,
          options: options(resource!),
          ident: resource,
        }],
      },
    ];
  }

  #resolveImports(
    { moduleGraph }: Compilation,
    factory: Factory,
    report: (text: string) => void,
  ) {
    /** Says by which modules a module came into the bundle. */
    const importers = (module: Module | null | undefined, line?: number) => {
      const names: string[] = [];
      for (; module; module = moduleGraph.getIssuer(module)) {
        const path = module.nameForCondition() ?? "";
        if (path.endsWith("-autogenerated-entrypoint.cjs")) continue;
        if (display(path) !== names[0]) names.unshift(display(path));
      }
      return names.join(" > ") + (line ? `:${line}` : "");
    };

    factory.hooks.beforeResolve.tapPromise(PLUGIN, async (data) => {
      const { contextInfo, request: specifier, context } = data;
      const { issuer } = contextInfo;
      const found = this.#graph?.resolve(issuer, specifier);
      const request = found?.request ?? specifier.replace(/^node:/, "");
      const [dependency] = data.dependencies;
      const refuse = (reason: string) => {
        const module = moduleGraph.getParentModule(dependency);
        report(`${reason}, imported by ${importers(module, found?.line)}`);
        data.ignoredModule = dependency.createIgnoredModule(context);
        return false as const;
      };

      const names = [specifier, request];
      if (names.some((name) => moduleMatches(name, this.#ignoreModules))) {
        data.ignoredModule = dependency.createIgnoredModule(context);
        return false;
      }
      if (moduleMatches(request, disallowedModules)) {
        return refuse(`"${specifier}"${disallowed}`);
      }
      const error = found?.error ??
        (found || isPackage(issuer)
          ? undefined
          : !this.#graph
          ? `Cannot resolve "${specifier}": allow "run" for "deno"`
          : isDenoOnly(request)
          ? `Cannot resolve "${specifier}": its importer is not in the module graph`
          : undefined);
      if (error) {
        // What Deno does not know, webpack may: `resolve.alias`, no extension.
        const known = found?.missing !== false && !isDenoOnly(specifier) &&
          await new Promise((resolve) =>
            factory.getResolver("normal", {
              dependencyType: data.dependencyType,
            }).resolve(contextInfo, context, request, {}, (error) =>
              resolve(!error))
          );
        return known ? undefined : refuse(error);
      }
      data.request = request;
      // The SDK's check for Node.js modules looks here: "path" may be a package.
      for (const dependency of data.dependencies) dependency.request = request;
      if (found?.context) data.context = found.context;
      if (found?.type) data.attributes = { type: found.type };
    });
  }

  /** Refuses or restores what the SDK's way to compile and run a bundle breaks. */
  #treatBrokenCode(
    { webpack }: Compiler,
    factory: Factory,
    report: (text: string) => void,
  ) {
    for (const type of ["javascript/auto", "javascript/esm"] as const) {
      factory.hooks.parser.for(type).tap(PLUGIN, (parser) => {
        type Node = Parameters<typeof parser.getLocation>[0];
        /** Where code was before it was compiled: its line, and the text from there. */
        const locate = (node: Node) => {
          const { start } = parser.getLocation(node) as {
            start: { line: number; column: number };
          };
          const map = parser.state.module.originalSource()
            ?.map() as SourceMapPayload;
          if (!map) return { line: start.line, text: "" };
          const { originalLine, originalColumn } = new SourceMap(map)
            .findEntry(start.line - 1, start.column) as SourceMapping;
          const [source] = map.sourcesContent?.length === 1
            ? map.sourcesContent
            : [];
          const text = source?.split("\n")[originalLine]
            ?.slice(originalColumn) ?? "";
          return { line: originalLine + 1, text };
        };
        const refuse = (node: Node, reason: string) => {
          const path = display(parser.state.module.nameForCondition()!);
          report(`${reason} in Workflow code, at ${path}:${locate(node).line}`);
        };
        parser.hooks.topLevelAwait.tap(PLUGIN, (node) => {
          refuse(node, "Top-level await is not available");
        });
        const first = { name: PLUGIN, stage: -1 };
        parser.hooks.importCall.tap(first, (node) => {
          const isLiteral = parser.evaluateExpression(node.source).isString();
          const path = parser.state.module.nameForCondition();
          if (isLiteral || !path || isPackage(path)) return;
          refuse(node, "import() needs a string literal");
          return true;
        });
        // The SDK has swc expand `\p{…}`, which breaks set operations and `\P{…}`.
        for (const kind of ["call", "new"] as const) {
          parser.hooks[kind].for("RegExp").tap(PLUGIN, (node) => {
            const [literal] = locate(node).text.match(REGEXP) ?? [];
            if (!literal || !/\\p\{/i.test(literal)) return;
            parser.state.module.addPresentationalDependency(
              new webpack.dependencies.ConstDependency(literal, node.range!),
            );
            return true;
          });
        }
      });
    }
  }

  /** Reads `https:` modules from Deno's cache, under their own names. */
  #readRemoteModules(
    { webpack }: Compiler,
    compilation: Compilation,
    factory: Factory,
    report: (text: string) => void,
  ) {
    const { readResource } = webpack.NormalModule.getCompilationHooks(
      compilation,
    );
    for (const scheme of ["http", "https"]) {
      factory.hooks.resolveForScheme.for(scheme).tap(PLUGIN, (data) => {
        data.path = data.resource;
        return true;
      });
      readResource.for(scheme).tapPromise(PLUGIN, async ({ resource }) => {
        const local = this.#graph!.modules.get(resource!)!.local!;
        const text = await Deno.readTextFile(local).catch(() => {
          const cache = local.replace(/([\\/]remote)[\\/].*/, "$1");
          report(`Cannot read "${resource}": allow "read" for "${cache}"`);
          return "";
        });
        // Deno keeps a comment at the end, which JSON does not have.
        return text.replace(/\n\/\/ denoCacheMetadata=.*\s*$/, "");
      });
    }
  }
}

/** Whether the nearest `package.json` says that a `.js` file is CommonJS. */
function isCommonJs(path: string): boolean {
  if (!isAbsolute(path) || extname(path) !== ".js") return false;
  let folder = dirname(path);
  for (; !existsSync(join(folder, "package.json")); folder = dirname(folder)) {
    if (folder === dirname(folder)) return false;
  }
  const text = readFileSync(join(folder, "package.json"), "utf8");
  return /"type"\s*:\s*"commonjs"/.test(text);
}

/** A module as a person would name it: the folder is the current one. */
function display(path: string): string {
  const [, name] = path.match(
    /.*[\\/]node_modules[\\/]((?:@.+?[\\/])?[^\\/]+)/,
  ) ?? [];
  if (name) return `npm:${name}`;
  const short = relative("", path);
  return /^\.\.|^https?:/.test(short) ? path : short;
}

/** Whether webpack has no idea of such a specifier. */
function isDenoOnly(specifier: string): boolean {
  return /^(npm|jsr|https?):/.test(specifier);
}
