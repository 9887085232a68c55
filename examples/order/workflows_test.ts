import {
  environment,
  skipsTime,
  useEnvironment,
} from "@temporal-on-deno/cli/testing";
import { Context } from "@temporalio/activity";
import { WorkflowUpdateFailedError } from "@temporalio/client";
import { rootCause } from "@temporalio/common";
import { Worker } from "@temporalio/worker";
import { assertEquals, assertRejects } from "@std/assert";
import * as activities from "./activities.ts";
import { getStatus, pay, ProcessOrder } from "./workflows.ts";

useEnvironment();

/** Runs an order, pays with a card if there is one, and returns what happened. */
async function runOrder(
  { card, ...mocks }: Partial<typeof activities> & { card?: string },
) {
  const { client, nativeConnection } = environment;
  const orderId = crypto.randomUUID();
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue: orderId,
    workflowsPath: import.meta.resolve("./workflows.ts"),
    activities: { ...activities, ...mocks },
  });
  return await worker.runUntil(async () => {
    const handle = await client.workflow.start(ProcessOrder, {
      args: [{ orderId, item: "a book", cents: 2_000 }],
      taskQueue: orderId,
      workflowId: orderId,
    });
    if (card) await handle.executeUpdate(pay, { args: [card] });
    const result = await handle.result().catch(({ cause }) => rootCause(cause));
    const status = await handle.query(getStatus);
    const { events } = await handle.fetchHistory();
    const activities = events!.flatMap((event) =>
      event.activityTaskScheduledEventAttributes?.activityType?.name ?? []
    );
    return { result, status, activities };
  });
}

Deno.test("ProcessOrder reserves the item, charges the card and sends a receipt", async () => {
  assertEquals(await runOrder({ card: "4242" }), {
    result: "Ordered a book",
    status: "completed",
    activities: ["reserve", "charge", "sendReceipt"],
  });
});

Deno.test("ProcessOrder pays once if the result of the payment is lost", async () => {
  const paymentIds: string[] = [];
  await runOrder({
    card: "4242",
    async charge(payment) {
      const id = await activities.charge(payment);
      if (paymentIds.push(id) === 1) throw new Error("Connection lost");
      return id;
    },
  });
  assertEquals(paymentIds, [paymentIds[0], paymentIds[0]]);
});

Deno.test("ProcessOrder undoes the order if the card is declined", async () => {
  let attempts = 0;
  const charge = (payment: activities.Payment) => {
    attempts++;
    return activities.charge(payment);
  };
  assertEquals(await runOrder({ card: "declined", charge }), {
    result: "Card was declined",
    status: "undone",
    activities: ["reserve", "charge", "refund", "release"],
  });
  assertEquals(attempts, 1);
});

Deno.test("ProcessOrder undoes the order after a day without payment", {
  ignore: !skipsTime,
}, async () => {
  assertEquals(await runOrder({}), {
    result: "Not paid for",
    status: "undone",
    activities: ["reserve", "release"],
  });
});

Deno.test("ProcessOrder accepts one card, and undoes the order if it is canceled", async () => {
  const charge = async () => {
    const { workflowId } = Context.current().info.workflowExecution!;
    const handle = environment.client.workflow.getHandle(workflowId);
    assertEquals(await handle.query(getStatus), "charging");
    const payAgain = () => handle.executeUpdate(pay, { args: ["4243"] });
    await assertRejects(payAgain, WorkflowUpdateFailedError);
    await handle.cancel();
    return await Context.current().cancelled;
  };
  assertEquals(await runOrder({ card: "4242", charge }), {
    result: "Workflow canceled",
    status: "undone",
    activities: ["reserve", "charge", "refund", "release"],
  });
});
