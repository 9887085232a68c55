import { assertEquals, assertRejects } from "@std/assert";
import { goods } from "../goods.ts";
import { openStock } from "../stock.ts";
import {
  createSchema,
  createSqlite,
  postgresUrl,
  type TestDatabase,
} from "./_databases.ts";

for (
  const [name, create] of Object.entries({
    SQLite: createSqlite,
    PostgreSQL: createSchema,
  })
) {
  const isMissing = name === "PostgreSQL" && !postgresUrl;
  if (isMissing) {
    console.log("Without TEST_DATABASE_URL, nothing is tested on PostgreSQL");
  }

  const test = (
    what: string,
    fn: (stock: Awaited<ReturnType<typeof openStock>>) => Promise<void>,
  ) =>
    Deno.test(`${what} (${name})`, { ignore: isMissing }, async () => {
      await using database = await create();
      const stock = await openStock(database.location);
      await fn(stock);
      await stock.close();
    });

  test("reserve takes one for an order, however often it is called", async (stock) => {
    await stock.reserve("a", "pen");
    await stock.reserve("a", "pen");
    const buy = () => stock.reserve("b", "pen");
    assertEquals(goods.pen.stock, 1);
    const error = await assertRejects(buy, Error, "sold out");
    assertEquals((error as { nonRetryable?: boolean }).nonRetryable, true);
  });

  test("release puts back what was reserved, once", async (stock) => {
    await stock.reserve("a", "pen");
    await stock.release("a", "pen");
    await stock.release("a", "pen");
    await stock.reserve("b", "pen");
    await assertRejects(() => stock.reserve("c", "pen"), Error);
  });

  test("release forbids a reservation that comes later", async (stock) => {
    await stock.release("a", "pen");
    await stock.reserve("a", "pen");
    await stock.reserve("b", "pen");
  });

  test("recall makes a delivered order one that can be released", async (stock) => {
    await stock.reserve("a", "pen");
    await stock.deliver("a", "Main Street 1");
    await stock.release("a", "pen");
    await assertRejects(() => stock.reserve("b", "pen"), Error);
    await stock.recall("a");
    await stock.release("a", "pen");
    await stock.reserve("b", "pen");
  });

  Deno.test(
    `two Workers at once sell nothing twice (${name})`,
    { ignore: isMissing },
    async () => {
      await using database = await create();
      const ids = Array.from({ length: 80 }, (_, i) => `order-${i}`);
      // 120 attempts, of which 40 are for an order that the other one has, too
      const [first, second] = await Promise.all([
        buy(database, ids.slice(0, 60)),
        buy(database, ids.slice(20)),
      ]);
      assertEquals([...first, ...second].filter((r) => r === "SoldOut"), []);
      const more = ids.map((id) => `more-${id}`);
      const results = (await Promise.all([
        buy(database, more.slice(0, 40)),
        buy(database, more.slice(40)),
      ])).flat();
      assertEquals(goods.lamp.stock, 100);
      assertEquals(results.filter((r) => r === "SoldOut").length, 60);
      assertEquals(results.filter((r) => r !== "SoldOut").length, 20);
    },
  );
}

async function buy(
  { location }: TestDatabase,
  ids: string[],
): Promise<string[]> {
  const url = import.meta.resolve("./_buyer.ts");
  const buyer = new Worker(url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  buyer.onmessage = ({ data }) => resolve(data);
  buyer.onerror = ({ message }) => reject(new Error(message));
  buyer.postMessage([location, ids]);
  try {
    return await promise;
  } finally {
    buyer.terminate();
  }
}
