/** A program that loads a module with Activities in a thread, and prints their names. */

import { ActivitySandbox } from "../sandbox.ts";

// In a thread, this is undefined.
if (Deno.mainModule) {
  new Worker(import.meta.url, { type: "module" });
} else {
  const sandbox = await ActivitySandbox.start(
    new URL("activities.ts", `file://${Deno.cwd()}/`).href,
  );
  console.log(Object.keys(sandbox.activities).join());
  await sandbox.close();
  self.close();
}
