/**
 * Moves Temporal's TypeScript samples to Deno, and compares what they do there and on
 * Node.js:
 *
 * ```sh
 * git clone https://github.com/temporalio/samples-typescript
 * deno run -A tools/samples.ts samples-typescript [SAMPLE...]
 * ```
 *
 * It needs Linux with Node.js and npm, and `TEMPORAL_CLI`. Each run has a network of
 * its own, so that the samples find their server at the default port. With `NODE_22`,
 * the path of a newer Node.js, the moved sample runs there, too. Results and outputs
 * are kept in `OUT`, a temporary folder by default, with a table of them for
 * `docs/samples.md`; a sample that has a result there is not tried again.
 *
 * @module
 */

import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { moveApplication } from "../packages/create/move.ts";
import { formatTable } from "./shared/table.ts";

/** How a sample runs; scripts of its `package.json`, with arguments. */
interface Scenario {
  /** Scripts that run before, without a server. */
  prepare?: string[];
  /** Commands of the Temporal CLI. */
  setup?: string[];
  // Each script may follow variables, such as "NAME=value start".
  /** Scripts that run until the end (default: `start`). */
  workers?: string[];
  /** Scripts that run one after the other (default: `workflow*` and Mocha's tests). */
  clients?: string[];
  /** The seconds after which a client is ended (default: 150). */
  limit?: number;
  /** Whether the clock decides how many Workflows there are. */
  isTimed?: boolean;
  /** What is not the same from one run to the next. */
  varies?: RegExp;
}

interface Run {
  results: { script: string; code: number | string; output: string[] }[];
  workflows: Record<string, number>;
  logs: Record<string, string>;
}

interface Result {
  sample: string;
  moved: string;
  same: boolean;
  node22?: boolean;
  reason?: string;
}

const state = {
  clients: [
    ...[
      "workflow.start",
      "workflow.query",
      "workflow.signal",
      "workflow.query",
    ],
    "workflow.cancel",
  ],
};

const nexus = {
  setup: [
    "operator namespace create --namespace my-caller-namespace",
    "operator namespace create --namespace my-target-namespace",
    "operator nexus endpoint create --name my-nexus-endpoint-name --target-namespace my-target-namespace --target-task-queue my-handler-task-queue",
  ],
  workers: ["start.service", "start.caller"],
};

const scenarios: Record<string, Scenario> = {
  "cron-workflows": { limit: 5, isTimed: true },
  "eager-workflow-start": { workers: [], clients: ["start"] },
  "env-config": { workers: [], clients: ["load-default", "load-profile"] },
  "expense": { workers: ["server", "start"] },
  "fetch-esm": { clients: ["workflow-local"] },
  // console.log() of Deno prints objects to a greater depth, and tables otherwise.
  "grpc-calls": { varies: /^[\s{}\]┌├│└]/ },
  "langsmith": { workers: [] },
  "message-passing/safe-message-handlers": { clients: ["simulation", "test"] },
  "mutex": { clients: ["workflow r1", "test"], limit: 120 },
  "nexus-cancellation": nexus,
  "nexus-hello": nexus,
  "nexus-messaging": {
    setup: [
      "operator namespace create --namespace nexus-messaging-handler-namespace",
      "operator namespace create --namespace nexus-messaging-caller-namespace",
      "operator nexus endpoint create --name nexus-messaging-nexus-endpoint --target-namespace nexus-messaging-handler-namespace --target-task-queue nexus-messaging-handler-task-queue",
    ],
    workers: ["start.callerpattern.service", "start.callerpattern.caller"],
    clients: ["workflow.callerpattern"],
  },
  "nexus-standalone-operations": {
    setup: [
      "operator namespace create --namespace my-caller-namespace",
      "operator namespace create --namespace my-handler-namespace",
      "operator nexus endpoint create --name my-nexus-endpoint --target-namespace my-handler-namespace --target-task-queue nexus-handler-queue",
    ],
    workers: ["TEMPORAL_NAMESPACE=my-handler-namespace worker"],
    clients: ["TEMPORAL_NAMESPACE=my-caller-namespace starter"],
  },
  "openai-agents": { workers: [], clients: ["test"], limit: 300 },
  "production": { prepare: ["build:workflow"] },
  "protobufs": { prepare: ["build:protos"] },
  "schedules": {
    clients: [
      "start",
      "list",
      "describe",
      "pause",
      "unpause",
      "trigger",
      "delete",
    ]
      .map((name) => `schedule.${name}`),
    limit: 20,
    isTimed: true,
    varies: /^Schedules are now listed|Time/,
  },
  "scratchpad": { workers: [], clients: ["start"] },
  // Its last lines come when the server has indexed the Workflow.
  "search-attributes": {
    clients: ["create-attributes", "workflow"],
    limit: 30,
    // The server returns them in any order.
    varies: /^\s|^Added/,
  },
  "signals-queries": state,
  "sleep-for-days": { limit: 8 },
  "standalone-activity": { clients: ["execute", "list", "test"] },
  "state": state,
  "worker-versioning": {
    workers: ["worker1", "worker1_1", "worker2"],
    clients: ["example"],
    limit: 120,
  },
  "workflow-streams": {
    clients: [
      ...["publisher", "reconnecting", "external", "ticker"]
        .map((name) => `workflow.${name}`),
      "test",
    ],
    // Two programs print at once.
    varies: /proc=|offset=/,
  },
};

/** Samples that cannot run without what a person has to set up. */
const skipped: Record<string, string> = {
  "hello-world-mtls": "needs certificates of Temporal Cloud",
  "lambda-worker": "needs AWS Lambda",
  "query-subscriptions": "needs Redis",
  "snippets": "fails at random, on purpose",
};

/** Packages that are not needed to run a sample, and take the longest to install. */
const unused = /eslint|prettier|nodemon|jest|husky/;

const npmInstall = [
  ...["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"],
  // The samples install with pnpm, which is less strict.
  ...["--ignore-scripts", "--legacy-peer-deps"],
];

type Dependencies = Record<string, string>;

function allDependencies(
  manifest: Record<string, Dependencies | undefined>,
): Dependencies {
  const all = { ...manifest.devDependencies, ...manifest.dependencies };
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !unused.test(name)),
  );
}

/**
 * Returns the latest version of the contrib package that a sample has: it names the one
 * version of the SDK that it works with, which may not be the latest.
 */
async function contribVersion(
  dependencies: Dependencies,
): Promise<string | undefined> {
  const name = Object.keys(dependencies).find((name) =>
    /^@temporalio\/(?:ai-sdk|interceptors-opentelemetry-v2|langsmith|openai-agents|workflow-streams)$/
      .test(name)
  );
  if (!name) return;
  const { stdout } = await new Deno.Command("npm", {
    args: ["view", name, "version"],
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

/**
 * Installs the packages that samples share in the folder above them, to save time.
 * Of several versions, it is the most frequent one.
 */
async function installShared(clone: string, samples: string[], out: string) {
  const counts: Record<string, Record<string, number>> = {};
  for (const sample of samples) {
    const text = await Deno.readTextFile(join(clone, sample, "package.json"));
    for (
      const [name, range] of Object.entries(allDependencies(JSON.parse(text)))
    ) {
      const own = counts[name] ??= {};
      own[range] = (own[range] ?? 0) + 1;
    }
  }
  const dependencies = Object.fromEntries(
    Object.entries(counts).flatMap(([name, ranges]) => {
      const [[range, count]] = Object.entries(ranges).sort((a, b) =>
        b[1] - a[1]
      );
      return count > 2 ? [[name, range]] : [];
    }),
  );
  const cwd = join(out, "samples");
  const path = join(cwd, "package.json");
  await Deno.mkdir(cwd, { recursive: true });
  const text = JSON.stringify({ private: true, dependencies });
  if (await Deno.readTextFile(path).catch(() => "") === text) {
    return dependencies;
  }
  await Deno.writeTextFile(path, text);
  const { success } = await new Deno.Command("npm", {
    args: npmInstall.slice(1),
    cwd,
  }).output();
  if (!success) throw new Error("npm install failed");
  return dependencies;
}

/** Runs a sample on a server of its own, in a network and processes of its own. */
async function runIsolated(folder: string, given: object): Promise<Run> {
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["-rn", "--pid", "--fork", "--kill-child", "--mount-proc"],
      ...[Deno.execPath(), "run", "-A", "-q"],
      ...[fileURLToPath(import.meta.url), "--inside", JSON.stringify(given)],
    ],
    cwd: folder,
  }).output();
  try {
    return JSON.parse(new TextDecoder().decode(stdout));
  } catch {
    throw new Error(new TextDecoder().decode(stderr));
  }
}

/** The part of a run that is inside. */
async function runInside(
  { scenario, runner, env }: {
    scenario: Scenario;
    runner: string[];
    env: Record<string, string>;
  },
): Promise<Run> {
  await new Deno.Command("ip", { args: ["link", "set", "lo", "up"] }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const cli = Deno.env.get("TEMPORAL_CLI") ?? "temporal";
  const temporal = async (args: string[]) => {
    const output = await new Deno.Command(cli, { args }).output();
    return { ...output, text: decode(output.stdout) };
  };
  const home = await Deno.makeTempDir();
  const all = {
    ...env,
    HOME: Deno.env.get("HOME")!,
    TMPDIR: home,
    NO_COLOR: "1",
  };
  // Where the SDK keeps the servers that it downloads.
  const { default: { version } } = await import(
    join(Deno.cwd(), "node_modules/@temporalio/testing/package.json"),
    { with: { type: "json" } }
  ).catch(() => ({ default: { version: "1.24.0" } }));
  const provide = async (name: string, path: string) => {
    const file = `${home}/temporal-${name}sdk-typescript-${version}`;
    const text = `#!/bin/sh\nexec "${path}" "$@"\n`;
    await Deno.writeTextFile(file, text, { mode: 0o755 });
  };
  await provide("", cli);
  const testServer = Deno.env.get("TEMPORAL_TEST_SERVER");
  if (testServer) await provide("test-server-", testServer);
  const start = (script: string) => {
    const words = script.split(" ");
    const own = words.filter((word) => /^\w+=/.test(word))
      .map((word) => word.split("="));
    const [name, ...args] = words.slice(own.length);
    const extra = runner[0] === "npm" && args.length > 0
      ? ["--", ...args]
      : args;
    const child = new Deno.Command(runner[0], {
      args: [...runner.slice(1), name, ...extra],
      env: { ...all, ...Object.fromEntries(own) },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const texts = { stdout: "", stderr: "" };
    const read = async (name: keyof typeof texts) => {
      for await (const chunk of child[name]) texts[name] += decode(chunk);
    };
    const end = Promise.all([read("stdout"), read("stderr")]);
    return { child, end, texts };
  };
  const run: Run = { results: [], workflows: {}, logs: {} };
  const finish = async (script: string, limit: number) => {
    const { child, end, texts } = start(script);
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      new Deno.Command("pkill", { args: ["-P", `${child.pid}`] }).outputSync();
      child.kill("SIGKILL");
    }, limit * 1000);
    const { code } = await child.status;
    clearTimeout(timer);
    // Children of an ended program may hold the pipes.
    await Promise.race([end, delay(2000)]);
    run.logs[`client ${script}`] = texts.stdout + texts.stderr;
    const output = normalize(
      texts.stdout,
      scenario.varies && new RegExp(scenario.varies),
    );
    run.results.push({ script, code: isOver ? "timeout" : code, output });
  };
  for (const script of scenario.prepare ?? []) await finish(script, 120);
  new Deno.Command(cli, {
    args: [
      ...["server", "start-dev", "--headless", "--log-level", "never"],
      ...["--dynamic-config-value", "frontend.activityAPIsEnabled=true"],
    ],
    stdout: "null",
    stderr: "null",
  }).spawn().unref();
  for (let tries = 0; tries < 100; tries++) {
    if ((await temporal(["operator", "cluster", "health"])).success) break;
    await delay(100);
  }
  for (const line of scenario.setup ?? []) {
    const { success, stderr } = await temporal(line.split(" "));
    if (!success) throw new Error(decode(stderr));
  }
  const workers = (scenario.workers ?? ["start"]).map((script) => {
    const worker = start(script);
    return { script, ...worker };
  });
  const ended = new Set<Deno.ChildProcess>();
  for (const { texts, child } of workers) {
    child.status.then(() => ended.add(child));
    for (let tries = 0; tries < 200 && !ended.has(child); tries++) {
      if (/RUNNING|listening/i.test(texts.stderr + texts.stdout)) break;
      await delay(100);
    }
  }
  for (const script of scenario.clients ?? []) {
    await finish(script, scenario.limit ?? 150);
  }
  const namespaces = await temporal([
    "operator",
    "namespace",
    "list",
    "-o",
    "json",
  ]);
  for (const { namespaceInfo: { name } } of JSON.parse(namespaces.text)) {
    const list = await temporal([
      ...[
        "workflow",
        "list",
        "-o",
        "json",
        "--limit",
        "500",
        "--namespace",
        name,
      ],
    ]);
    for (const { type, status } of JSON.parse(list.text || "[]")) {
      if (type.name.startsWith("temporal-sys-")) continue;
      const key = `${type.name} ${status.replace(/.*STATUS_/, "")}`;
      run.workflows[key] = (run.workflows[key] ?? 0) + 1;
    }
  }
  for (const { script, texts, child } of workers) {
    const code = ended.has(child) ? "ends" : "runs";
    run.results.push({ script, code, output: [] });
    run.logs[`worker ${script}`] = texts.stdout + texts.stderr;
    if (code === "runs") child.kill("SIGKILL");
  }
  await Deno.remove(home, { recursive: true });
  return run;
}

/** Leaves out of an output what differs from one run to the next. */
function normalize(text: string, varies = /$^/): string[] {
  return text.split("\n").filter((line) =>
    line.trim() &&
    !/^\s+at |^> |^\s*$|^Temporal (?:CLI|Server|Persistence|Metrics)/.test(
      line,
    ) && !varies.test(line)
  ).map((line) =>
    stripVTControlCharacters(line)
      .replace(/\d{10,}/g, "N")
      .replace(/[\w-]{25,}/g, "ID")
      .replace(/<Buffer .*?>/g, "BYTES")
      // console.log() of Deno prints strings in objects with other quotes.
      .replaceAll("'", '"')
      .replace(
        /[\w-]*[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g,
        "ID",
      )
      .replace(/([-_])[\w-]{21}\b/g, "$1ID")
      .replace(/\b[\w-]{21}\b/g, "ID")
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*/g, "TIME")
      .replace(/\d+(?:\.\d+)?\s?m?s\b|\b\d{4,}n?\b/g, "N")
      .replace(/(?:file:\/\/)?\/\S+\/(\S+)/g, "$1")
      .replace(/ \(N\)$/, "")
  );
}

/** Why the runs differ; undefined if they do not. */
function compare(
  one: Run,
  other: Run,
  isTimed = false,
): string | undefined {
  for (const [index, { script, code, output }] of one.results.entries()) {
    const { code: otherCode, output: otherOutput } = other.results[index];
    if (code !== otherCode) {
      return `${script} ends with ${otherCode}, not ${code}`;
    }
    const line = output.findIndex((line, at) => line !== otherOutput[at]);
    if (line >= 0 || output.length !== otherOutput.length) {
      const at = line < 0 ? output.length : line;
      return `${script} prints "${otherOutput[at]}", not "${output[at]}"`;
    }
  }
  const print = ({ workflows }: Run) =>
    Object.entries(workflows).map((entry) => entry.join(" ")).sort().join(", ");
  if (!isTimed && print(one) !== print(other)) {
    return `Workflows: "${print(other)}", not "${print(one)}"`;
  }
}

async function trySample(
  clone: string,
  sample: string,
  { out, shared }: { out: string; shared: Record<string, string> },
): Promise<Result> {
  const folder = join(out, "samples", sample);
  const log = join(out, "logs", sample.replace("/", "_"));
  await Deno.mkdir(dirname(folder), { recursive: true });
  await Deno.mkdir(log, { recursive: true });
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await cp(join(clone, sample), folder, { recursive: true });
  const path = join(folder, "package.json");
  const manifest = JSON.parse(await Deno.readTextFile(path));
  for (const name of Object.keys(manifest.devDependencies ?? {})) {
    if (unused.test(name)) delete manifest.devDependencies[name];
  }
  const own = await contribVersion(allDependencies(manifest));
  for (
    const dependencies of [manifest.dependencies, manifest.devDependencies]
  ) {
    for (const name of Object.keys(dependencies ?? {})) {
      if (!name.startsWith("@temporalio/")) continue;
      // An exact version may be older than the plugin takes.
      dependencies[name] = own ?? dependencies[name].replace(/^(?=\d)/, "^");
    }
  }
  await Deno.writeTextFile(path, JSON.stringify(manifest, null, 2));
  const names = Object.keys(manifest.scripts ?? {});
  const scenario: Scenario = {
    // Some tests are those that the build writes.
    prepare: manifest.scripts?.test?.includes("lib/") ? ["build"] : [],
    clients: names.filter((name) =>
      name.startsWith("workflow") ||
      name === "test" && manifest.scripts.test.startsWith("mocha")
    ),
    ...scenarios[sample],
  };
  scenario.clients = scenario.clients?.map((script) =>
    script === "test" ? "test --timeout 60000" : script
  );
  const given = { ...scenario, varies: scenario.varies?.source };
  const must = async (command: string[]) => {
    const { success, stderr } = await new Deno.Command(command[0], {
      args: command.slice(1),
      cwd: folder,
    }).output();
    const text = new TextDecoder().decode(stderr);
    if (!success) throw new Error(`${command[0]}: ${text.trim().slice(-300)}`);
  };
  const isShared = Object.entries(allDependencies(manifest))
    .every(([name, range]) => shared[name] === range);
  if (!isShared) await must(npmInstall);
  const env = {
    PATH: Deno.env.get("PATH")!,
    // Types are not what is compared.
    TS_NODE_TRANSPILE_ONLY: "true",
  };
  const runOn = async (name: string, runner: string[], own = {}) => {
    const run = await runIsolated(folder, {
      scenario: given,
      runner,
      env: { ...env, ...own },
    });
    await Deno.writeTextFile(
      join(log, `${name}.txt`),
      Object.entries(run.logs).map(([key, text]) => `== ${key}\n${text}\n`)
        .join("") + JSON.stringify({ ...run, logs: undefined }, null, 1),
    );
    return run;
  };
  const npm = ["npm", "run", "--silent"];
  const node = await runOn("node", npm);
  const moved = await moveApplication(folder, { allowDirty: true });
  await Deno.writeTextFile(
    join(log, "move.txt"),
    [...moved.changes, { path: "", text: "-- look at" }, ...moved.todo]
      .map(({ path, line, text }) => `${path}:${line ?? ""} ${text}\n`).join(
        "",
      ),
  );
  if (own) {
    // In a workspace, the plugin would bring the SDK of the workspace.
    const plugin = join(out, "plugin");
    await cp(join(import.meta.dirname!, "../packages/plugin"), plugin, {
      recursive: true,
    });
    const config = join(folder, "deno.json");
    const text = await Deno.readTextFile(config);
    const links = `"links": ["${plugin}"]`;
    await Deno.writeTextFile(config, text.replace(/"links": .*\]/, links));
  }
  await must([Deno.execPath(), "install"]);
  const deno = await runOn("deno", [Deno.execPath(), "task", "-q"], {
    DENO_DIR: Deno.env.get("DENO_DIR") ??
      join(Deno.env.get("HOME")!, ".cache/deno"),
  });
  const reason = compare(node, deno, scenario.isTimed);
  const result: Result = {
    sample,
    moved: "by the program",
    same: !reason,
    reason,
  };
  const node22 = Deno.env.get("NODE_22");
  if (node22) {
    const later = await runOn("node22", npm, {
      PATH: `${dirname(node22)}:${env.PATH}`,
    });
    result.node22 = compare(node, later, scenario.isTimed) === undefined;
  }
  const isFailure = ({ code }: Run["results"][0]) =>
    code === "ends" || typeof code === "number" && code > 0;
  if (node.results.some(isFailure)) {
    result.reason = `on Node.js, ${
      node.results.filter(isFailure).map(({ script }) => script)
    } fails, too; ${reason ?? ""}`;
  }
  return result;
}

async function main([clone, ...chosen]: string[]) {
  const out = Deno.env.get("OUT") ?? await Deno.makeTempDir();
  console.error(`Results are kept in ${out}`);
  const all = [...Deno.readDirSync(clone)].flatMap(({ name, isDirectory }) => {
    if (!isDirectory || name.startsWith(".")) return [];
    const has = (path: string) => {
      try {
        return Deno.statSync(join(clone, path, "package.json")).isFile;
      } catch {
        return false;
      }
    };
    if (has(name)) return [name];
    return [...Deno.readDirSync(join(clone, name))]
      .map((inner) => `${name}/${inner.name}`).filter(has);
  }).sort();
  const shared = await installShared(clone, all, out);
  for (const sample of chosen.length > 0 ? chosen : all) {
    const file = join(out, `${sample.replace("/", "_")}.json`);
    const isKnown = await Deno.stat(file).then(() => true, () => false);
    if (isKnown && chosen.length === 0) continue;
    const started = Date.now();
    let result: Result;
    try {
      if (skipped[sample]) throw new Error(skipped[sample]);
      result = await trySample(clone, sample, { out, shared });
    } catch (error) {
      const reason = (error as Error).message.split("\n").slice(-5).join(" ");
      result = { sample, moved: "no", same: false, reason };
    }
    await Deno.writeTextFile(file, JSON.stringify(result));
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(JSON.stringify({ ...result, seconds }));
    await Deno.writeTextFile(join(out, "table.md"), await printTable(out));
  }
}

/** Returns the results as a table for the docs. */
async function printTable(out: string): Promise<string> {
  const results: Result[] = [];
  for (const { name } of Deno.readDirSync(out)) {
    if (!name.endsWith(".json")) continue;
    results.push(JSON.parse(await Deno.readTextFile(join(out, name))));
  }
  results.sort((a, b) => a.sample < b.sample ? -1 : 1);
  const link = (sample: string) =>
    `[${sample}](https://github.com/temporalio/samples-typescript/tree/main/${sample})`;
  return formatTable([
    ["Sample", "Moved", "Same result", "Why not, or what else"],
    ...results.map(({ sample, moved, same, reason = "" }) => [
      link(sample),
      moved,
      same ? "yes" : "no",
      reason.replaceAll("|", "\\|").replace(/(?<=.{200}).*/s, "…").trim(),
    ]),
  ]) + "\n";
}

if (Deno.args[0] === "--inside") {
  console.log(JSON.stringify(await runInside(JSON.parse(Deno.args[1]))));
  Deno.exit(0);
}
if (import.meta.main) await main(Deno.args);
