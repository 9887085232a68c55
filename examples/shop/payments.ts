/** A stand-in for a payment service, which fails, hangs, and loses answers. */

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { serve } from "./serve.ts";

const faults = ["fail", "hang", "lose"] as const;
type Fault = typeof faults[number];
const refusedCard = "4000000000000002";

/** Creates the service. `nextFault` decides what goes wrong with a request. */
export function createPayments(
  file: string,
  nextFault: () => Fault | undefined,
) {
  const database = new DatabaseSync(file);
  database.exec(`CREATE TABLE IF NOT EXISTS payments (
    key TEXT PRIMARY KEY, cents INTEGER NOT NULL, state TEXT NOT NULL)`);
  const list = database.prepare("SELECT * FROM payments");
  // A repeated request has the answer of the first, and charges nothing.
  const charge = database.prepare(
    "INSERT INTO payments VALUES (?, ?, 'charged') ON CONFLICT DO NOTHING",
  );
  // Without a payment, it forbids one that comes later.
  const refund = database.prepare(
    `INSERT INTO payments VALUES (?, 0, 'refunded')
    ON CONFLICT DO UPDATE SET state = 'refunded'`,
  );

  return async (request: Request): Promise<Response> => {
    const [, key] = /\/payments\/([\w-]+)$/.exec(request.url) ?? [];
    if (!key) return Response.json(list.all());
    const fault = nextFault();
    if (fault === "fail") return new Response(null, { status: 503 });
    if (request.method === "DELETE") refund.run(key);
    else {
      const { card, cents } = await request.json();
      if (card === refusedCard) return new Response(null, { status: 402 });
      charge.run(key, cents);
    }
    if (fault === "hang") await new Promise(() => {});
    return new Response(null, { status: fault === "lose" ? 500 : 204 });
  };
}

if (import.meta.main) {
  const rate = Number(Deno.env.get("PAYMENT_FAULTS") || 0.3);
  const file = Deno.env.get("PAYMENTS_DATABASE") || "data/payments.db";
  mkdirSync(dirname(file), { recursive: true });
  const handler = createPayments(
    "data/payments.db",
    () => faults[Math.floor(Math.random() / rate * faults.length)],
  );
  serve("Payment service", { variable: "PAYMENTS_PORT", port: 8001 }, handler);
}
