import { environment, useEnvironment } from "@temporal-on-deno/cli/testing";
import { ApplicationFailure } from "@temporalio/common";
import {
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowUpdateFailedError,
} from "@temporalio/client";
import { Worker } from "@temporalio/worker";
import { assertEquals, assertRejects } from "@std/assert";
import type * as activities from "../activities.ts";
import {
  cancel,
  changeAddress,
  getStatus,
  order,
  type Status,
} from "../workflows.ts";

useEnvironment();

type Handle = WorkflowHandle<typeof order>;

/** Runs an order, with what a customer does, and returns what happened. */
async function runOrder(
  mocks: Partial<typeof activities>,
  customer?: (handle: Handle) => Promise<unknown>,
) {
  const calls: string[] = [];
  const names = [
    ...["reserve", "charge", "ship", "sendReceipt"],
    ...["recall", "refund", "release"],
  ] as (keyof typeof activities)[];
  const recorded = names.map((name) => {
    const mock = mocks[name] as ((...args: unknown[]) => unknown) | undefined;
    return [name, (...args: unknown[]) => {
      if (calls.at(-1) !== name) calls.push(name);
      return mock?.(...args);
    }];
  });
  const id = crypto.randomUUID();
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: id,
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities: Object.fromEntries(recorded),
    // Each Workflow Task replays the Event History.
    maxCachedWorkflows: 0,
  });
  return await worker.runUntil(async () => {
    const handle: Handle = await environment.client.workflow.start(order, {
      args: [{
        address: "Main Street 1",
        card: "4242424242424242",
        goods: "book",
        cents: 2_000,
        cancelMs: 60_000,
      }],
      taskQueue: id,
      workflowId: id,
    });
    await customer?.(handle);
    const failure = await handle.result().then(() => undefined, (e) => e);
    const { state, address, notice } = await handle.query(getStatus);
    const isFailed = failure instanceof WorkflowFailedError;
    return { calls, state, address, notice, isFailed };
  });
}

async function reaches(handle: Handle, state: Status["state"]) {
  while ((await handle.query(getStatus)).state !== state) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const done = ["reserve", "charge", "ship", "sendReceipt"];

Deno.test("order reserves, charges and ships, and sends a receipt", async () => {
  assertEquals(await runOrder({}), {
    calls: done,
    state: "delivered",
    address: "Main Street 1",
    notice: undefined,
    isFailed: false,
  });
});

Deno.test("order is undone if the customer cancels it in time", async () => {
  const result = await runOrder({}, async (handle) => {
    await reaches(handle, "paid");
    await handle.signal(cancel);
  });
  assertEquals(result.calls, ["reserve", "charge", "refund", "release"]);
  assertEquals([result.state, result.isFailed], ["canceled", false]);
});

Deno.test("order is undone if the customer cancels while the card is charged", async () => {
  const charge = () => Promise.reject(new Error("down"));
  const result = await runOrder({ charge }, async (handle) => {
    await reaches(handle, "charging");
    await handle.signal(cancel);
  });
  assertEquals(result.calls, ["reserve", "charge", "refund", "release"]);
  assertEquals([result.state, result.isFailed], ["canceled", false]);
});

Deno.test("order goes on if the customer cancels it too late", async () => {
  const ship = async (id: string) => {
    const handle = environment.client.workflow.getHandle(id);
    await handle.signal(cancel);
  };
  const result = await runOrder({ ship });
  assertEquals(result.calls, done);
  assertEquals([result.state, result.notice], [
    "delivered",
    "It was too late to cancel",
  ]);
});

Deno.test("order fails if the card is refused, without a second attempt", async () => {
  let attempts = 0;
  const charge = () => {
    attempts++;
    throw ApplicationFailure.nonRetryable("The card was refused");
  };
  const { calls, state, notice, isFailed } = await runOrder({ charge });
  assertEquals(calls, ["reserve", "charge", "refund", "release"]);
  assertEquals({ attempts, state, notice, isFailed }, {
    attempts: 1,
    state: "failed",
    notice: "The card was refused",
    isFailed: true,
  });
});

Deno.test("order waits for a payment service that is down for ten minutes", async () => {
  const now = () => environment.currentTimeMs();
  let start: number | undefined;
  const charge = async () => {
    start ??= await now();
    if (await now() < start + 600_000) throw new Error("down");
  };
  const result = await runOrder({ charge });
  assertEquals([result.calls, result.state], [done, "delivered"]);
});

Deno.test("order undoes all steps in reverse if the parcel cannot be delivered", async () => {
  const ship = () => {
    throw ApplicationFailure.nonRetryable("There is no such address");
  };
  const { calls, state, notice } = await runOrder({ ship });
  assertEquals(calls, [
    ...["reserve", "charge", "ship"],
    ...["recall", "refund", "release"],
  ]);
  assertEquals([state, notice], ["failed", "There is no such address"]);
});

Deno.test("order ships to the address that the customer has changed", async () => {
  let shippedTo: string | undefined;
  const ship = async (id: string, address: string) => {
    shippedTo = address;
    const handle = environment.client.workflow.getHandle(id);
    await assertRejects(
      () => handle.executeUpdate(changeAddress, { args: ["Side Street 3"] }),
      WorkflowUpdateFailedError,
    );
  };
  const result = await runOrder({ ship }, async (handle) => {
    await reaches(handle, "paid");
    await handle.executeUpdate(changeAddress, { args: ["Side Street 2"] });
  });
  assertEquals([result.state, result.address, shippedTo], [
    "delivered",
    "Side Street 2",
    "Side Street 2",
  ]);
});

Deno.test("order is undone if its Workflow is canceled while it ships", async () => {
  const ship = async (id: string) => {
    await environment.client.workflow.getHandle(id).cancel();
    throw new Error("lost");
  };
  const { calls, state, isFailed } = await runOrder({ ship });
  assertEquals(calls.slice(-3), ["recall", "refund", "release"]);
  assertEquals([state, isFailed], ["canceled", true]);
});
