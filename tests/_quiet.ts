/**
 * Keeps the SDK from telling what the tests expect; of an error, it tells one
 * line. The core is to keep silent, too: the test server is an old one in its
 * eyes, of which it warns.
 *
 * @module
 */

import { DefaultLogger, Runtime } from "@temporalio/worker";

Runtime.install({
  logger: new DefaultLogger("ERROR", ({ message }) => console.error(message)),
  telemetryOptions: { logging: { filter: { core: "ERROR", other: "ERROR" } } },
});
