/**
 * Runs the Temporal CLI (the task `temporal`), also where only this project has
 * downloaded it.
 *
 * @module
 */

import { abortable, interruption, runMain } from "./program.ts";
import { locateServer } from "./servers/locate.ts";

await runMain(async () => {
  const signal = interruption();
  const path = await abortable(locateServer("dev-server", signal), signal);
  const cli = new Deno.Command(path, {
    args: Deno.args,
    // Arguments may name files as seen from where "deno task" was called.
    cwd: Deno.env.get("INIT_CWD"),
  }).spawn();
  for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    if (Deno.build.os === "windows" && name !== "SIGINT") continue;
    Deno.addSignalListener(name, () => {
      // A terminal's Ctrl-C has reached the CLI already.
      if (name !== "SIGINT" || !isInTerminal()) cli.kill(name);
    });
  }
  const { code } = await cli.status;
  Deno.exit(code);
});

function isInTerminal(): boolean {
  const streams = [Deno.stdin, Deno.stdout, Deno.stderr];
  return streams.some((stream) => stream.isTerminal());
}
