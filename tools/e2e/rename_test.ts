/**
 * The project with names of its own: what a reader sees is all that changes. `LONG=1`
 * changes them in a copy, and runs its checks and some of the end-to-end tests.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import { isLong } from "../shared/random.ts";
import {
  activityType,
  changedProject,
  deno,
  output,
  readProjectFile,
  root,
  startDevServer,
  taskQueue,
  workflowType,
} from "./_programs.ts";

const visible = [
  "activities.ts",
  "run_worker.ts",
  "run_workflow.ts",
  "workflows.ts",
];

const newNames: Record<string, string> = {
  [workflowType]: "OpenAccount",
  [activityType]: "open_account",
  [taskQueue]: "accounts",
};

/** Lists the files of a folder that name one of these. */
function* findNames(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(root, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory && name !== "node_modules") yield* findNames(path);
    else if (!isDirectory) {
      const text = Deno.readTextFileSync(join(root, path));
      if (Object.keys(newNames).some((old) => text.includes(old))) yield path;
    }
  }
}

Deno.test("nothing under packages/ and tools/ depends on the names of the project's modules", () => {
  const files = [...findNames("packages"), ...findNames("tools")];
  assertEquals(files.sort(), [
    // Examples of what a user writes, and of what is logged
    "packages/cli/README.md",
    "packages/cli/logger_test.ts",
    // Made of the project's modules
    "packages/create/template.ts",
    "packages/plugin/README.md",
    "packages/plugin/mod.ts",
    // Tests of pages, which show the tutorial
    "tools/e2e/lint_test.ts",
    // The same application in Python, which its test renames
    "tools/e2e/python/app.py",
    "tools/e2e/python/interchange.ts",
    // The README renames the Workflow
    "tools/e2e/readme_test.ts",
  ]);
});

const ignore = !isLong;
Deno.test("a project with other names passes its checks and tests, and runs", {
  ignore,
}, async () => {
  const changes: Record<string, string> = {};
  const rename = async (path: string) => {
    changes[path] = Object.entries(newNames).reduce(
      (text, [old, name]) => text.replaceAll(old, name),
      await readProjectFile(path),
    );
  };
  for (const path of visible) await rename(path);
  for (const folder of ["tests", "tests/histories"]) {
    for (const { name, isFile } of Deno.readDirSync(join(root, folder))) {
      if (isFile) await rename(`${folder}/${name}`);
    }
  }
  await using project = await changedProject(changes);
  const { path: cwd } = project;
  const env = { TEMPORAL_TEST_SERVER: await locateServer("test-server") };
  await deno(["check", "."], { cwd, env });
  const tests = await output("test", [], { cwd, env });
  assertEquals(tests.code, 0, tests.stdout + tests.stderr);
  assertStringIncludes(
    tests.stdout,
    "OpenAccount returns the Activity's greeting ... ok",
  );
  await using server = await startDevServer();
  const demo = await output("demo", [], {
    cwd,
    env: { TEMPORAL_ADDRESS: server.address },
  });
  assertStringIncludes(demo.stdout, 'polling Task Queue "accounts"');
  assertStringIncludes(demo.stdout, "Result: Hello, Temporal!\n");
  const flags = ["-q", "--no-check", "--no-prompt", "-P=dev"];
  const files = ["tools/e2e/memory_test.ts", "tools/e2e/bundle_test.ts"];
  await deno(["test", ...flags, ...files], { cwd, env });
});
