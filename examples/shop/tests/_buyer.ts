/** A thread that buys, as the Activities of one of several Workers do. */

/// <reference lib="deno.worker" />

import { openStock } from "../stock.ts";

self.onmessage = async ({ data }: MessageEvent<[string, string[]]>) => {
  const [location, ids] = data;
  const stock = await openStock(location);
  const buy = async (id: string): Promise<string> => {
    try {
      await stock.reserve(id, "lamp");
      return id;
    } catch (error) {
      // Anything else is retried, as Temporal does: the database may be busy.
      return (error as { type?: string }).type ?? await buy(id);
    }
  };
  const outcome = await Promise.all(ids.map(buy));
  await stock.close();
  self.postMessage(outcome);
};
