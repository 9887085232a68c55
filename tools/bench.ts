/**
 * Measures the application (the task `bench`): how soon a Worker polls, how long a
 * Workflow takes, how many run in a second, and what the Worker uses for it.
 * Processor time and memory are measured on Linux only.
 *
 * @module
 */

import type { Client } from "@temporalio/client";
import { join } from "node:path";
import { UserError } from "../packages/cli/errors.ts";
import {
  abortable,
  interruption,
  runProgram,
} from "../packages/cli/program.ts";
import {
  type DevServer,
  startDevServer,
} from "../packages/cli/servers/dev_server.ts";
import { connectClient } from "./shared/client.ts";
import { isCorrect, Load, startLoadWorker } from "./shared/load.ts";
import { ownServerOptions, type Program } from "../packages/cli/processes.ts";
import { changedProject, removeBundles, root } from "./shared/project.ts";
import { cpuTime, memory, processesOf } from "./shared/processes.ts";
import { formatRange, formatTable, median } from "./shared/table.ts";

const options = {
  "--quick": "Measure once, with one Worker and 20 Workflows open",
};

/** An Activity that computes for some 0.1 s. */
const computing =
  `export async function answer(question: string): Promise<string> {
  for (let i = 0; i < 2e7; i++) Math.sqrt(Math.random());
  return \`Answer to \${question}\`;
}`;

/** Measures on a server of its own. */
class Bench {
  readonly #client: Client;
  readonly #server: DevServer;
  readonly #signal: AbortSignal;

  constructor(client: Client, server: DevServer, signal: AbortSignal) {
    this.#client = client;
    this.#server = server;
    this.#signal = signal;
  }

  /** Starts a Worker in a copy of the project, and waits until it polls. */
  async #startWorker(cwd = root): Promise<Program> {
    this.#signal.throwIfAborted();
    const ownServer = ownServerOptions(this.#server.address);
    const worker = startLoadWorker({ cwd, ...ownServer });
    await worker.prints("Worker is polling");
    return worker;
  }

  /** Runs Workflows; returns their latencies and the time of all together. */
  async #run(concurrency: number, total: number) {
    const begin = performance.now();
    const load = new Load(this.#client, concurrency, total);
    await abortable(load.ended, this.#signal);
    const wrong = load.executions.find((execution) => !isCorrect(execution));
    if (wrong) {
      throw new UserError(`Cannot measure: a Workflow has "${wrong.outcome}"`);
    }
    const seconds = (performance.now() - begin) / 1000;
    return { latencies: load.executions.map((one) => one.latency!), seconds };
  }

  /** Milliseconds from the command until the Worker polls. */
  async startUp(runs: number): Promise<string> {
    const time = async () => {
      const begin = performance.now();
      await using _worker = await this.#startWorker();
      return performance.now() - begin;
    };
    const changed: number[] = [];
    const unchanged: number[] = [];
    for (let run = 0; run < runs; run++) {
      await removeBundles();
      changed.push(await time());
      unchanged.push(await time());
    }
    return formatTable([
      ["From the command until the Worker polls", "ms"],
      ["Workflow code has changed", formatRange(changed)],
      ["Workflow code is unchanged", formatRange(unchanged)],
    ]);
  }

  /** Returns a row of figures for some Workers and some Workflows at a time. */
  async load(workers: number, concurrency: number, runs: number) {
    console.error(`Workers: ${workers}, open Workflows: ${concurrency} …`);
    await using stack = new AsyncDisposableStack();
    const pids: number[] = [];
    for (let number = 0; number < workers; number++) {
      pids.push(...processesOf(stack.use(await this.#startWorker()).pid));
    }
    await this.#run(concurrency, 100); // warms up
    const total = concurrency === 1 ? 50 : 400;
    const columns: number[][] = [[], [], [], []];
    for (let run = 0; run < runs; run++) {
      const before = [cpuTime(...pids), cpuTime(this.#server.pid)];
      const { latencies, seconds } = await this.#run(concurrency, total);
      columns[0].push(total / seconds);
      columns[1].push(median(latencies));
      columns[2].push((cpuTime(...pids) - before[0]) / total);
      columns[3].push((cpuTime(this.#server.pid) - before[1]) / total);
    }
    return [workers, concurrency, ...columns.map(formatRange)];
  }

  /** Workflows in a second whose Activities compute, by the number of processes. */
  async processes(runs: number): Promise<string> {
    const runWorker = await Deno.readTextFile(
      join(root, "tools/shared/run_worker.ts"),
    );
    const rows: (string | number)[][] = [];
    for (const processes of [1, 2, 4]) {
      await using project = await changedProject({
        "tools/shared/activities.ts": computing,
        "tools/shared/run_worker.ts": runWorker
          .replace("new DenoPlugin({", `$& processes: ${processes},`),
      });
      await using _worker = await this.#startWorker(project.path);
      await this.#run(20, 20); // warms up
      const rates: number[] = [];
      for (let run = 0; run < runs; run++) {
        rates.push(50 / (await this.#run(20, 50)).seconds);
      }
      rows.push([processes, formatRange(rates)]);
    }
    return formatTable([
      ["Processes for Activities that compute", "Workflows/s"],
      ...rows,
    ]);
  }

  /** One Worker's memory and processor time as Workflows add up. */
  async memory(total: number): Promise<string> {
    await using worker = await this.#startWorker();
    const pids = processesOf(worker.pid);
    const rows = [[0, memory(pids).toFixed(0), ""]];
    for (let workflows = 0; workflows < total;) {
      const part = Math.min(Math.max(workflows * 9, 100), total - workflows);
      const before = cpuTime(...pids);
      await this.#run(20, part);
      workflows += part;
      const cpu = (cpuTime(...pids) - before) / part;
      rows.push([workflows, memory(pids).toFixed(0), cpu.toFixed(1)]);
    }
    return formatTable([["Workflows", "MB", "CPU ms for one"], ...rows]);
  }
}

await runProgram("deno task bench", options, async ({ quick }) => {
  const signal = interruption();
  const runs = quick ? 1 : 3;
  await using server = await startDevServer({ signal });
  const client = await connectClient(server.address);
  const bench = new Bench(client, server, signal);
  const { os, arch } = Deno.build;
  const cores = navigator.hardwareConcurrency;
  console.log(
    `${os} ${arch}, ${cores} cores, Deno ${Deno.version.deno}; figures are the ` +
      "median (minimum–maximum)\n",
  );
  console.log(await bench.startUp(runs));
  const rows = [];
  for (const workers of quick ? [1] : [1, 2, 4]) {
    for (const concurrency of quick ? [20] : [1, 20, 200]) {
      rows.push(await bench.load(workers, concurrency, runs));
    }
  }
  const cpu = ["Workers' CPU ms for one", "server's"];
  const head = ["Workers", "Open", "Workflows/s", "ms for one", ...cpu];
  console.log(`\n${formatTable([head, ...rows])}`);
  console.log(`\n${await bench.processes(runs)}`);
  console.log(`\n${await bench.memory(quick ? 600 : 10_000)}`);
  await client.connection.close();
});
