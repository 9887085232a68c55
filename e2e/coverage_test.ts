/** Coverage tells the truth about Workflow code, which runs in a sandbox. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { run } from "../dev/processes.ts";
import { changedProject, root } from "./_programs.ts";

const workflows = `
import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";
const { say_hello } = proxyActivities<typeof activities>({
  startToCloseTimeout: "5 seconds",
});
export async function SayHello(name: string): Promise<string> {
  if (name === "Nobody") {
    return greetNobody();
  }
  return await say_hello(name);
}
function greetNobody(): string {
  const greeting = () => {
    return "Hello?";
  };
  return greeting();
}
`;

Deno.test("coverage names the lines of a Workflow that no test runs", async () => {
  const others = Array.from(
    Deno.readDirSync(join(root, "tests")),
    (file) => file.name,
  ).filter((name) => name.endsWith("_test.ts") && !name.startsWith("run_"));
  await using project = await changedProject({
    "workflows.ts": workflows,
    ...Object.fromEntries(others.map((name) => [`tests/${name}`, ""])),
  });
  const table = await run([Deno.execPath(), "task", "coverage"], {
    cwd: project.path,
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(60_000),
  });
  assertStringIncludes(
    table,
    "| activities.ts |    100.0 |      100.0 |  100.0 |",
  );
  const lcov = join(project.path, "coverage", "lcov.info");
  const [, record] = (await Deno.readTextFile(lcov)).split("workflows.ts\n");
  const missed = Array.from(
    record.matchAll(/DA:(\d+),0/g),
    ([, line]) => Number(line),
  );
  const lines = workflows.split("\n");
  assertEquals(missed.map((line) => lines[line - 1].trim()), [
    "return greetNobody();",
    "}",
    "function greetNobody(): string {",
    "const greeting = () => {",
    'return "Hello?";',
    "};",
    "return greeting();",
    "}",
  ]);
  await Deno.stat(join(project.path, "coverage", "html", "index.html"));
});
