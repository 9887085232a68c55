/**
 * Where Temporal is. The Worker and the starter both take it from here, so that
 * they cannot disagree.
 *
 * @module
 */

import { loadClientConnectConfig } from "@temporalio/envconfig";
import { UserError } from "./program.ts";

/** Which Temporal to use, and the Task Queue on which Worker and starter meet. */
export interface Settings {
  /** `host:port` of the Temporal Server's gRPC service. */
  address: string;
  namespace: string;
  taskQueue: string;
}

/** Where the tutorial's programs meet: the defaults of the settings. */
export const tutorial: Settings = {
  address: "localhost:7233",
  namespace: "default",
  taskQueue: "hello-task-queue",
};

/**
 * Returns the settings of the environment (`TEMPORAL_ADDRESS`,
 * `TEMPORAL_NAMESPACE`), or else those of the tutorial.
 */
export function loadSettings(): Settings {
  const { connectionOptions, namespace } = loadClientConnectConfig({
    disableFile: true,
    overrideEnvVars: { TEMPORAL_ADDRESS: Deno.env.get("TEMPORAL_ADDRESS")! },
  });
  return {
    address: connectionOptions.address ?? tutorial.address,
    namespace: namespace ?? tutorial.namespace,
    taskQueue: tutorial.taskQueue,
  };
}

/**
 * Connects with `NativeConnection`, as a Worker does, or with `Connection`, as
 * a client does.
 *
 * @throws {UserError} within 5 seconds, if no Temporal Server answers
 */
export async function connect<T>(
  type: {
    connect(options: { address: string; connectTimeout: number }): Promise<T>;
  },
  { address }: Settings,
): Promise<T> {
  try {
    return await type.connect({ address, connectTimeout: 5_000 });
  } catch (cause) {
    throw new UserError(
      `No Temporal Server answers at "${address}"\n` +
        'Start one with "deno task server", or set TEMPORAL_ADDRESS to where one is.',
      { cause },
    );
  }
}

/**
 * Returns the address of a run's page in the Web UI, if that of a local dev
 * server answers where the Temporal CLI puts it: 1000 ports above the server.
 */
export async function webUiPage(
  { address, namespace }: Settings,
  workflowId: string,
  runId: string,
): Promise<string | undefined> {
  const { hostname, port } = new URL(`http://${address}`);
  if (!["localhost", "127.0.0.1", "[::1]"].includes(hostname)) return;
  const webUi = { hostname, port: Number(port) + 1000 };
  try {
    (await Deno.connect(webUi)).close();
  } catch {
    return;
  }
  const path = ["namespaces", namespace, "workflows", workflowId, runId];
  return `http://${hostname}:${webUi.port}/` +
    path.map(encodeURIComponent).join("/");
}
