import { environment, useEnvironment } from "@temporal-on-deno/cli/testing";
import type { Client } from "@temporalio/client";
import { TransportError, Worker } from "@temporalio/worker";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createShop } from "../shop.ts";
import { cancel, getStatus } from "../workflows.ts";

useEnvironment();

const origin = "http://shop.test";
const valid = {
  goods: "book",
  name: "Ada",
  address: "Main Street 1",
  card: "4242 4242 4242 4242",
};

type Shop = ReturnType<typeof createShop>;

function openShop(connect = async () => environment.client as Client): Shop {
  return createShop(connect, { cancelMs: 3_600_000, deadlineMs: 60_000 });
}

function get(shop: Shop, path: string): Promise<Response> {
  return shop(new Request(origin + path));
}

function post(
  shop: Shop,
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const body = `${new URLSearchParams(fields)}`;
  return shop(
    new Request(origin + path, {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "content-length": `${body.length}`,
        host: "shop.test",
        origin,
        ...headers,
      },
      body,
    }),
  );
}

/** Returns the status and the line of an answer. */
async function answer(response: Promise<Response>): Promise<string> {
  const { status } = await response;
  return `${status} ${await (await response).text()}`;
}

/** Waits until an order is paid. */
async function isPaid(id: string) {
  const handle = environment.client.workflow.getHandle(id);
  while ((await handle.query(getStatus)).state !== "paid") {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function withWorker(fn: () => Promise<void>) {
  const nothing = () => {};
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: "shop",
    workflowsPath: import.meta.resolve("../workflows.ts"),
    activities: {
      ...{ reserve: nothing, charge: nothing, ship: nothing },
      ...{ recall: nothing, refund: nothing, release: nothing },
      sendReceipt: nothing,
    },
  });
  await worker.runUntil(fn);
}

Deno.test("a form that is sent twice is one order", async () => {
  await withWorker(async () => {
    const shop = openShop();
    const page = await (await get(shop, "/")).text();
    const [, id] = /action="\/orders\/(.+?)"/.exec(page)!;
    for (const name of ["Ada", "Grace"]) {
      const response = await post(shop, `/orders/${id}`, { ...valid, name });
      assertEquals(response.status, 303);
      assertEquals(response.headers.get("location"), `/orders/${id}`);
    }
    const order = await (await get(shop, `/orders/${id}`)).text();
    assertStringIncludes(order, "A book for Ada");

    const handle = environment.client.workflow.getHandle(id);
    await isPaid(id);
    await handle.signal(cancel);
    await handle.result();
    const again = await post(shop, `/orders/${id}`, valid);
    assertEquals(again.status, 303);
    assertEquals((await handle.query(getStatus)).state, "canceled");
  });
});

Deno.test("an order's page follows the order to its end", async () => {
  await withWorker(async () => {
    const shop = openShop();
    const id = crypto.randomUUID();
    await post(shop, `/orders/${id}`, valid);
    const { body } = await get(shop, `/orders/${id}/events`);
    await isPaid(id);
    const path = `/orders/${id}/address`;
    assertEquals((await post(shop, path, { address: "<b>" })).status, 303);
    assertEquals((await post(shop, `/orders/${id}/cancel`, {})).status, 303);
    const events = await new Response(body).text();
    const [last] = events.match(/(?<=^data: ).+/gm)!.reverse();
    assertEquals(JSON.parse(last), {
      text: "Canceled; you have your money back",
      address: "<b>",
      canChange: false,
      isFinal: true,
    });

    const ended = "409 The order has ended\n";
    assertEquals(await answer(post(shop, path, { address: "b" })), ended);
    assertEquals(await answer(post(shop, `/orders/${id}/cancel`, {})), ended);
  });
});

Deno.test("an order's page ends its events if the reader leaves", async () => {
  let calls = 0;
  const shop = openShop(async () => {
    calls++;
    throw new TransportError("no server");
  });
  const { body } = await get(shop, `/orders/${crypto.randomUUID()}/events`);
  const reader = body!.getReader();
  const { value } = await reader.read();
  const text = new TextDecoder().decode(value);
  assertStringIncludes(text, "Waiting for the shop");
  await reader.cancel();
  const before = calls;
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  // One may have been under way.
  assert(calls <= before + 1, `${calls} calls`);
});

Deno.test("a page shows what somebody has entered as text", async () => {
  const shop = openShop();
  const id = crypto.randomUUID();
  const name = `<script>alert("&'")</script>`;
  await post(shop, `/orders/${id}`, { ...valid, name });
  const page = await get(shop, `/orders/${id}`);
  const html = await page.text();
  assertEquals(html.match(/<script/g)?.length, 1);
  assertStringIncludes(html, "&#60;script&#62;alert(&#34;&#38;&#39;&#34;)");
  const policy = page.headers.get("content-security-policy")!;
  assertStringIncludes(policy, "default-src 'self'");
});

Deno.test("a form with a mistake is refused with one line", async () => {
  const shop = openShop();
  const id = crypto.randomUUID();
  const line = "a line of 1 to 200 characters";
  const mistakes: [field: string, value: string, rule: string][] = [
    ["name", " ", line],
    ["address", "a".repeat(201), line],
    ["name", "a\nb", line],
    ["card", "4242", "a number of 12 to 19 digits"],
    ["goods", "toString", "what the shop sells"],
  ];
  for (const [field, value, rule] of mistakes) {
    assertEquals(
      await answer(post(shop, `/orders/${id}`, { ...valid, [field]: value })),
      `400 Cannot use "${field}": it must be ${rule}\n`,
    );
  }
});

Deno.test("a request that is no form of the shop is refused", async () => {
  const shop = openShop();
  const path = `/orders/${crypto.randomUUID()}`;
  const send = (headers: Record<string, string>) =>
    answer(post(shop, path, valid, headers));
  assertEquals(
    await send({ origin: "http://evil.test" }),
    "403 The form is not from this shop\n",
  );
  assertEquals(
    await send({ "content-type": "text/plain" }),
    "415 A form was expected\n",
  );
  for (const length of ["", "x", "10001"]) {
    assertEquals(
      await send({ "content-length": length }),
      "413 The form is too long\n",
    );
  }
  assertEquals(await answer(get(shop, path)), "404 There is no such order\n");
  assertEquals(
    await answer(post(shop, `${path}/cancel`, {})),
    "404 There is no such order\n",
  );
  for (const path of ["/orders/hello-workflow", "/orders", "/order"]) {
    assertEquals(await answer(get(shop, path)), "404 There is no such page\n");
  }
});

Deno.test("the shop answers with 503 without a Temporal Service, and goes on with one", async () => {
  let isAway = true;
  const shop = openShop(async () => {
    if (isAway) throw new TransportError("connection refused");
    return environment.client;
  });
  const path = `/orders/${crypto.randomUUID()}`;
  assertEquals(
    await answer(post(shop, path, valid)),
    "503 The shop is not available; try again soon\n",
  );
  isAway = false;
  assertEquals((await post(shop, path, valid)).status, 303);
});
