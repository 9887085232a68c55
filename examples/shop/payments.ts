/** A stand-in for a payment service, which fails, hangs, and loses answers. */

import { serve } from "./http.ts";

const faults = ["fail", "hang", "lose"] as const;
const refusedCard = "4000000000000002";

/** Creates the service. `nextFault` decides what goes wrong with a request. */
export function createPayments(
  nextFault: () => typeof faults[number] | undefined,
): (request: Request) => Promise<Response> {
  const payments = new Map<string, { cents: number; state: string }>();

  return async (request) => {
    const [, key] = /\/payments\/([\w-]+)$/.exec(request.url) ?? [];
    if (!key) return Response.json(Object.fromEntries(payments));
    const fault = nextFault();
    if (fault === "fail") return new Response(null, { status: 503 });
    const payment = payments.get(key);
    if (request.method === "DELETE") {
      // Without a payment, it forbids one that comes later.
      payments.set(key, { cents: 0, ...payment, state: "refunded" });
    } else {
      const { card, cents } = await request.json();
      if (card === refusedCard) return new Response(null, { status: 402 });
      // A repeated request has the answer of the first, and charges nothing.
      if (!payment) payments.set(key, { cents, state: "charged" });
    }
    if (fault === "hang") await new Promise(() => {});
    return new Response(null, { status: fault === "lose" ? 500 : 204 });
  };
}

if (import.meta.main) {
  const rate = Number(Deno.env.get("PAYMENT_FAULTS") || 0.3);
  const url = Deno.env.get("PAYMENTS_URL") || "http://127.0.0.1:8001";
  serve(
    "Payment service",
    Number(new URL(url).port || 80),
    createPayments(() => faults[Math.floor(Math.random() / rate * 3)]),
  );
}
