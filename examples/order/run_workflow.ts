/**
 * The program that places an order, pays for it, and prints the result.
 *
 * @module
 */

import { Client, Connection } from "@temporalio/client";
import { clientMain } from "../../cli/client.ts";
import { printable } from "../../cli/program.ts";
import type { Settings } from "../../cli/settings.ts";
import { getStatus, type Order, pay, ProcessOrder } from "./workflows.ts";

/** Executes `ProcessOrder` and returns its result. */
export async function runWorkflow(
  { connectionOptions, namespace, taskQueue }: Settings,
  order: Order,
  card: string,
): Promise<string> {
  const connection = await Connection.connect(connectionOptions);
  try {
    const client = new Client({ connection, namespace });
    const handle = await client.workflow.start(ProcessOrder, {
      args: [order],
      taskQueue,
      // One Workflow Execution for an order, whoever starts it
      workflowId: `order-${order.orderId}`,
      workflowIdConflictPolicy: "USE_EXISTING",
    });
    // With an id, the Update happens once, even if this program runs twice.
    await handle.executeUpdate(pay, { args: [card], updateId: "pay" });
    console.log(`Paid; status: ${await handle.query(getStatus)}`);
    return await handle.result();
  } finally {
    await connection.close();
  }
}

if (import.meta.main) {
  const options = {
    "ITEM": "What to order (default: a book)",
    "--order-id ID": "Identifies the order (default: 1)",
    "--card NUMBER": 'Card to charge; "declined" is (default: 4242)',
  };
  const defaults = {
    taskQueue: "order-task-queue",
    workerTask: "order:worker",
  };
  await clientMain(
    "deno task order:start [ITEM]",
    options,
    defaults,
    async (settings, args) => {
      const order = {
        orderId: args["order-id"] ?? "1",
        item: args.ITEM ?? "a book",
        cents: 2_000,
      };
      const card = args.card ?? "4242";
      const result = await runWorkflow(settings, order, card);
      console.log(`Result: ${printable(result)}`);
    },
  );
}
