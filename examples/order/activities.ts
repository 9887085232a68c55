/**
 * The Activities. Each may run more than once, because its result can get lost on
 * the way to the Temporal Service: none has a further effect the second time.
 *
 * @module
 */

import { ApplicationFailure, log } from "@temporalio/activity";
import { charges, reservations } from "./services.ts";

/** A payment that is to be made once, however often it is requested. */
export interface Payment {
  /** Payments with the same key are one payment. */
  idempotencyKey: string;
  /** The number of the card. */
  card: string;
  /** The amount. */
  cents: number;
}

/** Reserves an item. */
export async function reserve(orderId: string, item: string): Promise<void> {
  reservations.set(orderId, item);
}

/** Compensates for `reserve`; without a reservation, it does nothing. */
export async function release(orderId: string): Promise<void> {
  reservations.delete(orderId);
}

/** Charges a card. */
export async function charge(payment: Payment): Promise<void> {
  const { idempotencyKey, card, cents } = payment;
  if (card === "declined") {
    // The same card is declined next time, too: do not retry.
    throw ApplicationFailure.nonRetryable("Card was declined", "CardDeclined");
  }
  charges.set(idempotencyKey, cents);
}

/** Compensates for `charge`; without a charge, it does nothing. */
export async function refund(idempotencyKey: string): Promise<void> {
  charges.delete(idempotencyKey);
}

/** Tells the customer that the order is complete. */
export async function sendReceipt(orderId: string): Promise<void> {
  log.info("Receipt sent", { orderId });
}
