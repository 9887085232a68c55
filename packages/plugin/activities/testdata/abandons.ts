/** Programs that start a sandbox and do not close it. */

import { ActivitySandbox } from "../sandbox.ts";

const module = import.meta.resolve("./activities.ts");

async function abandon(): Promise<void> {
  await ActivitySandbox.start(module);
}

/** Whether this process has child processes. */
async function hasChildren(): Promise<boolean> {
  const { stdout } = await new Deno.Command("ps", {
    args: ["-o", "args=", "--ppid", `${Deno.pid}`],
  }).output();
  return new TextDecoder().decode(stdout).includes("launcher.ts");
}

await abandon();
if (Deno.args[0] === "collected") {
  console.log(await hasChildren());
  while (await hasChildren()) Reflect.get(globalThis, "gc")();
}
console.log("done");
