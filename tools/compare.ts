/**
 * Compares a Worker on Deno, with its Activities in the sandbox, with Workers on
 * Node.js, Bun and Python that run the same Workflows and Activities (the task
 * `compare`). They take turns, each with a development server of its own: it keeps
 * what it was sent in memory, and slows down. Linux only.
 *
 * The Workers are in `peers/`. Those of Node.js and Bun use the packages that Deno
 * has installed; Temporal's SDK for Python is installed in `node_modules/.cache`.
 *
 * @module
 */

import type { Client, WorkflowHandle } from "@temporalio/client";
import { Runtime } from "@temporalio/worker";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { UsageError, UserError } from "../packages/cli/errors.ts";
import {
  ownServerOptions,
  Program,
  waitFor,
} from "../packages/cli/processes.ts";
import {
  abortable,
  interruption,
  runProgram,
} from "../packages/cli/program.ts";
import { startDevServer } from "../packages/cli/servers/dev_server.ts";
import { connectClient } from "./shared/client.ts";
import { cpuTime, memory, processesOf } from "./shared/processes.ts";
import { removeBundles, root } from "./shared/project.ts";
import { installPython, python } from "./shared/python.ts";
import { formatRange, formatTable, median } from "./shared/table.ts";

const options = {
  "--against NAMES": "Of node, bun and python (default: node)",
  "--rounds N": "How often each is measured (default: 5)",
  "--open N": "Also measure N open Workflows that wait for a Signal",
};

/** How many Workflows run at a time. */
const CONCURRENCY = 20;

const peer = (name: string) => join(root, "tools", "peers", name);

/** The commands that start the Workers. */
const commands: Record<string, string[]> = {
  deno: config.tasks.worker.command
    .replace("run_worker.ts", peer("run_worker.ts"))
    .replace(/^deno/, Deno.execPath()).split(" "),
  node: ["node", peer("worker.mjs")],
  bun: ["bun", peer("worker.mjs")],
  python: [python, peer("worker.py")],
};

/** What is measured, in the order of the table's columns. */
type Figures = Record<string, number>;

/** Measures a Worker on a server. */
class Measurement {
  readonly #address: string;
  readonly #client: Client;
  readonly #signal: AbortSignal;

  constructor(client: Client, address: string, signal: AbortSignal) {
    this.#client = client;
    this.#address = address;
    this.#signal = signal;
  }

  /** Measures a Worker, from its start to its end. */
  async run(name: string, open: number): Promise<Figures> {
    const figures: Figures = {};
    const start = async () => {
      const begin = performance.now();
      const options = ownServerOptions(this.#address);
      const worker = new Program(commands[name], { cwd: root, ...options });
      await worker.prints("Worker is polling");
      return { worker, ms: performance.now() - begin };
    };
    await removeBundles();
    const { worker: changed, ms } = await start();
    figures["Start, code changed (ms)"] = ms;
    await changed[Symbol.asyncDispose]();
    const unchanged = await start();
    figures["Start (ms)"] = unchanged.ms;
    await using worker = unchanged.worker;
    const pids = [worker.pid, ...processesOf(worker.pid)];
    const cpuOf = async (work: Promise<unknown>) => {
      const before = cpuTime(...pids);
      await abortable(work, this.#signal);
      return cpuTime(...pids) - before;
    };
    const repeat = (total: number, type: string, arg: unknown) =>
      inParallel(total, CONCURRENCY, () => this.#execute(type, arg));

    await repeat(200, "ask", "why"); // warms up
    figures["CPU for one (ms)"] = await cpuOf(repeat(400, "ask", "why")) / 400;
    figures["Memory after 600 (MB)"] = memory(pids);
    const text = "x".repeat(2 ** 20);
    figures["CPU for 1 MB there and back (ms)"] =
      await cpuOf(repeat(100, "sendText", text)) / 100;
    const watches = inParallel(200, 200, () => this.#execute("watch", 10));
    figures["CPU for a heartbeat (ms)"] = await cpuOf(watches) / 2000;
    if (open > 0) {
      const handles: WorkflowHandle[] = [];
      const starts = inParallel(open, CONCURRENCY, async () => {
        const workflowId = crypto.randomUUID();
        handles.push(
          await this.#client.workflow.start("waitForGo", {
            taskQueue: "peers",
            workflowId,
          }),
        );
      });
      figures["CPU to start an open one (ms)"] = await cpuOf(starts.then(() =>
        this.#waitUntilIdle(pids)
      )) / open;
      figures["Memory with all open (MB)"] = memory(pids);
      const signals = inParallel(open, CONCURRENCY, async () => {
        const handle = handles.pop()!;
        await handle.signal("go");
        await handle.result();
      });
      figures["CPU to signal an open one (ms)"] = await cpuOf(signals) / open;
    }
    return figures;
  }

  async #execute(type: string, arg: unknown): Promise<void> {
    await this.#client.workflow.execute(type, {
      args: [arg],
      taskQueue: "peers",
      workflowId: crypto.randomUUID(),
    });
  }

  /** Waits until processes do next to nothing for a second. */
  async #waitUntilIdle(pids: number[]) {
    let last = { time: performance.now(), cpu: cpuTime(...pids) };
    const isIdle = async () => {
      const now = { time: performance.now(), cpu: cpuTime(...pids) };
      if (now.time - last.time < 1000) return false;
      const used = (now.cpu - last.cpu) / (now.time - last.time);
      last = now;
      return used < 0.05;
    };
    await waitFor("the Worker", isIdle, {
      seconds: 600,
      signal: this.#signal,
    });
  }
}

/** Does something `total` times, `concurrency` at a time. */
async function inParallel(
  total: number,
  concurrency: number,
  work: () => Promise<unknown>,
) {
  const loop = async () => {
    while (total-- > 0) await work();
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
}

/** Returns a number of the command line. */
function readCount(name: string, value: string | undefined, fallback: number) {
  const number = Number(value ?? fallback);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new UsageError(`Cannot use --${name} "${value}": pass a number`);
}

await runProgram("deno task compare", options, async (args) => {
  const signal = interruption();
  const rounds = readCount("rounds", args.rounds, 5);
  const open = readCount("open", args.open, 0);
  const names = ["deno", ...(args.against ?? "node").split(",")];
  const unknown = names.find((name) => !Object.hasOwn(commands, name));
  if (unknown !== undefined) {
    throw new UsageError(
      `Cannot compare with "${unknown}": pass node, bun or python`,
    );
  }
  if (names.includes("python")) await installPython(signal);
  for (const name of names) {
    const [program] = commands[name];
    try {
      await new Deno.Command(program, { args: ["--version"] }).output();
    } catch {
      throw new UserError(
        `Cannot compare with "${name}": there is no program "${program}"; ` +
          "install it",
      );
    }
  }
  // It would warn of payloads of 1 MB.
  Runtime.install({ telemetryOptions: { logging: { filter: "ERROR" } } });
  const measured = names.map((): Figures[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, name] of names.entries()) {
      console.error(`Round ${round + 1} of ${rounds}: ${name} …`);
      await using server = await startDevServer({ signal });
      const client = await connectClient(server.address);
      const measurement = new Measurement(client, server.address, signal);
      measured[index].push(await measurement.run(name, open));
      await client.connection.close();
    }
  }
  const rows = Object.keys(measured[0][0]).map((figure) => {
    const columns = measured.map((all) => all.map((one) => one[figure]));
    const deno = median(columns[0]);
    const cells = columns.map((numbers, index) =>
      index === 0
        ? formatRange(numbers)
        : `${formatRange(numbers)}, ×${(deno / median(numbers)).toFixed(2)}`
    );
    return [figure, ...cells];
  });
  console.log(formatTable([["Median (minimum–maximum)", ...names], ...rows]));
  console.log('\n"×0.50": the Worker on Deno takes half.');
});
