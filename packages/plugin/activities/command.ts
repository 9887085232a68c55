/**
 * The command line of Activity processes.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { configFolder, findConfig } from "../config.ts";
import { DenoPluginError } from "../errors.ts";
import { packages } from "../workflows/bundle.ts";
import type { LauncherOptions } from "./launcher.ts";

/** What runs in Activity processes, and what they may do. */
export interface ProcessOptions {
  /** The URL of the module that exports Activities. */
  module: string;
  /** The URL of the module that `dataConverter.payloadConverterPath` names. */
  payloadConverter?: string;
  /** What Activities may do (default: nothing). */
  permissions?: Deno.PermissionOptionsObject;
  /** The limit of V8's heap, in megabytes (default: V8's). */
  heapLimitMB?: number;
  /** Whether each process listens for a debugger, on a port that it prints. */
  inspect?: boolean;
}

const childUrl = import.meta.resolve("./child.ts");

// Never called: what is started by its URL is thereby part of the module graph.
const _modules = () => [import("./child.ts"), import("./launcher.ts")];

const kinds = ["env", "ffi", "net", "read", "run", "sys", "write"];

/** Returns what the launcher starts. */
export function toLauncherOptions(options: ProcessOptions): LauncherOptions {
  const { heapLimitMB, inspect, module, payloadConverter } = options;
  const { permissions = {} } = options;
  if (!URL.canParse(module)) {
    throw new DenoPluginError(
      `Cannot load Activities from "${module}": it is not a URL; pass ` +
        `import.meta.resolve("${module}")`,
    );
  }
  if (
    heapLimitMB !== undefined &&
    !(Number.isInteger(heapLimitMB) && heapLimitMB > 0)
  ) {
    throw new DenoPluginError(
      `Cannot limit Activities to "${heapLimitMB}" MB: pass a positive integer`,
    );
  }
  const names = payloadConverter
    ? "activities, payloadConverter"
    : "activities";
  const imports = Object.entries({
    "{ serve }": childUrl,
    ...payloadConverter && { "{ payloadConverter }": payloadConverter },
    "* as activities": new URL(module).href,
  }).map(([names, url]) => `import ${names} from ${JSON.stringify(url)};\n`);
  const source = `${imports.join("")}serve(${names});`;
  const { env } = permissions;
  return {
    args: [
      "run",
      ...inspect ? ["--inspect=127.0.0.1:0"] : ["-q"],
      "--no-prompt",
      "--no-code-cache",
      // Modules are loaded from wherever they are installed. Without the second,
      // import() of a package would send a request, whatever the permissions.
      "--allow-import",
      "--cached-only",
      // Packages read variables that they do not need.
      ...env === true ? [] : ["--ignore-env"],
      ...toFlags(permissions),
      // A process that mostly waits needs no room for many new objects.
      "--v8-flags=--max-semi-space-size=2" +
      (heapLimitMB ? `,--max-old-space-size=${heapLimitMB}` : ""),
      // Imports of the main module need no permission, but those of a computed URL.
      `data:text/javascript,${encodeURIComponent(source)}`,
    ],
    argumentCount: Deno.args.length,
    config: findConfig(configFolder(packages)),
    env: env === true ? ["*"] : Array.isArray(env) ? env : [],
  };
}

function toFlags(permissions: Deno.PermissionOptionsObject): string[] {
  return Object.entries(permissions).flatMap(([kind, value]) => {
    const refuse = (reason: string): never => {
      const given = JSON.stringify(value);
      throw new DenoPluginError(
        `Cannot give Activities the permission "${kind}" with the value ` +
          `${given}: ${reason}`,
      );
    };
    if (!kinds.includes(kind)) return refuse("no such permission");
    if (value === true) return [`--allow-${kind}`];
    if (!value || value === "none") return [];
    const wanted = "pass true, false or a list";
    if (!Array.isArray(value)) return refuse(wanted);
    if (value.length === 0) return [];
    const list = value.map((item) => {
      const text = item?.protocol === "file:" ? fileURLToPath(item) : item;
      // A command line cannot hold the character 0.
      const isText = typeof text === "string" && !text.includes("\0");
      return isText
        ? text.replaceAll(",", ",,")
        : refuse(`${wanted} of strings`);
    });
    return [`--allow-${kind}=${list}`];
  });
}
