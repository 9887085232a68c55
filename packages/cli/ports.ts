/**
 * Ports of this machine, and what answers there.
 *
 * @module
 */

/** Whether nothing listens on a port of this machine. */
export function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Returns a port that is free and, as `isUsable` may want, others with it. */
export function findPort(isUsable = isFree): number {
  // Not the next free one: another program that looks would find the same.
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  return isUsable(port) ? port : findPort(isUsable);
}

/** Whether a Temporal Service without TLS answers at `host:port`. */
export async function answers(address: string): Promise<boolean> {
  using client = Deno.createHttpClient({ http1: false, http2: true });
  const service = "temporal.api.workflowservice.v1.WorkflowService";
  try {
    const response = await fetch(`http://${address}/${service}/GetSystemInfo`, {
      client,
      method: "POST",
      headers: { "content-type": "application/grpc", te: "trailers" },
      // An empty message: a byte for "not compressed", four for its length
      body: new Uint8Array(5),
      signal: AbortSignal.timeout(2_000),
    });
    return (await response.bytes()).length > 0;
  } catch {
    return false;
  }
}
