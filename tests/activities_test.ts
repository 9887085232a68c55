/** The Activity alone, without a server. */

import { MockActivityEnvironment } from "@temporalio/testing";
import { assertEquals } from "@std/assert";
import { say_hello } from "../activities.ts";

Deno.test.sanitizer({ ops: true, resources: true });

Deno.test("say_hello returns a greeting", async () => {
  const environment = new MockActivityEnvironment();
  assertEquals(await environment.run(say_hello, "World"), "Hello, World!");
});
