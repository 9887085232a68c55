/** The Worker as it starts in production, with the files that the image has. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, matchesGlob, relative } from "node:path";
import { connectClient } from "../shared/client.ts";
import {
  changedProject,
  cleanEnv,
  output,
  Program,
  readProjectFile,
  startDevServer,
  taskQueue,
  temporaryFolder,
} from "./_programs.ts";

/** Workflows in a folder of their own, a module that they import, and a JSON file. */
const grown = {
  "workflows.ts": `
    export * from "./accounts/workflows.ts";
    ${await readProjectFile("workflows.ts")}`,
  "accounts/workflows.ts": `
    import { limit } from "../shared/limit.ts";
    export async function getLimit(): Promise<number> {
      return limit;
    }`,
  "shared/limit.ts": `
    import limits from "./limits.json" with { type: "json" };
    export const { limit } = limits;`,
  "shared/limits.json": '{ "limit": 100 }',
};

const server = await startDevServer();
const project = await changedProject(grown);
await removeIgnored(project.path);

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

/** Whether a file is missing in the image, as Docker reads `.dockerignore`. */
function isIgnored(path: string, patterns: string[]): boolean {
  const parents = path.split("/").map((_, index, names) =>
    names.slice(0, index + 1).join("/")
  );
  // The last pattern that matches the file, or a folder that it is in, decides.
  const last = patterns.findLast((pattern) =>
    parents.some((parent) => matchesGlob(parent, pattern.replace(/^!/, "")))
  );
  return last !== undefined && !last.startsWith("!");
}

/** Removes from a project what the image does not have, but for its packages. */
async function removeIgnored(folder: string) {
  const text = await readProjectFile(".dockerignore");
  const patterns = text.split("\n")
    .filter((line) => line && !line.startsWith("#"));
  const options = { recursive: true, withFileTypes: true } as const;
  for (const entry of await readdir(folder, options)) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).replaceAll("\\", "/");
    if (entry.isDirectory() || name.startsWith("node_modules/")) continue;
    if (isIgnored(name, patterns)) await Deno.remove(path);
  }
}

/** The command that starts the Worker in the image. */
const [deno, ...args]: string[] = JSON.parse(
  /^ENTRYPOINT (.+)$/m.exec(await readProjectFile("Dockerfile"))![1],
);
assertEquals(deno, "deno");

/** Starts the Worker as the image does. */
function start(env: Record<string, string> = {}): Program {
  return new Program([Deno.execPath(), ...args], {
    cwd: project.path,
    clearEnv: true,
    env: { ...cleanEnv, TEMPORAL_ADDRESS: server.address, ...env },
  });
}

Deno.test({
  name:
    "the image's command runs what the image has, with and without a bundle that was made before",
  ignore: Deno.build.os === "windows",
  async fn() {
    // Without one, it bundles for itself, and may not write the cache.
    await using unbundled = start();
    await unbundled.prints("Worker is polling");
    unbundled.kill("SIGTERM");
    assertEquals((await unbundled.status).code, 0);

    const { stdout } = await output("bundle", [], { cwd: project.path });
    assertEquals(stdout, 'Bundled Workflow code of "workflows.ts"\n');
    await using worker = start();
    await worker.prints("Worker is polling");
    const args = ["--address", server.address];
    assertEquals(
      (await output("start", args)).stdout,
      "Result: Hello, Temporal!\n",
    );
    const { connection, workflow } = await connectClient(server.address);
    const limit = await workflow.execute("getLimit", {
      taskQueue,
      workflowId: crypto.randomUUID(),
    });
    assertEquals(limit, 100);
    await connection.close();
    worker.kill("SIGTERM");
    assertEquals((await worker.status).code, 0);
  },
});

Deno.test("the image has the Worker, and none of what only tests and contributors use", () => {
  const has = (path: string) => existsSync(join(project.path, path));
  const names = Object.keys(grown);
  const used = [...names, "deno.lock", "packages"];
  assertEquals(used.filter((path) => !has(path)), []);
  const unused = [
    ".vscode/settings.json",
    "README.md",
    "docs/deploy.md",
    "packages/plugin/mod_test.ts",
    "tests/run_workflow_test.ts",
    "tools/drill.ts",
    "tools/e2e/_programs.ts",
  ];
  assertEquals(unused.filter(has), []);
});

Deno.test({
  name: "the image's command reads credentials only from their folders",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using folder = await temporaryFolder();
    const config = join(folder.path, "temporal.toml");
    await Deno.writeTextFile(
      config,
      '[profile.default]\nnamespace = "other"\n',
    );
    const env = { TEMPORAL_CONFIG_FILE: config };
    await using outside = start(env);
    assertEquals((await outside.status).code, 1);
    assertStringIncludes(outside.stderr, `"${config}" does not exist`);
    const path = join(project.path, "deno.json");
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace("/run/secrets", folder.path));
    await using inside = start(env);
    assertEquals((await inside.status).code, 1);
    assertStringIncludes(inside.stderr, 'Cannot access Namespace "other"');
    await Deno.writeTextFile(path, text);
  },
});

Deno.test("the systemd unit runs the image's command", async () => {
  const unit = await readProjectFile(
    "examples/deploy/temporal-worker.service",
  );
  const [, command] = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(unit)!;
  assertEquals(command.split(/[\s\\]+/), [deno, ...args]);
});
