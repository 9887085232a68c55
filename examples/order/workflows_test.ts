/** `ProcessOrder`, in an environment that skips time. */

import { Context } from "@temporalio/activity";
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowUpdateFailedError,
} from "@temporalio/client";
import { Worker } from "@temporalio/worker";
import {
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
} from "@std/assert";
import { environment, useEnvironment } from "../../tests/_environment.ts";
import * as activities from "./activities.ts";
import { charges, reservations } from "./services.ts";
import { getStatus, pay, ProcessOrder } from "./workflows.ts";

useEnvironment();

type Handle = WorkflowHandle<typeof ProcessOrder>;

/** Starts an order with an id of its own, and uses it while a Worker runs. */
async function withOrder<T>(
  use: (handle: Handle, orderId: string) => Promise<T>,
  changes: Partial<typeof activities> = {},
): Promise<T> {
  const orderId = crypto.randomUUID();
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: orderId,
    workflowsPath: import.meta.resolve("./workflows.ts"),
    activities: { ...activities, ...changes },
    // Each Workflow Task replays the Event History.
    maxCachedWorkflows: 0,
  });
  return await worker.runUntil(async () => {
    const handle = await environment.client.workflow.start(ProcessOrder, {
      args: [{ orderId, item: "a book", cents: 2_000 }],
      taskQueue: orderId,
      workflowId: `order-${orderId}`,
    });
    return await use(handle, orderId);
  });
}

/** Waits for the failure of an order, and asserts that nothing is left of it. */
async function undone(handle: Handle, orderId: string): Promise<unknown> {
  const { cause } = await assertRejects(
    () => handle.result(),
    WorkflowFailedError,
  );
  assertEquals(await handle.query(getStatus), "undone");
  assertEquals(reservations.get(orderId), undefined);
  assertEquals(charges.get(`charge ${orderId}`), undefined);
  return cause;
}

Deno.test("ProcessOrder reserves the item and charges the card", async () => {
  const receipts: string[] = [];
  const sendReceipt = async (orderId: string) => {
    receipts.push(orderId);
  };
  await withOrder(async (handle, orderId) => {
    await handle.executeUpdate(pay, { args: ["4242"] });
    assertEquals(await handle.result(), `Order ${orderId} is complete`);
    assertEquals(await handle.query(getStatus), "completed");
    assertEquals(reservations.get(orderId), "a book");
    assertEquals(charges.get(`charge ${orderId}`), 2_000);
    assertEquals(receipts, [orderId]);
  }, { sendReceipt });
});

Deno.test("ProcessOrder rejects a second payment and a card without a number", async () => {
  await withOrder(async (handle) => {
    const payWith = (card: string) =>
      handle.executeUpdate(pay, { args: [card] });
    await assertRejects(() => payWith(""), WorkflowUpdateFailedError);
    await payWith("4242");
    await assertRejects(() => payWith("4243"), WorkflowUpdateFailedError);
    await handle.result();
  });
});

Deno.test("ProcessOrder charges once if the result of the first attempt is lost", async () => {
  const attempts: number[] = [];
  const charge = async (payment: activities.Payment) => {
    await activities.charge(payment);
    const { attempt } = Context.current().info;
    attempts.push(attempt);
    if (attempt === 1) throw new Error("Connection lost");
  };
  await withOrder(async (handle, orderId) => {
    const before = charges.size;
    await handle.executeUpdate(pay, { args: ["4242"] });
    assertEquals(await handle.result(), `Order ${orderId} is complete`);
    assertEquals([attempts, charges.size - before], [[1, 2], 1]);
  }, { charge });
});

Deno.test("ProcessOrder releases the item if the card is declined", async () => {
  await withOrder(async (handle, orderId) => {
    await handle.executeUpdate(pay, { args: ["declined"] });
    const failure = await undone(handle, orderId);
    assertInstanceOf(failure, ActivityFailure);
    assertInstanceOf(failure.cause, ApplicationFailure);
    assertEquals(failure.cause.type, "CardDeclined");
  });
});

Deno.test("ProcessOrder releases the item if it is not paid for within a day", async () => {
  const begin = Date.now();
  await withOrder(async (handle, orderId) => {
    const failure = await undone(handle, orderId);
    assertInstanceOf(failure, ApplicationFailure);
    assertEquals(failure.type, "NotPaid");
  });
  assertLess(Date.now() - begin, 10_000);
});

Deno.test("ProcessOrder refunds the charge and releases the item if it is canceled", async () => {
  const { promise: charged, resolve } = Promise.withResolvers<void>();
  const charge = async (payment: activities.Payment) => {
    await activities.charge(payment);
    resolve();
    await Context.current().cancelled;
  };
  await withOrder(async (handle, orderId) => {
    await handle.executeUpdate(pay, { args: ["4242"] });
    await charged;
    assertEquals(await handle.query(getStatus), "charging");
    await handle.cancel();
    // An ActivityFailure, whose cause is the cancellation
    const failure = await undone(handle, orderId);
    assertInstanceOf((failure as Error).cause ?? failure, CancelledFailure);
  }, { charge });
});
