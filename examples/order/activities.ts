/** Stand-ins for Activities that call a warehouse, a payment service and email. */

import { ApplicationFailure, log } from "@temporalio/activity";

export interface Payment {
  /** The payment service makes one payment for all requests with the same key. */
  idempotencyKey: string;
  card: string;
  cents: number;
}

const paymentIds = new Map<string, string>();

export async function reserve(orderId: string, item: string): Promise<void> {
  log.info("Reserved the item", { orderId, item });
}

/** Undoes `reserve`. Does nothing if there is no reservation. */
export async function release(orderId: string): Promise<void> {
  log.info("Released the item", { orderId });
}

/** Charges a card and returns the id of the payment. */
export async function charge(payment: Payment): Promise<string> {
  const { idempotencyKey, card, cents } = payment;
  if (card === "declined") {
    // A retry would be declined, too.
    throw ApplicationFailure.nonRetryable("Card was declined", "CardDeclined");
  }
  const id = paymentIds.get(idempotencyKey) ?? crypto.randomUUID();
  paymentIds.set(idempotencyKey, id);
  log.info("Charged the card", { id, cents });
  return id;
}

/** Undoes `charge`. Does nothing if there is no payment with this key. */
export async function refund(idempotencyKey: string): Promise<void> {
  paymentIds.delete(idempotencyKey);
  log.info("Refunded the payment", { idempotencyKey });
}

export async function sendReceipt(orderId: string): Promise<void> {
  log.info("Sent the receipt", { orderId });
}
