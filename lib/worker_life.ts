/**
 * What a Worker tells of its life.
 *
 * @module
 */

import type { NativeConnection, Worker } from "@temporalio/worker";
import { inTime } from "./connection.ts";
import { UserError } from "./errors.ts";
import type { Settings } from "./settings.ts";

/** How often the server is asked for a sign of life, in milliseconds. */
const interval = 2_000;

/**
 * Runs a Worker until SIGINT or SIGTERM, and tells what it waits for then, and
 * when the server goes away and is back.
 *
 * @throws {UserError} if Activities did not finish in the time that they have
 */
export async function runAndTell(
  worker: Worker,
  connection: NativeConnection,
  { address, namespace, taskQueue }: Settings,
): Promise<void> {
  let stopped = false;
  const forgetSignals = onFirstSignal(() => {
    stopped = true;
    const wait = waitsFor(worker);
    console.log(
      `Worker stops${wait && `${wait}; Ctrl-C again ends it at once`}`,
    );
  });
  const forgetServer = watchServer(connection, address);
  console.log(
    `Worker polls "${taskQueue}" in "${namespace}" at ${address}; Ctrl-C stops it`,
  );
  try {
    await worker.run();
  } catch (error) {
    if (!stopped) throw error;
    throw new UserError(`Worker gave up${waitsFor(worker)}`, { cause: error });
  } finally {
    forgetSignals();
    forgetServer();
  }
}

function waitsFor(worker: Worker): string {
  const { numInFlightActivities: number } = worker.getStatus();
  return number ? `, waiting for Activities to finish (${number})` : "";
}

/** Tells when the server goes away, and when it is back. */
function watchServer(connection: NativeConnection, address: string) {
  let away = false;
  const timer = setInterval(async () => {
    const answer = connection.withDeadline(
      Date.now() + interval,
      () => connection.workflowService.getSystemInfo({}),
    );
    const answers = await inTime(answer, interval)
      .then(() => true, () => false);
    if (answers !== away) return;
    away = !answers;
    console.error(
      away
        ? `No Temporal Server answers at ${address}; the Worker keeps trying`
        : `The Temporal Server at ${address} is back`,
    );
  }, interval);
  return () => clearInterval(timer);
}

/** Listens once, so that a second signal does what it does by default. */
function onFirstSignal(tell: () => void): () => void {
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM"] as const;
  const forget = () =>
    signals.forEach((name) => Deno.removeSignalListener(name, listener));
  const listener = () => {
    forget();
    tell();
  };
  signals.forEach((name) => Deno.addSignalListener(name, listener));
  return forget;
}
