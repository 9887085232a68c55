/**
 * Starts the Deno Workers in which Activities run.
 *
 * @module
 */

/** What a Deno Worker runs, and what it may do. */
export interface WorkerSetup {
  source: string;
  permissions: Deno.PermissionOptionsObject;
}

/**
 * Starts a Deno Worker and hands it `port`; `onError` learns that it has failed.
 *
 * The modules that the source imports are loaded with the permissions of this
 * thread: the Deno Worker needs none, not even to read its own code.
 */
export function startWorker(
  { source, permissions }: WorkerSetup,
  port: MessagePort,
  onError: (error: string) => void,
): Worker {
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const worker = new Worker(url, {
    type: "module",
    name: "activities",
    deno: { permissions },
  });
  worker.onerror = (event) => {
    event.preventDefault();
    const { message, filename, lineno } = event;
    onError(filename ? `${message}\n    at ${filename}:${lineno}` : message);
  };
  worker.postMessage(port, [port]);
  return worker;
}
