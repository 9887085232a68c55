/** The Activities. They run in the sandbox, with the permissions "activities". */

import { ApplicationFailure, Context, log } from "@temporalio/activity";
import { openStock } from "./stock.ts";

const payments = Deno.env.get("PAYMENTS_URL") || "http://127.0.0.1:8001";
const stageMs = Number(Deno.env.get("STAGE_MS") || 1_000);
const STAGES = 10;

const stock = await openStock(Deno.env.get("DATABASE_URL") || "data/shop.db");
export const { reserve, release, recall } = stock;

/** Charges a card once for an order, however often it is called. */
export async function charge(
  { id, card, cents }: { id: string; card: string; cents: number },
): Promise<void> {
  await callPayments("PUT", id, JSON.stringify({ card, cents }));
}

/** Undoes `charge`, also one whose answer was lost or that comes later. */
export async function refund(id: string): Promise<void> {
  await callPayments("DELETE", id);
}

async function callPayments(method: string, id: string, body?: string) {
  const signal = AbortSignal.timeout(3_000);
  // The number of the order is the idempotency key.
  const url = `${payments}/payments/${id}`;
  const response = await fetch(url, { method, body, signal });
  await response.body?.cancel();
  if (response.ok) return;
  const { status } = response;
  if (status !== 402) throw new Error(`Payment service answered ${status}`);
  // A retry would be refused, too.
  throw ApplicationFailure.nonRetryable("The card was refused", "CardRefused");
}

/** Ships a parcel. If the Worker is lost, another one goes on at the heartbeat. */
export async function ship(id: string, address: string): Promise<void> {
  if (/^nowhere$/i.test(address)) {
    throw ApplicationFailure.nonRetryable("There is no such address");
  }
  const context = Context.current();
  const last: number = context.info.heartbeatDetails ?? 0;
  for (let stage = last + 1; stage <= STAGES; stage++) {
    await context.sleep(stageMs);
    log.info(`The parcel has passed stage ${stage} of ${STAGES}`);
    context.heartbeat(stage);
  }
  await stock.deliver(id, address);
}

/** Stands in for an email. */
export async function sendReceipt(id: string): Promise<void> {
  log.info(`Sent the receipt of order ${id}`);
}
