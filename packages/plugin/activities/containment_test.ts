/** What Activity code can do in the sandbox, at load and at run time. */

import { DatabaseSync } from "node:sqlite";
import { DefaultLogger, type LogEntry, Runtime } from "@temporalio/worker";
import { MockActivityEnvironment } from "@temporalio/testing";
import { ApplicationFailure } from "@temporalio/common";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { telemetryOptions } from "../testdata/environment.ts";
import { ActivitySandbox, type ActivitySandboxOptions } from "./sandbox.ts";
import { attacks, fatal, harmless, named } from "./testdata/attacks.ts";

const attacksModule = import.meta.resolve("./testdata/attacks.ts");
const atLoadModule = import.meta.resolve("./testdata/attacks_at_load.ts");
const logged: LogEntry[] = [];
let onLogged: () => unknown = () => {};
Runtime.install({
  logger: new DefaultLogger("TRACE", (entry) => {
    if (entry.meta?.sdkComponent !== "activity") return;
    logged.push(entry);
    onLogged();
  }),
  telemetryOptions,
});

let sandbox: ActivitySandbox;

Deno.test.beforeAll(async () => {
  sandbox = await ActivitySandbox.start(attacksModule, {
    heapLimitMB: 50,
    unresponsiveAfterMs: 500,
  });
});

Deno.test.afterAll(async () => await sandbox.close());

async function run<T>(name: string, ...args: unknown[]): Promise<T> {
  return await runIn(sandbox, name, ...args);
}

async function runIn<T>(
  { activities }: ActivitySandbox,
  activityType: string,
  ...args: unknown[]
): Promise<T> {
  const isEndless = `${args}`.includes("loop after");
  const startToCloseTimeoutMs = isEndless ? 500 : 30_000;
  const info = { activityType, startToCloseTimeoutMs };
  const environment = new MockActivityEnvironment(info);
  const activity = activities[activityType] as () => Promise<T>;
  return await environment.run(activity, ...args as []);
}

/** Starts a sandbox for the time of a test. */
async function withSandbox(
  options: ActivitySandboxOptions,
  test: (sandbox: ActivitySandbox) => Promise<void>,
  module = attacksModule,
): Promise<void> {
  const sandbox = await ActivitySandbox.start(module, options);
  try {
    await test(sandbox);
  } finally {
    await sandbox.close();
  }
}

Deno.test("attacks are denied, have no effect outside, or are named, at load and at run time", async () => {
  const breaches: string[] = [];
  await withSandbox({}, async (sandbox) => {
    const run = <T>(name: string, ...args: unknown[]) =>
      runIn<T>(sandbox, name, ...args);
    const atLoad = await run<Record<string, string>>("getAttacksAtLoad");
    for (const name of Object.keys({ ...attacks, ...harmless, ...named })) {
      const expected = name in attacks ? "denied" : "ALLOWED";
      const outcomes: Record<string, string> = {
        "": await run("attack", name),
      };
      if (!(name in named)) outcomes["at load"] = atLoad[name];
      for (const [when, outcome] of Object.entries(outcomes)) {
        if (!`${outcome}`.startsWith(expected)) {
          breaches.push(`${name} ${when}: ${outcome}`);
        }
      }
    }
  }, atLoadModule);
  assertEquals(breaches, []);
  const written = Array.from(
    Deno.readDirSync(import.meta.dirname! + "/testdata"),
  )
    .filter(({ name }) => name.startsWith("x"));
  assertEquals(written, []);
});

for (const name of Object.keys(fatal)) {
  Deno.test(`an attack ends its process alone: ${name}`, async () => {
    const pid = await run("getPid");
    const error = await assertRejects(
      () => run("attack", name),
      ApplicationFailure,
    );
    assertStringIncludes(error.message, 'Cannot complete Activity "attack": ');
    assert(!error.message.includes("\n"), "in one line");
    if (name === "memory") {
      assertStringIncludes(error.message, "out of memory (heapLimitMB: 50)");
    }
    assert(await run("getPid") !== pid, "a new process has started");
  });
}

Deno.test("node:dgram is denied", async () => {
  const error = await assertRejects(() => run("bindSocket"), Error);
  assertStringIncludes(error.message, "Requires net access");
});

Deno.test({
  name:
    "an Activity process has no descriptor of this process or of Deno's cache",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const own = await listDescriptors(Deno.pid);
    const inside = await listDescriptors(await run("getPid"));
    const shared = (links: string[]) =>
      links.filter((link) => own.includes(link))
        .filter((link) => !/^\/dev\/|^anon_inode/.test(link));
    // What this process has itself inherited, it passes on.
    assertEquals(shared(inside), shared(await listInherited()));
    const files = inside.filter((link) => /cache/.test(link));
    assert(
      files.every((link) => link.includes("/temporal-on-deno-")),
      `${files}`,
    );
  },
});

async function listDescriptors(pid: number): Promise<string[]> {
  const { stdout } = await new Deno.Command("find", {
    args: [`/proc/${pid}/fd`, "-type", "l", "-printf", "%l\\n"],
  }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

/** What any program that this process starts has inherited. */
async function listInherited(): Promise<string[]> {
  const { stdout } = await new Deno.Command("find", {
    args: ["/proc/self/fd", "-type", "l", "-printf", "%l\\n"],
    stdin: "null",
    stderr: "piped",
  }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

Deno.test("what an Activity prints is logged by line, escaped, with its name", async () => {
  for (const how of ["console", "raw"]) {
    logged.length = 0;
    const environment = new MockActivityEnvironment({ activityType: "print" });
    // What is raw is taken for that of the Activity which runs when it arrives.
    onLogged = () => logged.length === 3 && environment.cancel();
    const print = sandbox.activities.print as (how: string) => Promise<void>;
    await environment.run(print, how);
    const lines = logged.map((
      { level, message, meta },
    ) => [level, message, meta?.activityType]);
    assertEquals(lines.slice(0, 3), [
      ["WARN", "one", "print"],
      ["WARN", "ERROR forged", "print"],
      ["WARN", "\\u001b[31mred\\u202e", "print"],
    ], how);
  }
});

Deno.test("programs that an Activity starts end with its process", async () => {
  await withSandbox({ permissions: { run: ["sh"] } }, async (sandbox) => {
    const pid = await runIn<number>(sandbox, "startProgram");
    Deno.kill(pid, "SIGCONT");
    await assertRejects(
      () => runIn(sandbox, "attack", "SIGKILL"),
      ApplicationFailure,
    );
    while (await isAlive(pid));
  });
});

async function isAlive(pid: number): Promise<boolean> {
  const { success } = await new Deno.Command("kill", {
    args: ["-0", `${pid}`],
    stderr: "null",
  }).output();
  return success;
}

Deno.test("a program of an Activity shares neither its stdin nor its channel", async () => {
  await withSandbox({ permissions: { run: ["cat"] } }, async (sandbox) => {
    assertEquals(await runIn(sandbox, "cat"), "cat has ended with 0");
  });
});

Deno.test("what a list of files permits, as docs/security.md names it", async () => {
  const [folder, outside] = [
    await Deno.makeTempDir(),
    await Deno.makeTempDir(),
  ];
  try {
    await Deno.symlink(import.meta.filename!, `${folder}/link`);
    await Deno.writeTextFile(`${folder}/file`, "");
    await withSandbox({ permissions: { read: [folder] } }, async (sandbox) => {
      const text = await runIn<string>(sandbox, "read", `${folder}/link`);
      assertStringIncludes(text, "as docs/security.md names it");
      const database = new DatabaseSync(`${outside}/database`);
      database.exec("CREATE TABLE t (x); INSERT INTO t VALUES ('secret')");
      database.close();
      await Deno.symlink(`${outside}/database`, `${folder}/database`);
      const secret = await runIn(sandbox, "readDatabase", `${folder}/database`);
      assertEquals(secret, "secret");
      const mode = await runIn<number>(sandbox, "changeMode", `${folder}/file`);
      assertEquals(mode, 0o640);
      await assertRejects(
        () => runIn(sandbox, "read", import.meta.filename!),
        Error,
        "Requires read access",
      );
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(outside, { recursive: true });
  }
});

Deno.test("a redirect does not lead to a host that is not allowed", async () => {
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using other = Deno.serve(options, () => new Response("secret"));
  const target = `http://127.0.0.1:${other.addr.port}/`;
  await using server = Deno.serve(options, () => Response.redirect(target));
  const host = `127.0.0.1:${server.addr.port}`;
  await withSandbox({ permissions: { net: [host] } }, async (sandbox) => {
    await assertRejects(
      () => runIn(sandbox, "request", `http://${host}/`),
      Error,
      `Requires net access to "127.0.0.1:${other.addr.port}"`,
    );
  });
});
