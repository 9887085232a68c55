/** The task `record`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { locateServer } from "../dev/servers/locate.ts";
import { changedProject, output } from "./_programs.ts";

Deno.test("record writes an Event History that replays, whatever the user's settings", async () => {
  await using project = await changedProject({});
  const options = {
    cwd: project.path,
    env: {
      TEMPORAL_API_KEY: "key",
      TEMPORAL_NAMESPACE: "other",
      TEMPORAL_TEST_SERVER: await locateServer("test-server"),
    },
  };
  const recorded = await output("record", ["--workflow-id", "new"], options);
  assertEquals(recorded.code, 0, recorded.stderr);
  const { stdout } = await output("test", ["tests/replay_test.ts"], options);
  assertStringIncludes(stdout, "Workflow code replays new.json ... ok");
});
