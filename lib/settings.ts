/**
 * Where Temporal is, and the Task Queue on which Worker and starter meet. Both
 * take it from here, so that they cannot disagree.
 *
 * @module
 */

import {
  type ClientConfigProfile,
  type ConfigDataSource,
  loadClientConfigProfile,
  toClientOptions,
} from "@temporalio/envconfig";
import { join } from "node:path";
import { UserError } from "./errors.ts";

/** Which Temporal to use, and how. */
export interface Settings {
  /** `host:port` of the Temporal Server's gRPC service. */
  address: string;
  /** The namespace to work in; it must be there. */
  namespace: string;
  /** The Task Queue that the Worker polls and the starter names. */
  taskQueue: string;
  /** TLS, API key and metadata, as the SDK's connections take them. */
  security: Pick<
    ReturnType<typeof toClientOptions>["connectionOptions"],
    "apiKey" | "metadata" | "tls"
  >;
}

/** The tutorial's settings: they hold where nothing else is said. */
export const tutorial = {
  address: "localhost:7233",
  namespace: "default",
  taskQueue: "hello-task-queue",
};

/** The command line options of programs that connect to Temporal. */
export const settingsOptions = {
  "--task-queue NAME": `Task Queue (default: ${tutorial.taskQueue})`,
  "--address HOST:PORT": `Temporal Server (default: ${tutorial.address})`,
  "--namespace NAME": `Namespace (default: ${tutorial.namespace})`,
  "--profile NAME": "Profile in Temporal's configuration file",
};

// By name, as a program may not see its whole environment.
const variables = [
  "ADDRESS",
  "NAMESPACE",
  "API_KEY",
  "PROFILE",
  "TLS",
  "TLS_CLIENT_CERT_DATA",
  "TLS_CLIENT_CERT_PATH",
  "TLS_CLIENT_KEY_DATA",
  "TLS_CLIENT_KEY_PATH",
  "TLS_SERVER_CA_CERT_DATA",
  "TLS_SERVER_CA_CERT_PATH",
  "TLS_SERVER_NAME",
].map((name) => `TEMPORAL_${name}`);

/**
 * Returns the settings: from the command line, or else from the environment
 * (`TEMPORAL_ADDRESS` and so on), or else from a profile in the file that the
 * `temporal` CLI writes, or else the tutorial's.
 *
 * @throws {UserError} naming the file and the key that is wrong
 */
export function loadSettings(
  flags: {
    "task-queue"?: string;
    address?: string;
    namespace?: string;
    profile?: string;
  } = {},
): Settings {
  const { connectionOptions, namespace } = toClientOptions(
    readCertificates(loadProfile(flags.profile)),
  );
  const { address, apiKey, metadata, tls } = connectionOptions;
  return {
    address: completeAddress(flags.address ?? address ?? tutorial.address),
    namespace: flags.namespace ?? namespace ?? tutorial.namespace,
    taskQueue: flags["task-queue"] ?? tutorial.taskQueue,
    security: { apiKey, metadata, tls },
  };
}

function loadProfile(flag: string | undefined): ClientConfigProfile {
  const named = Deno.env.get("TEMPORAL_CONFIG_FILE");
  const profile = flag || Deno.env.get("TEMPORAL_PROFILE") || undefined;
  const file = named || defaultFile();
  const data = named || profile
    ? readFile(file, "TEMPORAL_CONFIG_FILE")
    : readIfThere(file);
  const values = variables.map((name) => [name, Deno.env.get(name)]);
  try {
    return loadClientConfigProfile({
      profile,
      ...data ? { configSource: { data } } : { disableFile: true },
      configFileStrict: true,
      overrideEnvVars: Object.fromEntries(values.filter(([, value]) => value)),
    });
  } catch (error) {
    const { message, line } = error as Error & { line?: number };
    const place = line ? `, line ${line}` : "";
    // What the SDK throws where a file has no profile at all.
    const reason = error instanceof TypeError ? "no [profile.NAME]" : message;
    throw new UserError(`"${file}"${place}: ${reason.split("\n")[0]}`);
  }
}

/** Where the `temporal` CLI keeps its configuration. */
function defaultFile(): string {
  const home = Deno.env.get("HOME") ?? "/";
  const folder = {
    windows: Deno.env.get("APPDATA"),
    darwin: join(home, "Library", "Application Support"),
  }[Deno.build.os as string] ?? Deno.env.get("XDG_CONFIG_HOME");
  return join(folder || join(home, ".config"), "temporalio", "temporal.toml");
}

/**
 * Returns a profile in which the TLS certificates stand themselves, not their
 * paths.
 */
function readCertificates(profile: ClientConfigProfile): ClientConfigProfile {
  const { tls } = profile;
  if (!tls) return profile;
  if (!tls.clientCert !== !tls.clientKey) {
    throw new UserError(
      "TLS needs both client_cert_path and client_key_path, or neither",
    );
  }
  return {
    ...profile,
    tls: {
      ...tls,
      clientCert: load(tls.clientCert, "client_cert_path"),
      clientKey: load(tls.clientKey, "client_key_path"),
      serverCACert: load(tls.serverCACert, "server_ca_cert_path"),
    },
  };
}

function load(source: ConfigDataSource | undefined, key: string) {
  return source && "path" in source
    ? { data: readFile(source.path, key) }
    : source;
}

function readFile(path: string, key: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotCapable
      ? 'not permitted, add it to "-R" of the task in deno.json'
      : error instanceof Deno.errors.NotFound
      ? "no such file"
      : (error as Error).message;
    throw new UserError(`Cannot read "${path}" (${key}): ${reason}`);
  }
}

/** The default configuration file counts only if it is there. */
function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const { NotCapable, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotCapable) return;
    throw new UserError(`Cannot read "${path}": ${(error as Error).message}`);
  }
}

/** Adds the port, if need be; refuses what is not `host:port`. */
function completeAddress(address: string): string {
  if (/^[^\s/@]+:\d+$/.test(address)) return address;
  if (/^[\w.-]+$/.test(address)) return `${address}:7233`;
  throw new UserError(`"${address}" is not an address: write host:port`);
}
