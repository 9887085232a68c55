/** What is in stock, and which order has it. */

import { ApplicationFailure } from "@temporalio/activity";
import { openDatabase } from "./database.ts";
import { goods } from "./goods.ts";

/** Opens the stock in a database, and creates what is missing there. */
export async function openStock(location: string) {
  const database = await openDatabase(location, async (sql) => {
    await sql`CREATE TABLE IF NOT EXISTS goods (
      name TEXT PRIMARY KEY, stock INTEGER NOT NULL CHECK (stock >= 0))`;
    await sql`CREATE TABLE IF NOT EXISTS orders (
      id TEXT PRIMARY KEY, goods TEXT NOT NULL, state TEXT NOT NULL, address TEXT)`;
    for (const [name, { stock }] of Object.entries(goods)) {
      await sql`INSERT INTO goods VALUES (${name}, ${stock})
        ON CONFLICT (name) DO NOTHING`;
    }
  });

  return {
    close: database.close,

    /** Takes one of the goods for an order; does nothing if the order has it. */
    reserve: (id: string, goods: string): Promise<void> =>
      database.run(async (sql) => {
        const [isNew] = await sql`INSERT INTO orders (id, goods, state)
          VALUES (${id}, ${goods}, 'reserved') ON CONFLICT (id) DO NOTHING RETURNING id`;
        if (!isNew) return;
        const [isTaken] = await sql`UPDATE goods SET stock = stock - 1
          WHERE name = ${goods} AND stock > 0 RETURNING name`;
        if (isTaken) return;
        throw ApplicationFailure.nonRetryable("This is sold out", "SoldOut");
      }),

    /** Undoes `reserve`, also one that is under way or comes later. */
    release: (id: string, goods: string): Promise<void> =>
      database.run(async (sql) => {
        await sql`INSERT INTO orders (id, goods, state)
          VALUES (${id}, ${goods}, 'released') ON CONFLICT (id) DO NOTHING`;
        const [isReleased] = await sql`UPDATE orders SET state = 'released'
          WHERE id = ${id} AND state = 'reserved' RETURNING id`;
        if (!isReleased) return;
        await sql`UPDATE goods SET stock = stock + 1 WHERE name = ${goods}`;
      }),

    /** Records where the parcel went; does nothing if the goods were released. */
    deliver: (id: string, address: string): Promise<void> =>
      database.run((sql) =>
        sql`UPDATE orders SET state = 'delivered', address = ${address}
          WHERE id = ${id} AND state = 'reserved'`
      ),

    /** Undoes `deliver`. */
    recall: (id: string): Promise<void> =>
      database.run((sql) =>
        sql`UPDATE orders SET state = 'reserved', address = NULL
          WHERE id = ${id} AND state = 'delivered'`
      ),
  };
}
