/**
 * Keeps the SDK silent: of failures, which many tests expect, the history tells.
 * The core, too, which warns of the test server: it is an old one in its eyes.
 *
 * @module
 */

import { DefaultLogger, Runtime } from "@temporalio/worker";

Runtime.install({
  logger: new DefaultLogger("ERROR", () => {}),
  telemetryOptions: { logging: { filter: { core: "ERROR", other: "ERROR" } } },
});
