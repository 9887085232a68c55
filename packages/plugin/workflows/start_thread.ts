/**
 * Starts the thread for Workflows, so that it loads while the rest of a Worker's
 * program does. Import it before the SDK:
 *
 * ```ts
 * import "@temporal-on-deno/plugin/thread";
 * import { Worker } from "@temporalio/worker";
 * ```
 *
 * @module
 */

import { createRequire } from "node:module";
import { join } from "node:path";
import { prepareThread } from "./thread.ts";

try {
  const { resolve } = createRequire(join(Deno.cwd(), "deno.json"));
  prepareThread(
    resolve("@temporalio/worker/lib/workflow/workflow-worker-thread.js"),
  );
} catch {
  // The plugin, which knows where the SDK is, starts it later.
}
