/** The programs in a terminal, as the tool `script` of Linux provides one. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cleanEnv, root, startDevServer, startWorker } from "./_programs.ts";

const server = await startDevServer();
const ignore = Deno.build.os !== "linux";

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Runs a command in a terminal; types Ctrl-C once it has printed `text`. */
async function runInTerminal(command: string, text?: string) {
  const terminal = new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    cwd: root,
    clearEnv: true,
    env: { ...cleanEnv, TEMPORAL_ADDRESS: server.address, TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stdin = terminal.stdin.getWriter();
  const decoder = new TextDecoder();
  let output = "";
  let isTyped = false;
  for await (const chunk of terminal.stdout) {
    output += decoder.decode(chunk, { stream: true });
    if (!text || isTyped || !output.includes(text)) continue;
    isTyped = true;
    await stdin.write(new Uint8Array([3]));
  }
  const { code } = await terminal.status;
  await stdin.close().catch(() => {});
  return { code, output };
}

Deno.test({
  name: "worker stops gracefully on Ctrl-C in a terminal",
  ignore,
  async fn() {
    // Ctrl-C reaches "deno task" and the Worker at once; a shell would end, too.
    const command = "exec deno task --quiet worker";
    const { code, output } = await runInTerminal(command, "Worker is polling");
    assertEquals(code, 0);
    assertMatch(output, /Worker is shutting down\r\n$/);
  },
});

Deno.test({
  name: "start escapes a result on a terminal, and not in a pipe",
  ignore,
  async fn() {
    const env = { TEMPORAL_ADDRESS: server.address };
    await using _worker = await startWorker([], { env });
    const command = `deno task --quiet start "$(printf 'a\\033[31mb\\nc')"`;
    const shown = await runInTerminal(command);
    assertStringIncludes(shown.output, "Hello, a\\u001b[31mb\\nc!\r\n");
    assertEquals(shown.output.includes("\x1b[31m"), false);
    const piped = await runInTerminal(`${command} | od -An -c`);
    assertStringIncludes(piped.output, "033   [   3   1   m   b  \\n   c");
  },
});

Deno.test({
  name: "replay keeps its progress to one line on a terminal",
  ignore,
  async fn() {
    const command = "deno task --quiet replay tests/histories tests/histories";
    const { code, output } = await runInTerminal(command);
    assertMatch(
      output,
      // deno-lint-ignore no-control-regex
      /^(?:\r\x1b\[K(?:Replayed \d+ [^\r\n]*)?)+Replayed 4 Event Histories; all compatible with the code\r\n$/,
    );
    assertEquals(code, 0);
  },
});
