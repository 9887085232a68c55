/** Tests of the tutorial replay what they have run. */

import { assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  activityType,
  changedProject,
  readProjectFile,
  runTest,
  workflowType,
} from "./_programs.ts";

const workflows = (await readProjectFile("workflows.ts"))
  .replace("import { proxy", "import { workflowInfo, proxy");

const project = await changedProject({});

Deno.test.afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

async function testWith(text: string): Promise<string> {
  await Deno.writeTextFile(join(project.path, "workflows.ts"), text);
  return await runTest("tests/run_workflow_test.ts", project.path);
}

Deno.test("a test fails if its Workflow makes another decision in a replay", async () => {
  const first = await testWith(workflows.replace(
    "  return await",
    '  if (workflowInfo().unsafe.isReplaying) return "Hello, World!";\n  return await',
  ));
  assertStringIncludes(
    first,
    `(${workflowType}) is not deterministic: in a replay at event 5, the code completes the Workflow, but the Event History has ActivityTaskScheduled "${activityType}"`,
  );
});

Deno.test("a test fails if its Workflow makes another last decision in a replay", async () => {
  const last = await testWith(
    workflows.replace(
      "import { workflowInfo",
      "import { sleep, workflowInfo",
    ).replace(
      `return await ${activityType}(name);`,
      `const greeting = await ${activityType}(name);\n` +
        "  if (workflowInfo().unsafe.isReplaying) await sleep(1);\n" +
        "  return greeting;",
    ),
  );
  assertStringIncludes(
    last,
    `(${workflowType}) is not deterministic: in a replay at event 11, the code starts a Timer, but the Event History has WorkflowExecutionCompleted`,
  );
});
