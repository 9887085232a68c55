/** The web process: a page to order from, and one that follows an order. */

import * as temporal from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import { NativeConnection, Runtime } from "@temporalio/worker";
import { setTimeout as delay } from "node:timers/promises";
import { goods } from "./goods.ts";
import { readForm, refuse, reply, type Rule, serve } from "./http.ts";
import { describe, orderPage, shopPage } from "./pages.ts";
import script from "./static/order.js" with { type: "text" };
import style from "./static/style.css" with { type: "text" };
import { cancel, changeAddress, getStatus, order } from "./workflows.ts";

type Handle = temporal.WorkflowHandle<typeof order>;

const line: Rule = [/^\P{Cc}{1,200}$/u, "a line of 1 to 200 characters"];
const names = Object.keys(goods).join("|");
const orderRules = {
  goods: [new RegExp(`^(${names})$`), "what the shop sells"] as Rule,
  name: line,
  address: line,
  card: [/^(\d *){12,19}$/, "a number of 12 to 19 digits"] as Rule,
};

/** Creates the handler of requests. `connect` is called until it succeeds. */
export function createShop(
  connect: () => Promise<temporal.Client>,
  { cancelMs, deadlineMs = 5_000 }: { cancelMs: number; deadlineMs?: number },
): (request: Request) => Promise<Response> {
  let connecting: Promise<temporal.Client> | undefined;

  /** Calls the Temporal Service, with a time limit. */
  async function call<T>(fn: (client: temporal.Client) => Promise<T>) {
    const client = await (connecting ??= connect()).catch((error) => {
      connecting = undefined;
      throw error;
    });
    const deadline = Date.now() + deadlineMs;
    return await client.withDeadline(deadline, () => fn(client));
  }

  function callOrder<T>(id: string, fn: (handle: Handle) => Promise<T>) {
    return call((client) => fn(client.workflow.getHandle(id)));
  }

  /** Starts the Workflow, unless the same form was sent before. */
  async function placeOrder(id: string, request: Request) {
    const { name, card, ...form } = await readForm(request, orderRules);
    const { cents } = goods[form.goods];
    const digits = card.replaceAll(" ", "");
    await call((client) =>
      client.workflow.start(order, {
        args: [{ ...form, card: digits, cents, cancelMs }],
        taskQueue: "shop",
        workflowId: id,
        workflowIdConflictPolicy: "USE_EXISTING",
        workflowIdReusePolicy: "REJECT_DUPLICATE",
        memo: { title: `A ${form.goods} for ${name}` },
      })
    );
  }

  /** Sends what to show of an order, until it ends or the reader leaves. */
  async function* followOrder(id: string) {
    for (;;) {
      const query = callOrder(id, (handle) => handle.query(getStatus));
      const status = describe(await query.catch(() => undefined));
      yield `data: ${JSON.stringify(status)}\n\n`;
      if (status.isFinal) return;
      await delay(500);
    }
  }

  async function respond(request: Request, id: string, route: string) {
    switch (`${request.method} ${route}`) {
      case "GET /":
        return reply(shopPage(crypto.randomUUID()), "html");
      case "GET /order.js":
        return reply(script, "javascript");
      case "GET /style.css":
        return reply(style, "css");
      case "GET order": {
        const { memo } = await callOrder(id, (handle) => handle.describe());
        return reply(orderPage(id, memo!.title as string), "html");
      }
      case "GET order/events": {
        const events = ReadableStream.from(followOrder(id));
        const bytes = events.pipeThrough(new TextEncoderStream());
        return reply(bytes, "event-stream");
      }
      case "POST order":
        await placeOrder(id, request);
        return seeOrder(id);
      case "POST order/cancel":
        await readForm(request, {});
        await callOrder(id, (handle) => handle.signal(cancel));
        return seeOrder(id);
      case "POST order/address": {
        const { address } = await readForm(request, { address: line });
        const update = { args: [address] as [string] };
        await callOrder(id, (h) => h.executeUpdate(changeAddress, update));
        return seeOrder(id);
      }
    }
    return refuse(404, "There is no such page");
  }

  /** Answers a request that has failed with an error of the SDK. */
  async function explain(error: Error, id: string): Promise<Response> {
    const answer = (status: number, message: string) =>
      reply(`${message}\n`, "plain", status);
    switch (error.name) {
      case "WorkflowExecutionAlreadyStartedError":
        return seeOrder(id); // The form was sent before, and the order has ended.
      case "WorkflowUpdateFailedError":
        return answer(409, (error.cause as Error).message);
      case "WorkflowNotFoundError":
        // It is the same for an order that has ended as for none.
        return await callOrder(id, (handle) => handle.describe()).then(
          () => answer(409, "The order has ended"),
          () => answer(404, "There is no such order"),
        );
      case "ServiceError":
      case "TransportError":
      case "WorkflowUpdateRPCTimeoutOrCancelledError":
        return answer(503, "The shop is not available; try again soon");
    }
    console.error(error);
    return answer(500, "The shop has failed");
  }

  return async (request) => {
    const { pathname } = new URL(request.url);
    const [, id = "", action = ""] =
      /^\/orders\/([\da-f-]{36})(\/\w+)?$/.exec(pathname) ?? [];
    try {
      return await respond(request, id, id ? `order${action}` : pathname);
    } catch (error) {
      if (error instanceof Response) return error;
      return await explain(error as Error, id);
    }
  };
}

function seeOrder(id: string): Response {
  const headers = { location: `/orders/${id}` };
  return new Response(null, { status: 303, headers });
}

if (import.meta.main) {
  // Otherwise, the SDK takes signals for a Worker, and the process does not end.
  Runtime.install({ shutdownSignals: [] });
  const options = loadClientConnectConfig({ disableFile: true });
  const { connectionOptions, namespace } = options;
  const shop = createShop(async () => {
    // A Connection of @temporalio/client may end a long-lived process on Deno.
    const connection = await NativeConnection.connect(connectionOptions);
    return new temporal.Client({ connection, namespace });
  }, { cancelMs: 1_000 * Number(Deno.env.get("CANCEL_SECONDS") || 20) });
  serve("Shop", Number(Deno.env.get("PORT") || 8000), shop);
}
