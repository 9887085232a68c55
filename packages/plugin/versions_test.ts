/** What the plugin says of versions that it does not work with. */

import * as worker from "@temporalio/worker";
import sdk from "@temporalio/worker/package.json" with { type: "json" };
import { assertEquals } from "@std/assert";
import { DenoPlugin } from "./mod.ts";
import { requireDeno, requireSameSdk } from "./versions.ts";

/** As in another copy of the SDK. */
class NativeConnection {}

function refusal(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
}

Deno.test("requireDeno() refuses a version that is too old", () => {
  const texts = ["2.9.5", "2.8.10", "1.46.3"].map((version) =>
    refusal(() => requireDeno(version))
  );
  assertEquals(
    texts[0],
    'Cannot use DenoPlugin with Deno "2.9.5": it needs 2.9.6 or later; run "deno upgrade"',
  );
  assertEquals(texts.every(Boolean), true);
});

Deno.test("requireDeno() takes later versions", () => {
  for (const version of ["2.9.6", "2.9.7+abc", "2.10.0", "3.0.0-rc.1"]) {
    requireDeno(version);
  }
});

Deno.test("requireSameSdk() refuses an object of another copy of the SDK", () => {
  assertEquals(
    refusal(() => requireSameSdk(new NativeConnection())),
    "Cannot use DenoPlugin: the application imports another copy of " +
      `"@temporalio/worker" than the plugin, which has ${sdk.version}; import a ` +
      `version that satisfies "^${sdk.version}" everywhere, and run "deno install"`,
  );
  requireSameSdk(undefined);
  requireSameSdk(Object.create(worker.NativeConnection.prototype));
});

Deno.test("DenoPlugin refuses a connection of another copy of the SDK", async () => {
  const connection = new NativeConnection() as worker.NativeConnection;
  const { message } = await new DenoPlugin()
    .configureWorker({ connection, taskQueue: "unused" })
    .catch((error) => error);
  assertEquals(message.startsWith("Cannot use DenoPlugin: "), true);
});
