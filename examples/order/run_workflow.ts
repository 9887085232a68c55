import { clientMain, printable } from "@temporal-on-deno/cli/client";
import { Client, Connection } from "@temporalio/client";
import { getStatus, pay, ProcessOrder } from "./workflows.ts";

const options = {
  "ITEM": "What to order (default: a book)",
  "--order-id ID": "Identifies the order (default: 1)",
  "--card NUMBER": 'Card to charge; "declined" fails (default: 4242)',
};
const defaults = { taskQueue: "order-task-queue", workerTask: "order:worker" };

await clientMain(
  "deno task order:start [ITEM]",
  options,
  defaults,
  async ({ connectionOptions, namespace, taskQueue }, args) => {
    const orderId = args["order-id"] ?? "1";
    const connection = await Connection.connect(connectionOptions);
    try {
      const client = new Client({ connection, namespace });
      const handle = await client.workflow.start(ProcessOrder, {
        args: [{ orderId, item: args.ITEM ?? "a book", cents: 2_000 }],
        taskQueue,
        // One open Workflow Execution for each order, however often this program runs
        workflowId: `order-${orderId}`,
        workflowIdConflictPolicy: "USE_EXISTING",
      });
      // The id makes the Update idempotent, too.
      const card = args.card ?? "4242";
      await handle.executeUpdate(pay, { args: [card], updateId: "pay" });
      console.log(`Status: ${await handle.query(getStatus)}`);
      console.log(`Result: ${printable(await handle.result())}`);
    } finally {
      await connection.close();
    }
  },
);
