/**
 * Injects faults while Workflows run (the task `drill`). No Workflow Execution may
 * be lost, have a wrong result, or run twice.
 *
 * @module
 */

import type { Client } from "@temporalio/client";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readNumber } from "../packages/cli/arguments.ts";
import { UserError } from "../packages/cli/errors.ts";
import { interruption, runProgram } from "../packages/cli/program.ts";
import {
  type DevServer,
  hasFreePorts,
  startDevServer,
} from "../packages/cli/servers/dev_server.ts";
import { connectClient } from "./shared/client.ts";
import {
  type Execution,
  isCorrect,
  Load,
  startLoadWorker,
} from "./shared/load.ts";
import {
  ownServerOptions,
  type Program,
  run,
  waitFor,
} from "../packages/cli/processes.ts";
import { findPort } from "../packages/cli/ports.ts";
import { changedProject, root, temporaryFolder } from "./shared/project.ts";
import { Proxy } from "./shared/proxy.ts";
import { randomNumbers } from "./shared/random.ts";
import { formatTable, median } from "./shared/table.ts";

const options = {
  "--workflows NUMBER": "How many are open at any time (default: 200)",
  "--minutes NUMBER":
    "For how long to inject faults (default: 1; 0: each once)",
  "--seed NUMBER": "Repeats the faults of a drill that printed this seed",
};

/** How long a Worker may take to start, and Workflows to recover. */
const RECOVERY_TIMEOUT_S = 90;

/** A server and two Workers, whose connections go through a proxy. */
class Deployment implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #workers: Program[] = [];
  readonly #port = findPort(hasFreePorts);
  readonly #proxy: Proxy;
  readonly #database: string;
  readonly #signal: AbortSignal;
  readonly #pace: number;
  #server?: DevServer;

  constructor(folder: string, signal: AbortSignal, pace: number) {
    this.#database = join(folder, "temporal.db");
    this.#signal = signal;
    this.#pace = pace;
    this.#proxy = this.#stack.use(new Proxy(this.#port));
  }

  /** Starts the server and both Workers. */
  async start(): Promise<Client> {
    await this.startServer();
    await Promise.all([this.addWorker(), this.addWorker()]);
    const client = await connectClient(this.#server!.address);
    this.#stack.defer(() => client.connection.close());
    return client;
  }

  async startServer() {
    const [port, database, signal] = [this.#port, this.#database, this.#signal];
    this.#server = await startDevServer({ port, database, signal });
  }

  async killServer() {
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Lets Workflows run: as long as that, or a part of it in a short drill. */
  async pause(milliseconds: number) {
    await delay(milliseconds * this.#pace);
  }

  async cutConnections(milliseconds: number) {
    this.#proxy.cut();
    await this.pause(milliseconds);
    this.#proxy.restore();
  }

  /** Starts a Worker and waits until it polls. */
  async startWorker(cwd?: string): Promise<Program> {
    const ownServer = ownServerOptions(this.#proxy.address);
    ownServer.env.LOG_LEVEL = "ERROR";
    const worker = startLoadWorker({ cwd, ...ownServer });
    this.#stack.defer(() => worker.kill("SIGKILL"));
    await worker.prints("Worker is polling", RECOVERY_TIMEOUT_S);
    return worker;
  }

  async addWorker() {
    this.#workers.push(await this.startWorker());
  }

  /** Sends a signal to the processes in which Activities of all Workers run. */
  async signalActivities(signal: Deno.Signal) {
    const command = ["ps", "-A", "-o", "pid=,ppid=,args="];
    const lines = (await run(command, { signal: this.#signal })).split("\n");
    const processes = lines.map((line) => line.trim().split(/ +/))
      .map(([pid, parent, ...args]) => ({ pid, parent, args: args.join(" ") }));
    const descendants = (parent: string): typeof processes =>
      processes.filter((process) => process.parent === parent)
        .flatMap((process) => [process, ...descendants(process.pid)]);
    for (const worker of this.#workers) {
      for (const { pid, args } of descendants(`${worker.pid}`)) {
        // Not the launcher, which has such a URL in its options
        if (!args.includes(" data:text/javascript")) continue;
        try {
          Deno.kill(Number(pid), signal);
        } catch {
          // It has ended.
        }
      }
    }
  }

  /** Stops the oldest Worker. */
  async stopWorker(signal: "SIGKILL" | "SIGINT") {
    const worker = this.#workers.shift()!;
    worker.kill(signal);
    await worker.status;
  }

  async [Symbol.asyncDispose]() {
    await this.#stack.disposeAsync();
    await this.killServer();
  }
}

type Fault = (deployment: Deployment, random: () => number) => Promise<void>;

/** Each leaves the deployment as it was. */
const faults: Record<string, Fault> = {
  "Worker killed (SIGKILL), replaced": async (deployment) => {
    await deployment.stopWorker("SIGKILL");
    await deployment.addWorker();
  },
  "Worker replaced in a deploy (SIGINT)": async (deployment) => {
    await deployment.addWorker();
    await deployment.stopWorker("SIGINT");
  },
  "Server killed (SIGKILL), restarted": async (deployment, random) => {
    await deployment.killServer();
    await deployment.pause(random() * 3_000);
    await deployment.startServer();
  },
  "Connections of Workers cut": async (deployment, random) => {
    await deployment.cutConnections(1_000 + random() * 4_000);
  },
  "Activity processes killed (SIGKILL)": async (deployment) => {
    await deployment.signalActivities("SIGKILL");
  },
  "Activity processes stopped (SIGSTOP)": async (deployment) => {
    await deployment.signalActivities("SIGSTOP");
  },
  "Worker with Activities that fill the memory": async (deployment, random) => {
    const runWorker = await Deno.readTextFile(
      join(root, "tools/shared/run_worker.ts"),
    );
    await using project = await changedProject({
      "tools/shared/activities.ts":
        `import { activityInfo } from "@temporalio/activity";
        export async function answer(question: string): Promise<string> {
          if (activityInfo().attempt === 1) {
            for (const all: number[][] = [];;) all.push(Array(1e5).fill(1));
          }
          return \`Answer to \${question}\`;
        }`,
      "tools/shared/run_worker.ts": runWorker
        .replace("new DenoPlugin({", "$& heapLimitMB: 50,"),
    });
    await using _worker = await deployment.startWorker(project.path);
    await deployment.pause(2_000 + random() * 3_000);
  },
  "Worker with broken Workflow code": async (deployment, random) => {
    await using project = await changedProject({
      "tools/shared/workflows.ts":
        `export async function ask(): Promise<string> {
        throw new TypeError("This Workflow code is broken");
      }`,
    });
    await using _worker = await deployment.startWorker(project.path);
    await deployment.pause(2_000 + random() * 3_000);
  },
};

/** What is known of one kind of fault. */
interface Statistics {
  times: number;
  /** Workflow Executions that were open when it was injected. */
  open: Execution[];
  /** From each fault until all of these had their outcome. */
  seconds: number[];
}

await runProgram("deno task drill", options, async (args) => {
  const signal = interruption();
  const concurrency = readNumber("--workflows", args.workflows ?? "200");
  const minutes = readNumber("--minutes", args.minutes ?? "1");
  const seed = args.seed ?? `${Math.floor(Math.random() * 1e6)}`;
  const random = randomNumbers(readNumber("--seed", seed));
  await using folder = await temporaryFolder();
  await using deployment = new Deployment(
    folder.path,
    signal,
    minutes > 0 ? 1 : 0.25,
  );
  const client = await deployment.start();
  const load = new Load(client, concurrency);
  const statistics = new Map<string, Statistics>();
  const begin = Date.now();
  console.error(
    `${concurrency} Workflows open; --seed ${seed} repeats this drill`,
  );
  while (Date.now() < begin + minutes * 60_000 || statistics.size === 0) {
    for (const [name, inject] of shuffle(Object.entries(faults), random)) {
      await deployment.pause(1_000 + random() * 1_000);
      signal.throwIfAborted();
      const { open } = load;
      const time = new Date(Date.now() - begin).toISOString().slice(11, 19);
      const closed = load.executions.length - open.length;
      console.error(`${time} ${closed} closed, ${open.length} open: ${name}`);
      const row = statistics.get(name) ?? { times: 0, open: [], seconds: [] };
      statistics.set(name, row);
      row.times++;
      row.open.push(...open);
      const injected = performance.now();
      await inject(deployment, random);
      await waitForOutcomes(open, signal);
      row.seconds.push((performance.now() - injected) / 1000);
    }
  }
  load.stop();
  await waitForOutcomes(load.executions, signal);
  const runs = await countRuns(client);
  const count = (executions: Execution[]) => [
    executions.filter(({ outcome }) => outcome === undefined).length,
    executions.filter((one) => one.outcome && !isCorrect(one)).length,
    executions.filter(({ workflowId }) => runs.get(workflowId)! > 1).length,
  ];
  const { length } = load.executions;
  const total = count(load.executions);
  const head = ["Fault", "Times", "Open", "Lost", "Wrong", "Run twice"];
  console.log(formatTable([
    [...head, "Recovery in s: median", "maximum"],
    ...Array.from(statistics, ([name, { times, open, seconds }]) => [
      name,
      times,
      open.length,
      ...count(open),
      median(seconds).toFixed(1),
      Math.max(...seconds).toFixed(1),
    ]),
    ["All", "", length, ...total, "", ""],
  ]));
  if (total.some((number) => number > 0)) {
    throw new UserError(
      `Drill failed: not each of ${length} Workflows has its one result`,
    );
  }
});

/** Waits until Workflow Executions have an outcome, or for too long. */
async function waitForOutcomes(executions: Execution[], signal: AbortSignal) {
  const isDone = async () =>
    executions.every(({ outcome }) => outcome !== undefined);
  const options = { seconds: RECOVERY_TIMEOUT_S, signal };
  await waitFor("outcomes", isDone, options)
    .catch(() => signal.throwIfAborted());
}

/** Counts the runs of each Workflow Id on the server. */
async function countRuns(client: Client): Promise<Map<string, number>> {
  const runs = new Map<string, number>();
  for await (const { workflowId } of client.workflow.list()) {
    runs.set(workflowId, 1 + (runs.get(workflowId) ?? 0));
  }
  return runs;
}

function shuffle<T>(items: T[], random: () => number): T[] {
  return items.map((item) => ({ item, rank: random() }))
    .toSorted((a, b) => a.rank - b.rank).map(({ item }) => item);
}
