/**
 * Where Temporal is, and the Task Queue on which Worker and starter meet. Both
 * take it from here, so that they cannot disagree.
 *
 * @module
 */

import { toClientOptions } from "@temporalio/envconfig";
import { UserError } from "./errors.ts";
import { loadProfile } from "./profile.ts";

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
    loadProfile(flags.profile),
  );
  const { address, apiKey, metadata, tls } = connectionOptions;
  return {
    address: completeAddress(flags.address ?? address ?? tutorial.address),
    namespace: flags.namespace ?? namespace ?? tutorial.namespace,
    taskQueue: flags["task-queue"] ?? tutorial.taskQueue,
    security: { apiKey, metadata, tls },
  };
}

/** Adds the port, if need be; refuses what is not `host:port`. */
function completeAddress(address: string): string {
  if (/^[^\s/@]+:\d+$/.test(address)) return address;
  if (/^[\w.-]+$/.test(address)) return `${address}:7233`;
  throw new UserError(`"${address}" is not an address: write host:port`);
}
