/**
 * What code of an application can reach in a Worker that runs as its task does:
 * Activities, and Workflow code that escapes from the SDK's sandbox.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { connectClient } from "../shared/client.ts";
import {
  attacks,
  named,
} from "../../packages/plugin/activities/testdata/attacks.ts";
import { run } from "../../packages/cli/processes.ts";
import {
  activityType,
  changedProject,
  output,
  type Program,
  readProjectFile,
  runTest,
  spawn,
  startDevServer,
  taskQueue,
  waitFor,
  workflowType,
} from "./_programs.ts";

const activities = `
import { attacks } from "./packages/plugin/activities/testdata/attacks.ts";
import {
  attack,
  getAttacksAtLoad,
} from "./packages/plugin/activities/testdata/attacks_at_load.ts";

export async function ${activityType}(name: string): Promise<string> {
  if (name === "listen") {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return listener.addr.hostname;
  }
  if (!name.startsWith("all")) return await attack(name);
  if (name === "all at load") return JSON.stringify(await getAttacksAtLoad());
  const outcomes: Record<string, string> = {};
  for (const name of Object.keys(attacks)) outcomes[name] = await attack(name);
  return JSON.stringify(outcomes);
}`;

/** The code of a function that runs outside of the sandbox. */
const writesFrame = `
  const { Buffer } = process.getBuiltinModule("node:buffer");
  const { Socket } = process.getBuiltinModule("node:net");
  const { Pipe, constants } = process.binding("pipe_wrap");
  const pipe = new Pipe(constants.SOCKET);
  if (pipe.open(fd) !== 0) return "cannot open";
  const args = ["run", "-A", "data:text/javascript,for(;;);"];
  const content = Buffer.from(JSON.stringify({ args }));
  // A frame of kind 0, which starts a process, for the id 99
  const head = Buffer.alloc(9);
  head.writeUInt32BE(5 + content.length);
  head.writeUInt32BE(99, 5);
  globalThis.socket = new Socket({ handle: pipe, readable: false });
  globalThis.socket.write(Buffer.concat([head, content]));
  return "written";`;

/** Leaves the sandbox in the way that Node.js and Deno have in common. */
const workflows = `
import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { ${activityType} } = proxyActivities<typeof activities>({
  startToCloseTimeout: "30 seconds",
});

export async function ${workflowType}(name: string): Promise<string> {
  const { Deno } = URL.constructor("return globalThis")();
  if (/^\\d+$/.test(name)) return writeTo(Number(name));
  if (name !== "escape") return await ${activityType}(name);
  const attempts = {
    ffi: () => Deno.dlopen("libc.so.6", {}),
    net: () => Deno.listen({ port: 0 }),
    run: () => new Deno.Command("true").outputSync(),
    "run Deno": () => new Deno.Command("deno").outputSync(),
    "write the cache": () =>
      Deno.writeTextFileSync("node_modules/.cache/temporal-on-deno/x.js", ""),
    write: () => Deno.writeTextFileSync("x.txt", ""),
    "read outside": () => Deno.readTextFileSync("/etc/passwd"),
    "read the API key": () => {
      if (Deno.env.get("TEMPORAL_API_KEY") === undefined) throw { name: "NotCapable" };
    },
  };
  const outcomes = Object.entries(attempts).map(([name, attempt]) => {
    try {
      attempt();
      return [name, "allowed"];
    } catch (error) {
      return [name, (error as Error).name];
    }
  });
  return JSON.stringify(Object.fromEntries(outcomes));
}

/** Asks the launcher, by its pipe, for a process with all permissions. */
const writeTo = URL.constructor("fd", ${JSON.stringify(writesFrame)});`;

const server = await startDevServer();
const project = await changedProject({
  "activities.ts": activities,
  "workflows.ts": workflows,
});
const worker = spawn("worker", [], {
  cwd: project.path,
  env: {
    TEMPORAL_ADDRESS: server.address,
    TEMPORAL_API_KEY: "secret",
    TEMPORAL_TLS: "false",
  },
});
const { connection, workflow } = await connectClient(server.address);

Deno.test.beforeAll(async () => {
  await worker.prints("Worker is polling");
});

Deno.test.afterAll(async () => {
  await connection.close();
  await worker[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

async function execute(name: string): Promise<string> {
  return await workflow.execute(workflowType, {
    args: [name],
    taskQueue,
    workflowId: crypto.randomUUID(),
  });
}

Deno.test("Activities of the Worker are denied every attack, at load and at run time", async () => {
  const names = Object.keys(attacks);
  assertEquals(names.length > 50, true);
  for (const when of ["all at load", "all at run time"]) {
    const outcomes: Record<string, string> = JSON.parse(await execute(when));
    const breaches = names.map((name) => [name, outcomes[name]])
      .filter(([, outcome]) => !outcome.startsWith("denied"));
    assertEquals(breaches, [], when);
  }
});

Deno.test("Workflow code that escapes finds no permission worth having", async () => {
  const outcomes = JSON.parse(await execute("escape"));
  const denied = Object.keys(outcomes).map((name) => [name, "NotCapable"]);
  assertEquals(denied.length, 8);
  assertEquals(outcomes, Object.fromEntries(denied));
});

Deno.test("a module that a Client loads cannot run a program", async () => {
  const client = await readProjectFile("run_workflow.ts");
  await Deno.writeTextFile(
    join(project.path, "run_workflow.ts"),
    client.replace(
      /^(import .* "\.\/workflows.ts";)$/m,
      '$1 import "./late.ts";',
    ),
  );
  await Deno.writeTextFile(
    join(project.path, "late.ts"),
    `for (const program of ["deno", Deno.execPath(), "true"]) {
      try {
        new Deno.Command(program, { args: ["--version"] }).outputSync();
        console.log(program, "runs");
      } catch (error) {
        console.log((error as Error).name);
      }
    }`,
  );
  const { stdout } = await output("start", ["--help"], { cwd: project.path });
  const denied = "NotCapable\n".repeat(3);
  assertEquals(stdout.slice(0, denied.length), denied);
});

/** Runs a command of the system, and returns the lines that it prints. */
async function lines(command: string): Promise<string[]> {
  const signal = AbortSignal.timeout(20_000);
  return (await run(["sh", "-c", command], { signal })).trim().split("\n");
}

Deno.test({
  name: "Workflow code that escapes can start nothing but Activity processes",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const childrenOf = (pid: number | string) =>
      lines(`ps -o pid=,args= --ppid ${pid} | sed 's/^ *//'`);
    const [own] = await childrenOf(worker.pid);
    const launcher = (await childrenOf(parseInt(own)))
      .find((line) => line.includes("launcher.ts"))!;
    const [pipe] = await lines(`readlink /proc/${parseInt(launcher)}/fd/0`);
    const [fd] = await lines(
      `find /proc/${parseInt(own)}/fd -lname '${
        pipe.replaceAll(/[[\]]/g, "?")
      }' -printf '%f\\n'`,
    );
    const children = () => childrenOf(parseInt(launcher));
    const before = await children();
    const ended = worker.status.then(({ code }) => code + worker.stderr);
    assertEquals(await Promise.race([execute(fd), ended]), "written");
    await waitFor("the launcher to start an Activity process", async () => {
      const [started = "", ...others] = (await children())
        .filter((line) => !before.includes(line));
      // Until it runs its own program, it has the launcher's command line.
      return others.length === 0 && !started.includes(" -A") &&
        started.endsWith("serve(activities)%3B");
    }, { seconds: 20 });
    const outcome = await execute("read /etc/passwd");
    assertStringIncludes(outcome, "denied: Requires read access");
  },
});

Deno.test("what Activities can do without permissions is named in docs/security.md", async () => {
  const page = (await readProjectFile("docs/security.md")).replaceAll(
    "\n",
    " ",
  );
  for (const [words] of Object.values(named)) assertStringIncludes(page, words);
});

/** Starts another Worker, whose Activities are given permissions in their line. */
async function spawnThatPermits(permissions: string): Promise<Program> {
  const config = await readProjectFile("deno.json");
  const line = '"activities": {},';
  assertStringIncludes(config, line);
  await Deno.writeTextFile(
    join(project.path, "deno.json"),
    config.replace(line, `"activities": ${permissions},`),
  );
  return spawn("worker", ["--task-queue", "permissive"], {
    cwd: project.path,
    env: { TEMPORAL_ADDRESS: server.address },
  });
}

Deno.test("deno.json permits Activities a host in one line", async () => {
  await using _worker = await spawnThatPermits('{ "net": ["127.0.0.1"] }');
  const result = await workflow.execute(workflowType, {
    args: ["listen"],
    taskQueue: "permissive",
    workflowId: "permissive",
  });
  assertEquals(result, "127.0.0.1");
});

Deno.test("worker rejects permissions for Activities that are no list", async () => {
  await using worker = await spawnThatPermits('{ "read": { "allow": [] } }');
  assertEquals((await worker.status).code, 1);
  assertEquals(
    worker.stderr,
    'Cannot give Activities the permission "read" with the value {"allow":[]}: ' +
      "pass true, false or a list\n",
  );
});

/** What the set "test" permits: the project's files, this machine, and the SDK. */
const permittedInTests = [
  "require .node",
  "import the Worker",
  "read its own source",
  "import JSON",
  "require JSON",
  "Deno.env.toObject",
  "process.env keys",
  "fetch",
  "WebSocket",
  "node:http",
  "node:http2",
  "node:net",
  "node:tls",
  "Deno.connect",
  "Deno.connectTls",
  "Deno.listen",
  "hostname",
];

Deno.test("a mock in a test can do what the permissions of the tests list, and no more", async () => {
  await Deno.writeTextFile(
    join(project.path, "tests", "attacks_test.ts"),
    `
      import {
        attack,
        attacks as all,
      } from "../packages/plugin/activities/testdata/attacks.ts";
      import { useEnvironment } from "@temporal-on-deno/cli/testing";
      import { executeWorkflow } from "./_environment.ts";

      useEnvironment();

      Deno.test("attacks", async () => {
        const names = Object.keys(all)
          .filter((name) => name !== "setuid");
        let attacks: Promise<unknown> | undefined;
        await executeWorkflow({
          async ${activityType}() {
            attacks ??= Promise.all(
              names.map(async (name) => [name, await attack(name)]),
            );
            return "";
          },
        });
        // On a line of its own, whatever the attacks have printed.
        console.log("\\nOUTCOMES", JSON.stringify(await attacks));
      });`,
  );
  const environment = ["--workflow-environment", "local"];
  const printed = await runTest(
    "tests/attacks_test.ts",
    project.path,
    ...environment,
  );
  const line = printed.split("\n").find((line) => line.startsWith("OUTCOMES "));
  assert(line, printed);
  const outcomes: [string, string][] = JSON.parse(
    line.slice("OUTCOMES ".length),
  );
  assertEquals(outcomes.length > 60, true, printed);
  const permitted = outcomes
    .filter(([, outcome]) => outcome.startsWith("ALLOWED"))
    .map(([name]) => name);
  assertEquals(new Set(permitted), new Set(permittedInTests), line);
});
