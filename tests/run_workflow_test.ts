/**
 * The tutorial's two tests. The Python tutorial's `test_run_workflow.py`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import * as activities from "../activities.ts";
import { sayHello } from "./_environment.ts";

Deno.test("SayHello greets with the Activity", async () => {
  assertEquals(await sayHello("World", activities), "Hello, World!");
});

Deno.test("SayHello greets with a mock in the Activity's place", async () => {
  const mocks = {
    say_hello: async (name: string) => `Hello, ${name} from mocked activity!`,
  };
  assertEquals(
    await sayHello("World", mocks),
    "Hello, World from mocked activity!",
  );
});
