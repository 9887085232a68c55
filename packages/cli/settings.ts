/**
 * Where the Temporal Service is. Worker and Client read it from one place, so that
 * they cannot disagree.
 *
 * @module
 */

import { closeProfile, profileFolder, readProfileFile } from "./profile.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConnectionPlugin } from "@temporalio/client";
import type { NativeConnectionPlugin } from "@temporalio/worker";
import {
  type ClientConfigProfile,
  type ClientConnectConfig,
  loadClientConfigProfile,
  toClientOptions,
} from "@temporalio/envconfig";
import { completeAddress, CONNECT_TIMEOUT_MS } from "./connect.ts";
import { UserError } from "./errors.ts";

const defaultAddress = "localhost:7233";

/** What a program needs to know of the Temporal Service. */
export interface Settings {
  /** Options for both kinds of connection. */
  connectionOptions: ClientConnectConfig["connectionOptions"] & {
    address: string;
    connectTimeout: number;
    plugins?: (ConnectionPlugin & NativeConnectionPlugin)[];
  };
  /** The Namespace, which has to exist. */
  namespace: string;
  /** The Task Queue that the Worker polls and the Client names. */
  taskQueue: string;
}

/** Command line flags that change settings. */
export interface SettingsFlags {
  /** Task Queue. */
  "task-queue"?: string;
  /** `host:port`, or `host`. */
  address?: string;
  /** Namespace. */
  namespace?: string;
  /** Name of a profile in the configuration file. */
  profile?: string;
}

/** Returns the command line options for {@linkcode SettingsFlags}. */
export function settingsOptions(taskQueue: string) {
  return {
    "--task-queue NAME": `Task Queue (default: ${taskQueue})`,
    "--address HOST:PORT": `Temporal Service (default: ${defaultAddress})`,
    "--namespace NAME": "Namespace (default: default)",
    "--profile NAME": "Profile in Temporal's configuration file",
  };
}

/**
 * Returns the settings: from the command line, then from the environment
 * (`TEMPORAL_ADDRESS` and so on), then from a profile in the configuration file of
 * the `temporal` CLI.
 *
 * @throws {UserError} naming the file or the key that is wrong
 */
export async function loadSettings(
  flags: SettingsFlags & { "task-queue": string },
): Promise<Settings> {
  const { connectionOptions, namespace } = await loadProfile(flags.profile);
  const address = flags.address || connectionOptions.address || defaultAddress;
  return {
    connectionOptions: {
      ...connectionOptions,
      address: completeAddress(address),
      connectTimeout: CONNECT_TIMEOUT_MS,
    },
    namespace: flags.namespace || namespace || "default",
    taskQueue: flags["task-queue"],
  };
}

/** Loads what the SDK's `loadClientConnectConfig` does, but reports each mistake. */
async function loadProfile(name?: string): Promise<ClientConnectConfig> {
  // An empty variable counts as not set, except where it removes a header.
  const variables = Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name, value]) =>
      value || name.startsWith("TEMPORAL_GRPC_META_")
    ),
  );
  const file = variables.TEMPORAL_CONFIG_FILE;
  try {
    const profile = loadClientConfigProfile({
      profile: name,
      overrideEnvVars: variables,
      configSource: { data: await readConfiguration(file) },
    });
    if (!profile.tls?.clientCert !== !profile.tls?.clientKey) {
      throw new Error("TLS needs both a client certificate and its key");
    }
    await readCertificates(profile);
    return toClientOptions(profile);
  } catch (error) {
    throw new UserError(
      `Cannot load settings: ${explain(error as Error, file)}`,
      { cause: error },
    );
  } finally {
    closeProfile();
  }
}

/** Returns the text of the configuration file, which may be missing if not named. */
async function readConfiguration(file?: string): Promise<string> {
  const folder = profileFolder();
  const path = file ?? (folder && join(folder, "temporal.toml"));
  const none = "[profile]";
  if (!path) return none;
  try {
    return await readProfileFile(path) ?? readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
    if (file) throw new Deno.errors.NotFound();
    return none;
  }
}

/** Reads the files that the SDK may not. */
async function readCertificates({ tls }: ClientConfigProfile) {
  const keys = ["clientCert", "clientKey", "serverCACert"] as const;
  for (const key of keys) {
    const source = tls?.[key];
    if (!source || !("path" in source)) continue;
    const data = await readProfileFile(source.path);
    if (data !== undefined) tls![key] = { data };
  }
}

function explain(error: Error & { line?: number }, file?: string): string {
  const where = `"${file ?? "temporal.toml"}"`;
  if (error instanceof Deno.errors.NotFound) return `${where} does not exist`;
  if (error instanceof Deno.errors.NotCapable) {
    return `${error.message}; add it to "read" of the task's permissions in deno.json`;
  }
  if (error.line) return `${where}, line ${error.line}: ${firstLine(error)}`;
  // What the SDK throws for a file without any profile.
  if (error instanceof TypeError) return `${where} has no [profile.NAME] table`;
  return firstLine(error);
}

function firstLine({ message }: Error): string {
  return message.split("\n")[0];
}
