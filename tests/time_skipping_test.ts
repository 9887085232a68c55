/** Time in a Workflow passes without being waited for. */

import { ApplicationFailure, Context } from "@temporalio/activity";
import { assertEquals } from "@std/assert";
import { environment, sayHello, skipsTime } from "./_environment.ts";

const hour = 3_600_000;

Deno.test({
  name: "three waits of an hour between tries take seconds",
  ignore: !skipsTime,
  async fn() {
    const times: number[] = [];
    const say_hello = async (name: string) => {
      times.push(await environment.currentTimeMs());
      if (Context.current().info.attempt > 3) return `Hello at last, ${name}!`;
      throw ApplicationFailure.create({ nextRetryDelay: "1 hour" });
    };
    const begin = Date.now();
    const result = await sayHello("World", { say_hello });
    assertEquals(result, "Hello at last, World!");
    const hours = times.map((time) => Math.floor((time - times[0]) / hour));
    assertEquals(hours, [0, 1, 2, 3]);
    assertEquals(Date.now() - begin < 10_000, true);
  },
});
