/**
 * The Workflow: reserves an item, waits for payment, charges the card, and undoes
 * what is done if a later step fails (a saga).
 *
 * @module
 */

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

// These may give up: what is done by then is undone.
const { reserve, charge } = proxyActivities<typeof activities>({
  startToCloseTimeout: "10 seconds",
  scheduleToCloseTimeout: "10 minutes",
});

// These are retried until they succeed.
const { release, refund, sendReceipt } = proxyActivities<typeof activities>({
  startToCloseTimeout: "10 seconds",
});

/** What is ordered. A single object, to which properties can be added later. */
export interface Order {
  /** Identifies the order. */
  orderId: string;
  /** What the customer buys. */
  item: string;
  /** What it costs. */
  cents: number;
}

/** How far an order is. */
export type Status =
  | "reserving"
  | "waiting for payment"
  | "charging"
  | "completed"
  | "undoing"
  | "undone";

/** The Query that returns how far the order is. */
export const getStatus = defineQuery<Status>("getStatus");

/** The Update that pays for the order with a card, once. */
export const pay = defineUpdate<void, [card: string]>("pay");

/** Processes an order; fails if it is not paid for within a day. */
export async function ProcessOrder(order: Order): Promise<string> {
  const { orderId, item, cents } = order;
  let status: Status = "reserving";
  let card: string | undefined;
  setHandler(getStatus, () => status);
  setHandler(pay, (given) => {
    card = given;
  }, {
    // An Update that the validator rejects leaves no trace in the Event History.
    validator(given) {
      if (!given) throw new Error("Cannot pay: the card has no number");
      if (card) throw new Error("Cannot pay: the order has been paid for");
    },
  });

  const compensations: (() => Promise<void>)[] = [];
  try {
    // Before the step itself, which may take effect though its result is lost
    compensations.push(() => release(orderId));
    await reserve(orderId, item);

    status = "waiting for payment";
    if (!await condition(() => card !== undefined, "1 day")) {
      throw ApplicationFailure.nonRetryable("Not paid for", "NotPaid");
    }

    status = "charging";
    const idempotencyKey = `charge ${orderId}`;
    compensations.push(() => refund(idempotencyKey));
    await charge({ idempotencyKey, card: card!, cents });
  } catch (error) {
    status = "undoing";
    // A canceled Workflow could not start Activities otherwise.
    await CancellationScope.nonCancellable(async () => {
      for (const undo of compensations.reverse()) await undo();
    });
    status = "undone";
    throw error;
  }

  // A later version of this Workflow. One that got past this point without a
  // receipt replays its Event History without one.
  if (patched("send-receipt")) await sendReceipt(orderId);
  status = "completed";
  return `Order ${orderId} is complete`;
}
