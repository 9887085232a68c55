/** The Worker as it starts in production. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  changedProject,
  cleanEnv,
  output,
  Program,
  startDevServer,
} from "./_programs.ts";

const server = await startDevServer();
const project = await changedProject({});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

/** Starts the Worker by the script that the image and the systemd unit use. */
function start(env: Record<string, string> = {}): Program {
  return new Program([join(project.path, "examples", "deploy", "start.sh")], {
    cwd: "/",
    clearEnv: true,
    env: { ...cleanEnv, TEMPORAL_ADDRESS: server.address, ...env },
  });
}

Deno.test({
  name:
    "start.sh runs the Worker, with and without a bundle that was made before",
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
    worker.kill("SIGTERM");
    assertEquals((await worker.status).code, 0);
  },
});

Deno.test({
  name: "start.sh reads credentials only from their folder",
  ignore: Deno.build.os === "windows",
  async fn() {
    const credentials = join(project.path, "..", crypto.randomUUID());
    await Deno.mkdir(credentials);
    const config = join(credentials, "temporal.toml");
    await Deno.writeTextFile(
      config,
      '[profile.default]\nnamespace = "other"\n',
    );
    const env = { TEMPORAL_CONFIG_FILE: config };
    await using outside = start(env);
    assertEquals((await outside.status).code, 1);
    assertStringIncludes(outside.stderr, `"${config}" does not exist`);
    await using inside = start({ ...env, CREDENTIALS_DIRECTORY: credentials });
    assertEquals((await inside.status).code, 1);
    assertStringIncludes(inside.stderr, 'Cannot access Namespace "other"');
    await Deno.remove(credentials, { recursive: true });
  },
});
