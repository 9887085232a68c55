/**
 * Measures the application (the task `bench`): how soon a Worker polls, how long a
 * Workflow takes, how many run in a second, and what the Worker needs for it.
 *
 * @module
 */

import { Client, Connection } from "@temporalio/client";
import { join } from "node:path";
import { readNumber } from "../lib/arguments.ts";
import { UserError } from "../lib/errors.ts";
import { interruption, orInterrupted, runProgram } from "../lib/program.ts";
import { type DevServer, hasFreePorts, startDevServer } from "./dev_server.ts";
import { isRight, Load } from "./load.ts";
import {
  describe,
  describeMachine,
  draw,
  type Figure,
  type Figures,
  type LoadFigures,
} from "./bench_report.ts";
import { findPort, type Program, runTask } from "./processes.ts";
import { root } from "./project.ts";
import { median } from "./table.ts";

const bundle = join(root, "node_modules/.cache/workflow-bundle.json");

const options = {
  "--workflows NUMBER": "How many run for the memory figures (default: 10000)",
  "--runs NUMBER": "How often the other figures are measured (default: 3)",
  "--json": "Print the figures as JSON",
  "--svg FILE": "Draw them in a file, too",
};

/** The measuring, on a server of its own. */
class Bench {
  readonly #client: Client;
  readonly #server: DevServer;
  readonly #signal: AbortSignal;

  constructor(client: Client, server: DevServer, signal: AbortSignal) {
    this.#client = client;
    this.#server = server;
    this.#signal = signal;
  }

  /** Starts `run_worker.ts` as its task does, and waits until it polls. */
  async #startWorker(): Promise<Program> {
    this.#signal.throwIfAborted();
    const worker = runTask("worker", {
      env: { TEMPORAL_ADDRESS: this.#server.address },
    });
    await worker.prints("Worker polls");
    return worker;
  }

  async #timeStartUp(): Promise<number> {
    const begin = performance.now();
    await using _worker = await this.#startWorker();
    return performance.now() - begin;
  }

  /** Measures how long a Worker takes until it polls. */
  async startUp(runs: number): Promise<Figures["startUp"]> {
    const first: number[] = [];
    const unchanged: number[] = [];
    for (let run = 0; run < runs; run++) {
      await Deno.remove(bundle).catch(() => {});
      first.push(await this.#timeStartUp());
      unchanged.push(await this.#timeStartUp());
    }
    return { first: figure(first), unchanged: figure(unchanged) };
  }

  /** Runs so many Workflows and returns them, and the seconds that it took. */
  async #run(inFlight: number, total: number) {
    const begin = performance.now();
    const load = new Load(this.#client, inFlight, total);
    await orInterrupted(load.ended(), this.#signal);
    const wrong = load.flights.find((flight) => !isRight(flight));
    if (wrong) throw new UserError(`A Workflow came to "${wrong.outcome}"`);
    const seconds = (performance.now() - begin) / 1000;
    return { flights: load.flights, seconds };
  }

  /** Measures Workflows with some Workers, and some of them in flight at a time. */
  async load(
    workers: number,
    inFlight: number,
    runs: number,
  ): Promise<LoadFigures> {
    await using stack = new AsyncDisposableStack();
    const programs: Program[] = [];
    for (let number = 0; number < workers; number++) {
      programs.push(stack.use(await this.#startWorker()));
    }
    await this.#run(inFlight, 100); // warms up
    const total = inFlight === 1 ? 50 : 400;
    const perSecond: number[] = [];
    const latency: number[] = [];
    const workerCpu: number[] = [];
    const serverCpu: number[] = [];
    const cpuOfWorkers = () => sum(programs.map(({ pid }) => cpuTime(pid)));
    for (let run = 0; run < runs; run++) {
      const before = [cpuOfWorkers(), cpuTime(this.#server.pid)];
      const { flights, seconds } = await this.#run(inFlight, total);
      perSecond.push(total / seconds);
      latency.push(median(flights.map(({ duration }) => duration!)));
      workerCpu.push((cpuOfWorkers() - before[0]) / total);
      serverCpu.push((cpuTime(this.#server.pid) - before[1]) / total);
    }
    return {
      workers,
      inFlight,
      perSecond: figure(perSecond),
      latency: figure(latency),
      workerCpu: figure(workerCpu),
      serverCpu: figure(serverCpu),
    };
  }

  /** Measures a Worker's memory, and its processor time, as Workflows add up. */
  async memory(total: number): Promise<Figures["memory"]> {
    await using worker = await this.#startWorker();
    const figures = [{
      workflows: 0,
      megabytes: memory(worker.pid),
      workerCpu: 0,
    }];
    for (let workflows = 0; workflows < total;) {
      const part = Math.min(Math.max(workflows * 9, 100), total - workflows);
      const before = cpuTime(worker.pid);
      await this.#run(20, part);
      workflows += part;
      const workerCpu = (cpuTime(worker.pid) - before) / part;
      figures.push({ workflows, megabytes: memory(worker.pid), workerCpu });
    }
    return figures;
  }
}

function figure(numbers: number[]): Figure {
  return {
    median: median(numbers),
    min: Math.min(...numbers),
    max: Math.max(...numbers),
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

/** The processor time that a program has used, in milliseconds. */
function cpuTime(pid: number): number {
  const fields = readProc(pid, "stat")?.split(") ")[1].split(" ");
  // Of user and system, in ticks of 10 milliseconds.
  return fields ? 10 * (Number(fields[11]) + Number(fields[12])) : NaN;
}

/** The memory that a program has now, in megabytes. */
function memory(pid: number): number {
  const size = /VmRSS:\s+(\d+) kB/.exec(readProc(pid, "status") ?? "")?.[1];
  return Number(size ?? NaN) / 1000;
}

/** What Linux tells of a program; other systems do not. */
function readProc(pid: number, file: string): string | undefined {
  if (Deno.build.os !== "linux") return;
  // Deno itself would read this only with all permissions.
  const cat = new Deno.Command("cat", { args: [`/proc/${pid}/${file}`] });
  return new TextDecoder().decode(cat.outputSync().stdout);
}

await runProgram("deno task bench", options, async (args) => {
  const signal = interruption();
  const total = readNumber("--workflows", args.workflows ?? "10000");
  const runs = readNumber("--runs", args.runs ?? "3");
  const port = findPort(17_233, hasFreePorts);
  await using server = await startDevServer({ port, signal });
  const { address } = server;
  const connection = await Connection.connect({ address });
  const bench = new Bench(new Client({ connection }), server, signal);
  const startUp = await bench.startUp(runs);
  const load: LoadFigures[] = [];
  for (const workers of [1, 2, 4]) {
    for (const inFlight of [1, 20, 200]) {
      console.error(`${workers} Workers, ${inFlight} in flight …`);
      load.push(await bench.load(workers, inFlight, runs));
    }
  }
  console.error(`${total} Workflows …`);
  const memory = await bench.memory(total);
  await connection.close();
  const figures = { machine: describeMachine(), startUp, load, memory };
  console.log(args.json ? JSON.stringify(figures, null, 2) : describe(figures));
  if (args.svg) await Deno.writeTextFile(args.svg, draw(figures));
});
