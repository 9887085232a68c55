/** The web process: a page to order from, and one that follows an order. */

import * as temporal from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import { NativeConnection, Runtime } from "@temporalio/worker";
import { setTimeout as delay } from "node:timers/promises";
import { goods } from "./goods.ts";
import { describe, orderPage, shopPage, style } from "./pages.ts";
import { serve } from "./serve.ts";
import script from "./static/order.js" with { type: "text" };
import { cancel, changeAddress, getStatus, order } from "./workflows.ts";

const MAX_FORM_BYTES = 10_000;

type Handle = temporal.WorkflowHandle<typeof order>;

/** Creates the handler of requests. `connect` is called until it succeeds. */
export function createShop(
  connect: () => Promise<temporal.Client>,
  { cancelMs, deadlineMs = 5_000 }: { cancelMs: number; deadlineMs?: number },
): (request: Request) => Promise<Response> {
  let connecting: Promise<temporal.Client> | undefined;

  /** Calls the Temporal Service, with a time limit. */
  async function call<T>(
    fn: (client: temporal.Client) => Promise<T>,
  ): Promise<T> {
    const client = await (connecting ??= connect()).catch((cause) => {
      connecting = undefined;
      throw new temporal.ServiceError("Cannot connect", { cause });
    });
    return await client.withDeadline(
      Date.now() + deadlineMs,
      () => fn(client),
    );
  }

  function callOrder<T>(
    id: string,
    fn: (handle: Handle) => Promise<T>,
  ): Promise<T> {
    return call((client) => fn(client.workflow.getHandle(id)));
  }

  /** Starts the Workflow, unless the same form was sent before. */
  async function placeOrder(request: Request) {
    const names = ["id", "goods", "name", "address", "card"] as const;
    const { id, name, card, ...form } = await readForm(request, names);
    if (!isOrderNumber(id)) refuse("the number of the order is not valid");
    if (!Object.hasOwn(goods, form.goods)) refuse("there are no such goods");
    if (!/^(\d *){12,19}$/.test(card)) {
      refuse('"card" must have 12 to 19 digits');
    }
    const digits = card.replaceAll(" ", "");
    const { cents } = goods[form.goods];
    await call((client) =>
      client.workflow.start(order, {
        args: [{ ...form, card: digits, cents, cancelMs }],
        taskQueue: "shop",
        workflowId: id,
        workflowIdConflictPolicy: "USE_EXISTING",
        workflowIdReusePolicy: "REJECT_DUPLICATE",
        memo: { title: `A ${form.goods} for ${name}` },
      })
    ).catch((error) => {
      // It has ended, and is the same order all the same.
      if (!(error instanceof temporal.WorkflowExecutionAlreadyStartedError)) {
        throw error;
      }
    });
    return seeOrder(id);
  }

  /** Sends each change of an order, until the order ends or the reader leaves. */
  async function* followOrder(id: string) {
    for (let last = "", isFinal = false; !isFinal;) {
      const query = callOrder(id, (handle) => handle.query(getStatus));
      const status = describe(await query.catch(() => undefined));
      const event = `data: ${JSON.stringify(status)}\n\n`;
      // After a comment, too, the loop ends here if the reader has left.
      yield event === last ? ":\n\n" : event;
      last = event;
      ({ isFinal } = status);
      await delay(500);
    }
  }

  async function respond(
    request: Request,
    id?: string,
    action = "",
  ): Promise<Response> {
    const path = id ? `order ${action}` : new URL(request.url).pathname;
    switch (`${request.method} ${path}`) {
      case "GET /":
        return reply(`${shopPage(crypto.randomUUID())}`, "html");
      case "GET /order.js":
        return reply(script, "javascript");
      case "GET /style.css":
        return reply(style, "css");
      case "POST /orders":
        return await placeOrder(request);
      case "GET order ": {
        const { memo } = await callOrder(id!, (handle) => handle.describe());
        return reply(`${orderPage(id!, memo!.title as string)}`, "html");
      }
      case "GET order events": {
        const events = ReadableStream.from(followOrder(id!));
        return reply(
          events.pipeThrough(new TextEncoderStream()),
          "event-stream",
        );
      }
      case "POST order cancel":
        await readForm(request, []);
        await callOrder(id!, (handle) => handle.signal(cancel));
        return seeOrder(id!);
      case "POST order address": {
        const { address } = await readForm(request, ["address"]);
        const update = { args: [address] as [string] };
        await callOrder(
          id!,
          (handle) => handle.executeUpdate(changeAddress, update),
        );
        return seeOrder(id!);
      }
    }
    return reply("There is no such page\n", "plain", 404);
  }

  return async (request) => {
    const { pathname } = new URL(request.url);
    const [, id, action] = /^\/orders\/([^/]+)(?:\/(\w+))?$/.exec(pathname) ??
      [];
    try {
      return await respond(request, isOrderNumber(id) ? id : undefined, action);
    } catch (error) {
      // The SDK throws the same for an order that has ended.
      const isKnown = error instanceof temporal.WorkflowNotFoundError &&
        await callOrder(id, (h) => h.describe()).then(() => true, () => false);
      const [status, message] = isKnown
        ? [409, "The order has ended"]
        : explain(error as Error);
      return reply(`${message}\n`, "plain", status);
    }
  };
}

/** A request that is answered with a status and one line. */
class RequestError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

function explain(error: Error): [status: number, message: string] {
  if (error instanceof RequestError) return [error.status, error.message];
  if (error instanceof temporal.WorkflowNotFoundError) {
    return [404, "There is no such order"];
  }
  if (error instanceof temporal.WorkflowUpdateFailedError) {
    return [409, error.cause!.message];
  }
  if (/^(ServiceError|WorkflowUpdateRPCTimeout.*)$/.test(error.name)) {
    return [503, "The shop is not available; try again soon"];
  }
  console.error(error);
  return [500, "The shop has failed"];
}

/** Reads a form of the shop's own pages, with text in each field. */
async function readForm<Name extends string>(
  request: Request,
  names: readonly Name[],
): Promise<Record<Name, string>> {
  const header = (name: string) => request.headers.get(name) ?? "";
  const origin = header("origin");
  if (origin && URL.parse(origin)?.host !== header("host")) {
    throw new RequestError(403, "The form is not from this shop");
  }
  if (!header("content-type").startsWith("application/x-www-form-urlencoded")) {
    throw new RequestError(415, "A form was expected");
  }
  // Without a length, the body could have any.
  if (!(Number(header("content-length") || NaN) <= MAX_FORM_BYTES)) {
    throw new RequestError(413, "The form is too long");
  }
  const form = new URLSearchParams(await request.text());
  return Object.fromEntries(names.map((name) => {
    const value = form.get(name)?.trim() ?? "";
    if (!value) refuse(`"${name}" is missing`);
    if (value.length > 200) refuse(`"${name}" is longer than 200 characters`);
    if (/\p{Cc}/u.test(value)) refuse(`"${name}" has control characters`);
    return [name, value];
  })) as Record<Name, string>;
}

function refuse(reason: string): never {
  throw new RequestError(400, `Cannot use the form: ${reason}`);
}

function isOrderNumber(id = ""): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(id);
}

function seeOrder(id: string): Response {
  return new Response(null, {
    status: 303,
    headers: { location: `/orders/${id}` },
  });
}

function reply(
  body: string | ReadableStream,
  type: string,
  status = 200,
): Response {
  const headers = {
    // Not "no-store": the form that "Back" shows has the number that it had.
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "content-type": `text/${type}; charset=utf-8`,
    "x-content-type-options": "nosniff",
  };
  return new Response(body, { status, headers });
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
  serve("Shop", { variable: "PORT", port: 8000 }, shop);
}
