/** What the launcher does for whoever can write to its pipe. */

import { assert, assertEquals } from "@std/assert";
import {
  FrameReader,
  Kind,
  parseLauncherFrame,
  toLauncherFrame,
} from "./frames.ts";

const sealed = 'console.log("sealed", Deno.env.toObject().HIDDEN);';
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Starts a launcher of programs with this source. */
function startLauncher(source: string) {
  const args = ["eval", "-q", source];
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ..."run -q --no-prompt --no-config --no-lock --cached-only -A".split(" "),
      import.meta.resolve("./launcher.ts"),
      JSON.stringify({ args, env: ["HOME"] }),
    ],
    env: { HIDDEN: "secret" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  return {
    process,
    send: (kind: number, id: number, content = "") =>
      writer.write(toLauncherFrame(kind, id, encoder.encode(content))),
    sendRaw: (bytes: Uint8Array) => writer.write(bytes),
    close: () => writer.close().catch(() => {}),
    async *frames() {
      const reader = new FrameReader();
      for await (const chunk of process.stdout) {
        for (const frame of reader.read(chunk)) {
          const { kind, id, content } = parseLauncherFrame(frame);
          yield [kind, id, decoder.decode(content)] as const;
        }
      }
    },
  };
}

Deno.test("the launcher starts nothing but what its command line names", async () => {
  const launcher = startLauncher(sealed);
  const evil = ["eval", 'console.log("evil")'];
  for (const id of [0, 2 ** 32 - 1]) {
    await launcher.send(99, id, "?");
    await launcher.send(Kind.data, id, "early");
    await launcher.send(Kind.kill, id);
    await launcher.send(
      Kind.start,
      id,
      JSON.stringify({ args: evil, command: "/bin/sh", env: ["HIDDEN"] }),
    );
    await launcher.send(Kind.start, id);
  }
  const frames = [];
  let ended = 0;
  for await (const [kind, id, text] of launcher.frames()) {
    if (kind !== Kind.ended) frames.push([kind, id, text]);
    else if (++ended === 2) await launcher.close();
  }
  frames.sort(([, a], [, b]) => Number(a) - Number(b));
  assertEquals(frames, [
    [Kind.stdout, 0, "sealed undefined\n"],
    [Kind.stdout, 2 ** 32 - 1, "sealed undefined\n"],
  ]);
  await launcher.process.status;
});

Deno.test("the launcher ends its processes and removes their cache when its stdin ends", async () => {
  const launcher = startLauncher(
    'console.log(Deno.pid + " " + Deno.env.get("DENO_DIR")); for (;;);',
  );
  await launcher.send(Kind.start, 7);
  const { value } = await launcher.frames().next();
  const [pid, folder] = value![2].trim().split(" ");
  assert(folder.includes("temporal-on-deno-"), folder);
  await launcher.close();
  await launcher.process.status;
  while ((await isAlive(pid)).success);
  assertEquals(await Deno.stat(folder).catch(() => "removed"), "removed");
});

function isAlive(pid: string): Promise<Deno.CommandOutput> {
  return new Deno.Command("kill", { args: ["-0", pid], stderr: "null" })
    .output();
}

Deno.test("the launcher ends with its processes when it reads what is no frame", async () => {
  const launcher = startLauncher("console.log(Deno.pid); for (;;);");
  await launcher.send(Kind.start, 0);
  const frames = launcher.frames();
  const { value } = await frames.next();
  await launcher.sendRaw(new Uint8Array(8).fill(255));
  assertEquals(await Array.fromAsync(frames), []);
  while ((await isAlive(value![2].trim())).success);
  await launcher.process.status;
  await launcher.close();
});
