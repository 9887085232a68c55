/** The task `temporal`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { findPort } from "../../packages/cli/ports.ts";
import { run } from "../../packages/cli/processes.ts";
import { hasFreePorts } from "../../packages/cli/servers/dev_server.ts";
import {
  cleanEnv,
  output,
  readProjectFile,
  root,
  spawn,
  startDevServer,
  temporaryFolder,
} from "./_programs.ts";

const ignore = Deno.build.os === "windows";

/** Makes a program that takes the place of the CLI. */
async function fakeCli(script: string) {
  const folder = await temporaryFolder();
  const path = join(folder.path, "cli");
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { ...folder, env: { TEMPORAL_CLI: path } };
}

Deno.test({
  name: "temporal passes on arguments, stdin, output and the exit code",
  ignore,
  async fn() {
    await using cli = await fakeCli(
      `printf '%s\\n' "$PWD" "$@"; cat; echo error >&2; exit 7`,
    );
    const process = new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "temporal", "a b", "--help", "", "$HOME"],
      cwd: join(root, "docs"),
      clearEnv: true,
      env: { ...cleanEnv, ...cli.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdin = process.stdin.getWriter();
    await stdin.write(new TextEncoder().encode("input\n"));
    await stdin.close();
    const { code, stdout, stderr } = await process.output();
    const [out, error] = [stdout, stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    const expected = [join(root, "docs"), "a b", "--help", "", "$HOME"];
    assertEquals(out, [...expected, "input\n"].join("\n"));
    assertEquals([code, error], [7, "error\n"]);
  },
});

Deno.test({
  name: "temporal passes on signals",
  ignore,
  async fn() {
    await using cli = await fakeCli(
      `trap 'echo ended; exit 3' TERM INT; echo runs; while :; do sleep 0.1; done`,
    );
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await using program = spawn("temporal", [], { env: cli.env });
      await program.prints("runs");
      program.kill(signal);
      const { code } = await program.status;
      assertEquals([code, program.stdout], [3, "runs\nended\n"]);
    }
  },
});

Deno.test("temporal reports in one line that there is no CLI", async () => {
  const env = { TEMPORAL_CLI: "/no/temporal" };
  const { code, stderr } = await output("temporal", [], { env });
  const message =
    'Cannot use TEMPORAL_CLI: "/no/temporal" is not an executable file; ' +
    "correct or unset it\n";
  assertEquals([code, stderr], [1, message]);
});

Deno.test("temporal uses the Temporal Service of the settings", async () => {
  await using server = await startDevServer();
  const env = { TEMPORAL_ADDRESS: server.address };
  await using client = spawn("start", [], { env });
  await client.prints('Started Workflow "hello-workflow"');
  const { stdout } = await output("temporal", ["workflow", "list"], { env });
  assertStringIncludes(stdout, "hello-workflow");
});

Deno.test("server names a command of the Temporal CLI that works", async () => {
  const port = findPort(hasFreePorts);
  await using server = spawn("server", ["--port", `${port}`]);
  await server.prints("Temporal CLI: ");
  const [, command] = /^Temporal CLI: deno task (.*)$/m.exec(server.stdout)!;
  const [task, ...args] = command.split(" ");
  assertEquals(task, "temporal");
  assertEquals((await output("temporal", args)).code, 0);
});

Deno.test("the Temporal CLI has each command that README and docs/ name", async () => {
  const docs = Array.from(Deno.readDirSync(join(root, "docs")))
    .filter(({ name }) => name.endsWith(".md")).map(({ name }) =>
      `docs/${name}`
    );
  const texts = await Promise.all(["README.md", ...docs].map(readProjectFile));
  const commands = new Set(texts.flatMap((text) =>
    Array.from(
      text.matchAll(
        /(?:^|`|deno task )temporal ([a-z][a-z-]*(?: [a-z][a-z-]*)*)/gm,
      ),
      ([, words]) => words,
    )
  ));
  assertEquals(commands.size > 3, true);
  for (const command of commands) {
    const help = await run(
      [cleanEnv.TEMPORAL_CLI, "help", ...command.split(" ")],
      { signal: AbortSignal.timeout(20_000) },
    );
    assertStringIncludes(help, `  temporal ${command} [`);
  }
});
