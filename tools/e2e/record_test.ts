/** The task `record`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { changedProject, output, runTest } from "./_programs.ts";

Deno.test("record writes an Event History that replays, whatever the user's settings", async () => {
  await using project = await changedProject({});
  const options = {
    cwd: project.path,
    env: { TEMPORAL_API_KEY: "key", TEMPORAL_NAMESPACE: "other" },
  };
  const recorded = await output("record", ["--workflow-id", "new"], options);
  assertEquals(recorded.code, 0, recorded.stderr);
  assertStringIncludes(
    await runTest("tests/replay_test.ts", project.path),
    "Workflow code replays new.json ... ok",
  );
});

Deno.test("record rejects a missing --workflow-id", async () => {
  const { code, stderr } = await output("record");
  assertEquals(code, 2);
  assertStringIncludes(
    stderr,
    'Missing "--workflow-id ID"\nUsage: deno task record [OPTIONS]\n',
  );
});
