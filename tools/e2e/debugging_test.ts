/** A debugger stops where `docs/debugging.md` says, with the settings that it shows. */

import { assertEquals, assertMatch } from "@std/assert";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import {
  activityType,
  changedProject,
  cleanEnv,
  findNodeVersion,
  output,
  Program,
  readProjectFile,
  root,
  startDevServer,
  startWorker,
} from "./_programs.ts";

interface Location {
  scriptId: string;
  lineNumber: number;
  columnNumber: number;
}

interface Script {
  scriptId: string;
  sourceMapURL?: string;
}

/** A place in TypeScript: the end of a file's name, and its line. */
type Line = `${string}:${number}`;

const page = await readProjectFile("docs/debugging.md");
const [, settings] = page.match(/```json\n([^]*?)```/)!;
const [, replay] = page.match(/```js\n([^]*?)```/)!;
const { configurations } = JSON.parse(settings);

/** A debugger that knows source maps, over the DevTools Protocol. */
class Debugger implements AsyncDisposable {
  #socket: WebSocket;
  #answers: ((result: Record<string, unknown>) => void)[] = [];
  #maps = new Map<string, SourceMap>();
  #ready = new Map<string, Promise<void>>();
  #breakpoints: Line[];
  /** Where the program has stopped so far. */
  readonly stopped: Line[] = [];

  /** Lets a program run that listens, and stops it for a moment at these lines. */
  constructor(address: string, breakpoints: Line[], runsBundle = false) {
    this.#breakpoints = breakpoints;
    this.#socket = new WebSocket(address);
    this.#socket.onopen = async () => {
      await this.#send("Debugger.enable");
      // Stops before a bundle runs. Modules are there before the first one runs.
      if (runsBundle) {
        await this.#send("Debugger.setInstrumentationBreakpoint", {
          instrumentation: "beforeScriptWithSourceMapExecution",
        });
      }
      await Promise.all(this.#ready.values());
      await this.#send("Runtime.runIfWaitingForDebugger");
    };
    this.#socket.onmessage = async ({ data }) => {
      const { id, result, method, params } = JSON.parse(data);
      if (id) this.#answers[id - 1](result);
      else if (method === "Debugger.scriptParsed") await this.#prepare(params);
      else if (method === "Debugger.paused") {
        if (params.reason === "instrumentation") {
          await this.#prepare(params.data);
        }
        await Promise.all(this.#ready.values());
        if (params.hitBreakpoints?.length > 0) {
          this.stopped.push(this.#lineOf(params.callFrames[0].location)!);
        }
        await this.#send("Debugger.resume");
      }
    };
  }

  async #send<T>(method: string, params = {}): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const id = this.#answers.push(resolve);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return await promise as T;
  }

  /** Sets the breakpoints of a script, once. */
  async #prepare(script: Script) {
    const { scriptId } = script;
    if (!this.#ready.has(scriptId)) {
      this.#ready.set(scriptId, this.#setBreakpoints(script));
    }
    await this.#ready.get(scriptId);
  }

  async #setBreakpoints({ scriptId, sourceMapURL }: Script) {
    const [, base64] = sourceMapURL?.match(/^data:.*;base64,(.+)/) ?? [];
    if (!base64) return;
    const map = JSON.parse(
      new TextDecoder().decode(Uint8Array.fromBase64(base64)),
    );
    const files = this.#breakpoints.map((line) => line.split(":")[0]);
    if (!files.some((file) => JSON.stringify(map.sources).includes(file))) {
      return;
    }
    this.#maps.set(scriptId, new SourceMap(map));
    const { scriptSource } = await this.#send<{ scriptSource: string }>(
      "Debugger.getScriptSource",
      { scriptId },
    );
    const locations = scriptSource.split("\n").map((line, lineNumber) => (
      { scriptId, lineNumber, columnNumber: line.search(/\S|$/) }
    ));
    for (const breakpoint of this.#breakpoints) {
      const location = locations.find((one) =>
        this.#lineOf(one) === breakpoint
      );
      if (location) await this.#send("Debugger.setBreakpoint", { location });
    }
  }

  #lineOf(location: Location): Line | undefined {
    const entry = this.#maps.get(location.scriptId)
      ?.findEntry(location.lineNumber, location.columnNumber);
    if (!entry || !("originalSource" in entry)) return;
    const file = entry.originalSource.split("/").at(-1);
    return `${file}:${entry.originalLine + 1}` as Line;
  }

  async [Symbol.asyncDispose]() {
    const closed = new Promise((resolve) =>
      this.#socket.addEventListener("close", resolve)
    );
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    await closed;
  }
}

/** Returns the line of a file of the project that has a text. */
async function lineWith(text: string, file: string): Promise<Line> {
  const lines = (await readProjectFile(file)).split("\n");
  const index = lines.findIndex((line) => line.includes(text));
  return `${file.split("/").at(-1)}:${index + 1}` as Line;
}

/** Returns where a program listens for a debugger. */
async function addressOf(program: Program): Promise<string> {
  await program.prints("Debugger listening on ws://");
  await program.prints("\n");
  return (program.stdout + program.stderr).match(/ws:\S+/)![0];
}

/** Starts a configuration of the page, on a free port. */
function launch(name: string, file: string, cwd: string): Program {
  const { runtimeExecutable, runtimeArgs = ["--inspect-brk"], program, args } =
    configurations.find((one: { name: string }) => one.name === name);
  const command = [runtimeExecutable, ...runtimeArgs, program ?? [], args ?? []]
    .flat().map((argument) =>
      argument.replace(/^--inspect-(?:brk|wait)$/, "$&=127.0.0.1:0")
        .replace("${workspaceFolder}", cwd).replace("${relativeFile}", file)
    );
  const env = { ...cleanEnv, TEMPORAL_TEST_SERVER: testServer };
  return new Program(command, { cwd, env, clearEnv: true });
}

const testServer = await locateServer("test-server");
const server = await startDevServer();
const project = await changedProject({});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

/** Writes files into the copy of the project. */
async function write(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(project.path, name), text);
  }
}
const hasNode = await findNodeVersion() !== undefined;

const inActivity = await lineWith("return `Hello", "activities.ts");
const inWorkflow = await lineWith(
  `return await ${activityType}`,
  "workflows.ts",
);
const inTest = await lineWith(
  "assertEquals(result",
  "tests/run_workflow_test.ts",
);

Deno.test("breakpoints stop in tests and Activities, but not in Workflows on Deno", async () => {
  await using test = launch("Test", "tests/run_workflow_test.ts", root);
  const lines = [inActivity, inTest, inWorkflow];
  await using session = new Debugger(await addressOf(test), lines);
  await test.prints("Waiting for the debugger to disconnect");
  assertEquals(session.stopped, [inActivity, inTest]);
});

Deno.test("breakpoints stop in the Activity sandbox", async () => {
  const env = { TEMPORAL_ADDRESS: server.address };
  const text = await readProjectFile("run_worker.ts");
  await write({
    "run_worker.ts": text.replace("new DenoPlugin({", "$&inspect: true,"),
  });
  await using worker = await startWorker([], { env, cwd: project.path });
  await using session = new Debugger(await addressOf(worker), [inActivity]);
  const { stdout } = await output("start", [], { env });
  assertEquals(session.stopped, [inActivity]);
  assertEquals(stdout, "Result: Hello, Temporal!\n");
});

Deno.test({
  name: "breakpoints stop in Workflows that Node.js replays",
  ignore: !hasNode,
  async fn() {
    const history = await readProjectFile(
      "tests/histories/hello-workflow.json",
    );
    await write({ "replay.mjs": replay, "history.json": history });
    await using program = launch("Replay", "", project.path);
    const address = await addressOf(program);
    await using session = new Debugger(address, [inWorkflow], true);
    await program.prints("Waiting for the debugger to disconnect");
    assertEquals(session.stopped, [inWorkflow]);
  },
});

Deno.test("what a Workflow logs appears once, not on replay", async () => {
  const env = { TEMPORAL_ADDRESS: server.address };
  const workflows = await readProjectFile("workflows.ts");
  const run = await readProjectFile("run_worker.ts");
  await write({
    "workflows.ts": workflows
      .replace("import { ", "import { log, ")
      .replace(
        "  return",
        '  console.log("one\\n\\x1b[2K", 1);\n  log.info("two");' +
          "\n  log.info(undefined as never);\n  return",
      ),
    // Each Workflow Task replays.
    "run_worker.ts": run.replace(
      "taskQueue,\n      ",
      "$&maxCachedWorkflows: 0,",
    ),
  });
  await using worker = await startWorker([], { env, cwd: project.path });
  await output("start", [], { env });
  await worker.prints("INFO undefined");
  worker.kill("SIGTERM");
  await worker.status;
  const printed = worker.stdout + worker.stderr;
  assertEquals(printed.match(/one|two/g), ["one", "two"]);
  assertMatch(printed, /^\[\w+\(.+\)\] one\n {2}\\u001b\[2K 1$/m);
  assertMatch(printed, / INFO undefined Workflow "hello-workflow"$/m);
});
