/**
 * Starts Deno Workers for Activities in place of those that have ended. This
 * thread holds the Activities' permissions for as long as the Temporal Worker
 * runs, so that the main thread can give them up.
 *
 * @module
 */

import { startWorker, type WorkerSetup } from "./worker.ts";

/** A request of the main thread. */
export type BrokerRequest =
  | { type: "start"; id: number; setup: WorkerSetup; port: MessagePort }
  | { type: "terminate"; id: number };

/** The broker's message that a Deno Worker has failed; without `id`: it is ready. */
export type BrokerNotice = { id?: number; error?: string };

// The types of the main thread apply here, too.
const thread = self as unknown as Worker;
const workers = new Map<number, Worker>();

thread.onmessage = ({ data }: MessageEvent<BrokerRequest>) => {
  const { id, type } = data;
  if (type === "start") {
    const onError = (error: string) => notify({ id, error });
    workers.set(id, startWorker(data.setup, data.port, onError));
  } else {
    workers.get(id)?.terminate();
    workers.delete(id);
  }
};

function notify(notice: BrokerNotice): void {
  thread.postMessage(notice);
}

notify({});
