/**
 * A drill (the task `drill`): while Workflows run, what they run on fails, in one
 * way after the other. None may be lost, have a wrong result, or run twice.
 *
 * @module
 */

import { Client, Connection } from "@temporalio/client";
import { join } from "node:path";
import { readNumber } from "../lib/arguments.ts";
import { UserError } from "../lib/errors.ts";
import { interruption, runProgram } from "../lib/program.ts";
import { type DevServer, hasFreePorts, startDevServer } from "./dev_server.ts";
import { type Flight, isRight, Load } from "./load.ts";
import { findPort, type Program, runTask, waitUntil } from "./processes.ts";
import { changedProject, root, temporaryFolder } from "./project.ts";
import { Proxy } from "./proxy.ts";
import { median, table } from "./table.ts";

const options = {
  "--workflows NUMBER": "How many are in flight at any time (default: 200)",
  "--minutes NUMBER": "For how long faults are made (default: 1)",
  "--seed NUMBER": "What the order and the moments of the faults follow from",
};

/** How long a Worker or a Workflow may take to get over a fault, in seconds. */
const patience = 90;

/** What the drill runs, and what it can do to it. */
class Stage implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #workers: Program[] = [];
  readonly #started = new Set<Program>();
  readonly #port = findPort(17_233, hasFreePorts);
  readonly #database: string;
  readonly #signal: AbortSignal;
  #server?: DevServer;
  #proxy?: Proxy;

  constructor(folder: string, signal: AbortSignal) {
    this.#database = join(folder, "temporal.db");
    this.#signal = signal;
  }

  /** Starts a server, and two Workers behind a proxy. */
  async open(): Promise<Client> {
    await this.startServer();
    this.#proxy = this.#stack.use(new Proxy(this.#port));
    await Promise.all([this.addWorker(), this.addWorker()]);
    const { address } = this.#server!;
    const connection = await Connection.connect({ address });
    this.#stack.defer(() => connection.close());
    return new Client({ connection });
  }

  async startServer() {
    const [port, database, signal] = [this.#port, this.#database, this.#signal];
    this.#server = await startDevServer({ port, database, signal });
  }

  async killServer() {
    await this.#server?.[Symbol.asyncDispose]();
  }

  async cutConnections(seconds: number) {
    this.#proxy!.cut();
    await pause(seconds);
    this.#proxy!.mend();
  }

  /** Starts `run_worker.ts` as its task does, and waits until it polls. */
  async startWorker(cwd: string = root): Promise<Program> {
    const worker = runTask("worker", {
      cwd,
      env: { TEMPORAL_ADDRESS: this.#proxy!.address, LOG_LEVEL: "ERROR" },
    });
    this.#started.add(worker);
    await worker.prints("Worker polls", patience);
    return worker;
  }

  async addWorker() {
    this.#workers.push(await this.startWorker());
  }

  /** Ends the Worker that has run for longest. */
  async endWorker(signal: "SIGKILL" | "SIGINT") {
    const worker = this.#workers.shift()!;
    worker.kill(signal);
    await worker.status;
  }

  async [Symbol.asyncDispose]() {
    for (const worker of this.#started) worker.kill("SIGKILL");
    await this.#stack.disposeAsync();
    await this.killServer();
  }
}

/** The faults, each of which leaves things as it has found them. */
function faultsOn(stage: Stage, random: () => number) {
  return {
    "Worker killed (SIGKILL), replaced": async () => {
      await stage.endWorker("SIGKILL");
      await stage.addWorker();
    },
    "Worker replaced in a deploy (SIGINT)": async () => {
      await stage.addWorker();
      await stage.endWorker("SIGINT");
    },
    "Server killed (SIGKILL), restarted": async () => {
      await stage.killServer();
      await pause(random() * 3);
      await stage.startServer();
    },
    "Connections of Workers cut": async () => {
      await stage.cutConnections(1 + random() * 4);
    },
    "Worker with broken Workflow code": async () => {
      await using project = await changedProject({ "workflows.ts": broken });
      await using worker = await stage.startWorker(project.path);
      await pause(2 + random() * 3);
      worker.kill("SIGINT");
      await worker.status;
    },
  };
}

const broken = `export async function SayHello(): Promise<string> {
  throw new TypeError("This Workflow code is broken");
}`;

/** What a fault has done, all times together. */
interface Account {
  times: number;
  inFlight: Flight[];
  /** From each fault until all that was in flight then had its result. */
  seconds: number[];
}

await runProgram("deno task drill", options, async (args) => {
  const signal = interruption();
  const lanes = readNumber("--workflows", args.workflows ?? "200");
  const minutes = readNumber("--minutes", args.minutes ?? "1");
  const seed = args.seed ?? `${Math.floor(Math.random() * 1e6)}`;
  const random = randomNumbers(readNumber("--seed", seed));
  await using folder = await temporaryFolder();
  await using stage = new Stage(folder.path, signal);
  const client = await stage.open();
  const load = new Load(client, lanes);
  const accounts = new Map<string, Account>();
  const begin = Date.now();
  console.error(
    `${lanes} Workflows in flight; --seed ${seed} repeats this drill`,
  );
  while (Date.now() < begin + minutes * 60_000 || accounts.size === 0) {
    for (const [fault, make] of shuffle(faultsOn(stage, random), random)) {
      await pause(1 + random());
      signal.throwIfAborted();
      const inFlight = [...load.pending];
      const time = new Date(Date.now() - begin).toISOString().slice(11, 19);
      const done = load.flights.length - inFlight.length;
      console.error(
        `${time} ${done} done, ${inFlight.length} in flight: ${fault}`,
      );
      const account = accounts.get(fault) ??
        { times: 0, inFlight: [], seconds: [] };
      accounts.set(fault, account);
      account.times++;
      account.inFlight.push(...inFlight);
      const struck = performance.now();
      await make();
      await outcomes(inFlight, signal);
      account.seconds.push((performance.now() - struck) / 1000);
    }
  }
  load.stop();
  await outcomes(load.flights, signal);
  const runs = await countRuns(client);
  const columns = (flights: Flight[]) => [
    flights.filter(({ outcome }) => outcome === undefined).length,
    flights.filter((flight) => flight.outcome && !isRight(flight)).length,
    flights.filter(({ workflowId }) => runs.get(workflowId)! > 1).length,
  ];
  const all = columns(load.flights);
  const { length } = load.flights;
  console.log(table([
    [
      "Fault",
      "Times",
      "In flight",
      "Lost",
      "Wrong",
      "Doubled",
      "Seconds to recover: median",
      "longest",
    ],
    ...Array.from(accounts, ([fault, { times, inFlight, seconds }]) => [
      fault,
      times,
      inFlight.length,
      ...columns(inFlight),
      median(seconds).toFixed(1),
      Math.max(...seconds).toFixed(1),
    ]),
    ["The whole drill", "", length, ...all, "", ""],
  ]));
  if (all.some((number) => number > 0)) {
    throw new UserError(`Of ${length} Workflows, not all had their one result`);
  }
});

/** Waits until Workflows have their outcome, or should have had it long since. */
async function outcomes(flights: Flight[], signal: AbortSignal) {
  const ended = async () =>
    flights.every(({ outcome }) => outcome !== undefined);
  await waitUntil("outcomes", ended, { seconds: patience, signal })
    .catch(() => signal.throwIfAborted());
}

/** Counts the runs of each Workflow, as the server has recorded them. */
async function countRuns(client: Client): Promise<Map<string, number>> {
  const runs = new Map<string, number>();
  for await (const { workflowId } of client.workflow.list()) {
    runs.set(workflowId, 1 + (runs.get(workflowId) ?? 0));
  }
  return runs;
}

async function pause(seconds: number) {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Returns a source of numbers from 0 to 1 that are the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** Returns the entries of an object in a random order. */
function shuffle<T>(entries: Record<string, T>, random: () => number) {
  return Object.entries(entries).map((entry) => ({ entry, rank: random() }))
    .toSorted((a, b) => a.rank - b.rank).map(({ entry }) => entry);
}
