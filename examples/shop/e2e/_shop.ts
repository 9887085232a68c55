/** The whole shop as processes, with data and ports of its own. */

import { createInterface } from "node:readline";
import { spawn } from "node:child_process";

/** A shop that runs until it is disposed of. */
export interface RunningShop extends AsyncDisposable {
  /** Where its page is. */
  url: string;
}

/** Returns a port that nothing listens on. */
function findPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Runs `deno task shop`. */
export async function startShop(
  env: Record<string, string>,
): Promise<RunningShop> {
  const folder = `data/test-${crypto.randomUUID()}`;
  const port = `${findPort()}`;
  const child = spawn("deno", ["task", "--quiet", "shop"], {
    env: {
      ...Deno.env.toObject(),
      DATABASE_URL: `${folder}/shop.db`,
      PAYMENTS_URL: `http://127.0.0.1:${findPort()}`,
      PORT: port,
      TEMPORAL_ADDRESS: `localhost:${findPort()}`,
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = Promise.withResolvers<void>();
  child.on("close", () => ended.resolve());
  const isUp = Promise.withResolvers<void>();
  const awaited = new Set([
    "Shop at",
    "Worker is polling",
    "Payment service at",
  ]);
  let output = "";
  createInterface(child.stdout).on("line", (line) => {
    output += `${line}\n`;
    for (const text of awaited) if (line.includes(text)) awaited.delete(text);
    if (awaited.size === 0) isUp.resolve();
  });
  const failed = ended.promise.then(() => {
    throw new Error(`The shop has ended:\n${output}`);
  });
  failed.catch(() => {});
  await Promise.race([isUp.promise, failed]);
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended.promise;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
