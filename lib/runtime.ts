/**
 * What the SDK logs in this process, and where it serves its metrics.
 *
 * @module
 */

import {
  DefaultLogger,
  type LogMetadata,
  makeTelemetryFilterString,
  Runtime,
} from "@temporalio/worker";
import { UserError } from "./errors.ts";

const logLevels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] as const;

/** Leaves it to the program to tell what a Worker has failed of. */
class WorkerLogger extends DefaultLogger {
  override error(message: string, meta?: LogMetadata) {
    if (message !== "Worker failed") super.error(message, meta);
  }
}

/**
 * Sets what this process logs, by `LOG_LEVEL` (default: WARN), and where it
 * serves metrics for Prometheus, if anywhere.
 *
 * @throws {UserError} if there is no such level, or no way to serve there
 */
export function installRuntime(metricsAddress?: string) {
  const wanted = Deno.env.get("LOG_LEVEL") || "WARN";
  const level = logLevels.find((level) => level === wanted.toUpperCase());
  if (!level) {
    const all = logLevels.join(", ");
    throw new UserError(`LOG_LEVEL is "${wanted}", which is none of ${all}`);
  }
  const filter = makeTelemetryFilterString({ core: level, other: "ERROR" });
  try {
    Runtime.install({
      logger: new WorkerLogger(level),
      telemetryOptions: {
        // That a server is lost is told elsewhere: once, not at each retry.
        logging: { filter: `${filter},temporalio_client::retry=ERROR` },
        ...metricsAddress &&
          { metrics: { prometheus: { bindAddress: metricsAddress } } },
      },
    });
  } catch (error) {
    if (!metricsAddress) throw error;
    throw new UserError(
      `Cannot serve metrics at "${metricsAddress}", which is to be IP:PORT: ` +
        (error as Error).message,
    );
  }
}
