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

import { prepareThread } from "./thread.ts";

prepareThread();
