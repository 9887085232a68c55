/** A saga: if a step fails, the Workflow undoes the steps before it. */

import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  patched,
  proxyActivities,
  setHandler,
} from "@temporalio/workflow";
import type * as activities from "./activities.ts";

// If one of these fails for 10 minutes, the Workflow undoes the order.
const { reserve, charge } = proxyActivities<typeof activities>({
  startToCloseTimeout: "10 seconds",
  scheduleToCloseTimeout: "10 minutes",
});

// These are retried until they succeed.
const { release, refund, sendReceipt } = proxyActivities<typeof activities>({
  startToCloseTimeout: "10 seconds",
});

export interface Order {
  orderId: string;
  item: string;
  cents: number;
}

/** Returns how far the order is. */
export const getStatus = defineQuery<string>("getStatus");

/** Provides the card to charge. */
export const pay = defineUpdate<void, [card: string]>("pay");

/** Reserves an item, waits up to a day for a card, and charges it. */
export async function ProcessOrder(order: Order): Promise<string> {
  const { orderId, item, cents } = order;
  let status = "reserving";
  let card: string | undefined;
  setHandler(getStatus, () => status);
  setHandler(pay, (given) => {
    card = given;
  }, {
    // What the validator rejects does not become part of the Event History.
    validator(_card) {
      if (card !== undefined) throw new Error("Cannot pay: card is known");
      if (status === "undoing") throw new Error("Cannot pay: order failed");
    },
  });

  const compensations: (() => Promise<void>)[] = [];
  try {
    // Add a compensation before its step: the step can succeed and its result be lost.
    compensations.unshift(() => release(orderId));
    await reserve(orderId, item);

    status = "waiting for payment";
    if (!await condition(() => card !== undefined, "1 day")) {
      throw ApplicationFailure.nonRetryable("Not paid for", "NotPaid");
    }

    status = "charging";
    const idempotencyKey = `charge ${orderId}`;
    compensations.unshift(() => refund(idempotencyKey));
    await charge({ idempotencyKey, card: card!, cents });
  } catch (error) {
    status = "undoing";
    // A canceled Workflow can start Activities only in a scope of this kind.
    await CancellationScope.nonCancellable(async () => {
      for (const compensate of compensations) await compensate();
    });
    status = "undone";
    throw error;
  }

  // Added later: an Event History from before the change replays without a receipt.
  if (patched("send-receipt")) await sendReceipt(orderId);
  status = "completed";
  return `Ordered ${item}`;
}
