import "@temporal-on-deno/cli/testing"; // silences the log
import { MockActivityEnvironment } from "@temporalio/testing";
import { assertEquals, assertRejects } from "@std/assert";
import { createPayments } from "../payments.ts";
import { createSqlite } from "./_databases.ts";

type Faults = ("fail" | "hang" | "lose" | undefined)[];

const faults: Faults = [];
const database = await createSqlite();
const end = new AbortController();
const payments = Deno.serve(
  { hostname: "127.0.0.1", port: 0, signal: end.signal, onListen() {} },
  createPayments(() => faults.shift()),
);
const url = `http://127.0.0.1:${payments.addr.port}`;
Deno.env.set("DATABASE_URL", database.location);
Deno.env.set("PAYMENTS_URL", url);
Deno.env.set("STAGE_MS", "1");
const { charge, refund, ship } = await import("../activities.ts");

Deno.test.afterAll(async () => {
  // A request that hangs is not waited for.
  end.abort();
  await database[Symbol.asyncDispose]();
});

/** Calls an Activity as Temporal does, again and again until it succeeds. */
async function retry(fn: () => Promise<void>) {
  for (;;) {
    try {
      return await new MockActivityEnvironment().run(fn);
    } catch (error) {
      if ((error as { nonRetryable?: boolean }).nonRetryable) throw error;
    }
  }
}

async function findPayment(id: string) {
  const payments = await (await fetch(url)).json();
  return payments[id];
}

const card = "4242424242424242";

Deno.test("charge charges once if the payment service fails, hangs and loses its answer", async () => {
  faults.push("fail", "hang", "lose", undefined);
  await retry(() => charge({ id: "a", card, cents: 300 }));
  assertEquals(faults, []);
  assertEquals(await findPayment("a"), { cents: 300, state: "charged" });
});

Deno.test("charge gives up if the card is refused", async () => {
  const refused = () =>
    charge({ id: "b", card: "4000000000000002", cents: 300 });
  await assertRejects(() => retry(refused), Error, "The card was refused");
  assertEquals(await findPayment("b"), undefined);
});

Deno.test("refund undoes a payment, and forbids one that comes later", async () => {
  await retry(() => charge({ id: "c", card, cents: 300 }));
  faults.push("lose");
  await retry(() => refund("c"));
  await retry(() => refund("d"));
  await retry(() => charge({ id: "d", card, cents: 300 }));
  assertEquals(await findPayment("c"), { cents: 300, state: "refunded" });
  assertEquals(await findPayment("d"), { cents: 0, state: "refunded" });
});

Deno.test("ship goes on after the stage of the last heartbeat", async () => {
  const environment = new MockActivityEnvironment({ heartbeatDetails: 7 });
  const stages: number[] = [];
  environment.on("heartbeat", (stage) => stages.push(stage));
  await environment.run(ship, "e", "Main Street 1");
  assertEquals(stages, [8, 9, 10]);
});

Deno.test("ship gives up on an address that does not exist", async () => {
  const environment = new MockActivityEnvironment();
  const shipping = environment.run(ship, "f", "Nowhere");
  await assertRejects(() => shipping, Error, "There is no such address");
});
