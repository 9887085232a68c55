/** Runs all programs of the shop in one terminal, until Ctrl-C. Each is a task. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: Deno.env.get("PORT") || "8000" },
    "payments-port": { type: "string", default: "8001" },
    "server-port": { type: "string", default: "7233" },
  },
});
const server = Deno.env.get("TEMPORAL_ADDRESS");
const env = {
  ...Deno.env.toObject(),
  PORT: values.port,
  PAYMENTS_PORT: values["payments-port"],
  PAYMENTS_URL: `http://127.0.0.1:${values["payments-port"]}`,
  TEMPORAL_ADDRESS: server || `localhost:${values["server-port"]}`,
};
const running = new Map<string, ChildProcess>();
let isStopping = false;

for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, stop);
}
if (!server) await start("server", "--port", values["server-port"]);
if (!isStopping) {
  for (const name of ["payments", "worker", "web"]) {
    start(name);
  }
}

/** Starts a task, and waits until the server is up, or the task has ended. */
function start(...[name, ...args]: string[]): Promise<void> {
  const child = spawn("deno", ["task", "--quiet", name, ...args], {
    env,
    // Ctrl-C is for this process alone: it stops the server after the others.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.set(name, child);
  const { promise, resolve } = Promise.withResolvers<void>();
  const print = (line: string) => {
    console.log(`${name.padEnd(8)} | ${line}`);
    // Before this, it may download the server.
    if (line.startsWith("Temporal Service at")) resolve();
  };
  createInterface(child.stdout).on("line", print);
  createInterface(child.stderr).on("line", print);
  child.on("close", (code) => {
    running.delete(name);
    resolve();
    if (isStopping) return stopServer();
    print(`It has ended; start it again with "deno task ${name}"`);
    // A killed program does not take the others with it; one that fails does.
    if (code !== 1 && code !== 2) return;
    Deno.exitCode = 1;
    stop();
  });
  return promise;
}

function stop() {
  isStopping = true;
  for (const [name, child] of running) if (name !== "server") child.kill();
  stopServer();
}

function stopServer() {
  if ([...running.keys()].join() === "server") running.get("server")!.kill();
}
