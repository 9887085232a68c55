/** Compiles in one thread after another, and prints "done". */

import { createRequire } from "node:module";

if (globalThis.WorkerGlobalScope) {
  const worker = createRequire(import.meta.resolve("@temporalio/worker"));
  const loader = createRequire(worker.resolve("swc-loader"));
  const { transformSync } = loader("@swc/core");
  transformSync("export const a = 1;");
  self.postMessage("compiled");
  self.close();
} else {
  for (let thread = 0; thread < 10; thread++) {
    const worker = new Worker(import.meta.url, { type: "module" });
    await new Promise((resolve) => worker.onmessage = resolve);
  }
  console.log("done");
}
