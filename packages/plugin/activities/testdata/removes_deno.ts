/**
 * A program that removes the Deno that it runs in, where the next Activity process
 * would need it, and puts another in its place.
 */

import { MockActivityEnvironment } from "@temporalio/testing";
import { ActivitySandbox } from "../sandbox.ts";

const module = import.meta.resolve("./activities.ts");
const sandbox = await ActivitySandbox.start(module);

async function run(name: string, ...args: unknown[]): Promise<unknown> {
  const activity = sandbox.activities[name] as () => Promise<unknown>;
  return await new MockActivityEnvironment().run(activity, ...args as [])
    .catch(({ message }) => message);
}

const deno = Deno.execPath();
await Deno.link(deno, `${deno}.new`);
await Deno.remove(deno);
for (const [name, ...args] of [["breakFirst", "kill"], ["countCalls"]]) {
  console.log(`RESULT ${await run(name, ...args)}`);
}
await Deno.rename(`${deno}.new`, deno);
console.log(`RESULT ${await run("countCalls")}`);
Deno.exit();
