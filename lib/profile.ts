/**
 * Temporal's own configuration: the environment variables and the file that the
 * `temporal` CLI knows, too.
 *
 * @module
 */

import {
  type ClientConfigProfile,
  type ConfigDataSource,
  loadClientConfigProfile,
} from "@temporalio/envconfig";
import { join } from "node:path";
import { UserError } from "./errors.ts";

// By name, as a program may not see its whole environment.
const variables = [
  "ADDRESS",
  "NAMESPACE",
  "API_KEY",
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
 * Returns a profile of the configuration file that the `temporal` CLI writes,
 * over which the environment wins; certificates are read. `name` is the
 * profile's; without it, it is `TEMPORAL_PROFILE` or `default`.
 *
 * @throws {UserError} naming the file and the key that is wrong
 */
export function loadProfile(name?: string): ClientConfigProfile {
  const named = Deno.env.get("TEMPORAL_CONFIG_FILE");
  const profile = name || Deno.env.get("TEMPORAL_PROFILE") || undefined;
  const file = named || defaultFile();
  const data = named || profile
    ? readFile(file, "TEMPORAL_CONFIG_FILE")
    : readIfThere(file);
  const values = variables.map((name) => [name, Deno.env.get(name)]);
  let loaded: ClientConfigProfile;
  try {
    loaded = loadClientConfigProfile({
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
  return readCertificates(loaded);
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
