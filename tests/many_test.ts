/** Many Workflows at once, each of which ends as its own input says. */

import { ApplicationFailure, Context } from "@temporalio/activity";
import { Client } from "@temporalio/client";
import { assertEquals } from "@std/assert";
import { inTime } from "../lib/connection.ts";
import { createWorker, environment, startSayHello } from "./_environment.ts";

/** How a Workflow ends, by the first word of the name that it is to greet. */
const ends = {
  luck: "COMPLETED",
  trouble: "COMPLETED",
  failure: "FAILED",
  cancellation: "CANCELLED",
  termination: "TERMINATED",
};

async function say_hello(name: string): Promise<string> {
  const { cancelled, info } = Context.current();
  const [fate] = name.split(" ");
  if (fate === "trouble" && info.attempt < 3) throw new Error("not yet");
  if (fate === "failure") throw ApplicationFailure.nonRetryable("never");
  if (fate.endsWith("ation")) return await cancelled;
  return `Hello, ${name}!`;
}

Deno.test("each of 200 Workflows at once ends as its input says", async () => {
  const fates = Object.keys(ends) as (keyof typeof ends)[];
  const worker = await createWorker({ say_hello });
  const { taskQueue } = worker.options;
  // Not the environment's own client: waiting for several results at once, it
  // would skip more time than there is.
  const { workflow } = new Client({ connection: environment.connection });
  const all = Promise.all(
    Array.from({ length: 200 }, async (_, number) => {
      const fate = fates[Math.floor(Math.random() * fates.length)];
      const name = `${fate} ${number}`;
      const { workflowId } = await startSayHello(name, taskQueue);
      const handle = workflow.getHandle(workflowId);
      if (fate === "cancellation") await handle.cancel();
      if (fate === "termination") await handle.terminate();
      const result = await handle.result().catch(() => undefined);
      const { status } = await handle.describe();
      const greeting = ends[fate] === "COMPLETED"
        ? `Hello, ${name}!`
        : undefined;
      assertEquals([status.name, result], [ends[fate], greeting], name);
    }),
  );
  const late = new Error("Not all of 200 Workflows ended in a minute");
  await worker.runUntil(inTime(all, 60_000, late));
});
