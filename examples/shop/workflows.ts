/** The Workflow: what happens to an order and, if that fails, how it is undone. */

import {
  CancellationScope,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  patched,
  proxyActivities,
  rootCause,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import type * as activities from "./activities.ts";

export interface Order {
  goods: string;
  cents: number;
  card: string;
  address: string;
  /** How long the customer can cancel after the payment. */
  cancelMs: number;
}

export interface Status {
  /** The last three are final. */
  // deno-fmt-ignore
  state: "reserving" | "charging" | "paid" | "shipping" | "undoing"
    | "delivered" | "canceled" | "failed";
  address: string;
  /** Why the order failed, or was not canceled. */
  notice?: string;
}

/** In these states, the customer can cancel, or change the address. */
export const openStates: Status["state"][] = ["reserving", "charging", "paid"];

export const getStatus = defineQuery<Status>("status");
export const cancel = defineSignal("cancel");
export const changeAddress = defineUpdate<void, [string]>("changeAddress");

const options = {
  startToCloseTimeout: "10 seconds",
  retry: { maximumInterval: "30 seconds" },
} as const;
// These are retried until they succeed.
const { release, refund, recall, sendReceipt } = proxyActivities<
  typeof activities
>(options);
// If one of these fails for an hour, the Workflow undoes the order.
const { reserve, charge } = proxyActivities<typeof activities>({
  ...options,
  scheduleToCloseTimeout: "1 hour",
});
const { ship } = proxyActivities<typeof activities>({
  startToCloseTimeout: "1 day",
  heartbeatTimeout: "3 seconds", // then the Worker is lost
  cancellationType: "WAIT_CANCELLATION_COMPLETED",
});

/** Reserves the goods, charges the card and, after some time, ships the parcel. */
export async function order(order: Order): Promise<Status> {
  const { goods, card, cents, cancelMs } = order;
  // The Workflow Id is the number of the order, and makes each step idempotent.
  const { workflowId: id } = workflowInfo();
  const status: Status = { state: "reserving", address: order.address };
  const canChange = () => openStates.includes(status.state);
  const untilShipping = new CancellationScope();

  setHandler(getStatus, () => status);
  setHandler(cancel, () => {
    if (canChange()) untilShipping.cancel();
    else status.notice = "It was too late to cancel";
  });
  setHandler(changeAddress, (address) => void (status.address = address), {
    // What the validator rejects does not become part of the Event History.
    validator(_address) {
      if (canChange()) return;
      throw new Error("It is too late to change the address");
    },
  });

  const compensations: (() => Promise<void>)[] = [];
  try {
    await untilShipping.run(async () => {
      // Before its step, which can succeed and its result be lost.
      compensations.unshift(() => release(id, goods));
      await reserve(id, goods);
      status.state = "charging";
      compensations.unshift(() => refund(id));
      await charge({ id, card, cents });
      status.state = "paid";
      await sleep(cancelMs);
    });
    status.state = "shipping";
    compensations.unshift(() => recall(id));
    await ship(id, status.address);
    // Added later: an Event History from before the change has no receipt.
    if (patched("receipt")) await sendReceipt(id);
    status.state = "delivered";
  } catch (error) {
    status.state = "undoing";
    // A canceled Workflow can start Activities only in a scope of this kind.
    await CancellationScope.nonCancellable(async () => {
      for (const compensate of compensations) await compensate();
    });
    const isCanceled = isCancellation(error);
    status.state = isCanceled ? "canceled" : "failed";
    if (!isCanceled) status.notice = rootCause(error);
    // That the customer has canceled is a result. Other Workflows fail here, or
    // are canceled as a whole.
    const isByCustomer = !CancellationScope.current().consideredCancelled;
    if (!isCanceled || !isByCustomer) throw error;
  }
  return status;
}
