/** Time in a Workflow passes without being waited for. */

import { ApplicationFailure, Context } from "@temporalio/activity";
import { assertEquals, assertLess } from "@std/assert";
import {
  environment,
  executeSayHello,
  skipsTime,
  useEnvironment,
} from "./_environment.ts";

useEnvironment();

const HOUR_MS = 3_600_000;

Deno.test({
  name: "three retries an hour apart take seconds",
  ignore: !skipsTime,
  async fn() {
    const times: number[] = [];
    const say_hello = async (name: string) => {
      times.push(await environment.currentTimeMs());
      if (Context.current().info.attempt > 3) return `Hello at last, ${name}!`;
      throw ApplicationFailure.create({ nextRetryDelay: "1 hour" });
    };
    const begin = Date.now();
    const result = await executeSayHello({ say_hello });
    assertEquals(result, "Hello at last, World!");
    const hours = times.map((time) => Math.floor((time - times[0]) / HOUR_MS));
    assertEquals(hours, [0, 1, 2, 3]);
    assertLess(Date.now() - begin, 10_000);
  },
});
