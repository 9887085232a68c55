/** Stock and orders, in SQLite or PostgreSQL. */

import { ApplicationFailure } from "@temporalio/activity";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import postgres from "postgres";
import { goods } from "./goods.ts";

/** Runs a statement and returns its rows. */
type Sql = (
  strings: TemplateStringsArray,
  ...values: (string | number)[]
) => Promise<Record<string, unknown>[]>;

/** Runs statements that take effect together, or not at all. */
type Transaction = <T>(statements: (sql: Sql) => Promise<T>) => Promise<T>;

/** Opens a file of SQLite, or PostgreSQL at a URL, and creates what is missing. */
export async function openStock(location: string) {
  const { transaction, lock, close } = location.startsWith("postgres")
    ? openPostgres(location)
    : openSqlite(location);

  await transaction(async (sql) => {
    await lock(sql); // several Workers may start at once
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
    /** Takes one of the goods for an order; does nothing if the order has it. */
    reserve: (id: string, goods: string): Promise<void> =>
      transaction(async (sql) => {
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
      transaction(async (sql) => {
        await sql`INSERT INTO orders (id, goods, state)
          VALUES (${id}, ${goods}, 'released') ON CONFLICT (id) DO NOTHING`;
        const [isReleased] = await sql`UPDATE orders SET state = 'released'
          WHERE id = ${id} AND state = 'reserved' RETURNING id`;
        if (!isReleased) return;
        await sql`UPDATE goods SET stock = stock + 1 WHERE name = ${goods}`;
      }),

    /** Records where the parcel went; does nothing if the goods were released. */
    deliver: async (id: string, address: string): Promise<void> => {
      await transaction((sql) =>
        sql`UPDATE orders SET state = 'delivered', address = ${address}
          WHERE id = ${id} AND state = 'reserved'`
      );
    },

    /** Undoes `deliver`. */
    recall: async (id: string): Promise<void> => {
      await transaction((sql) =>
        sql`UPDATE orders SET state = 'reserved', address = NULL
          WHERE id = ${id} AND state = 'delivered'`
      );
    },

    close,
  };
}

function openSqlite(file: string) {
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  // Another process may be writing: wait for it, and let it not block readers.
  database.exec("PRAGMA busy_timeout = 4000; PRAGMA journal_mode = WAL");
  const sql: Sql = async (strings, ...values) =>
    database.prepare(strings.join("?")).all(...values);
  let last: Promise<unknown> = Promise.resolve();
  const transaction: Transaction = (statements) => {
    // One connection has one transaction, so those of this process take turns.
    const next = last.catch(() => {}).then(async () => {
      database.exec("BEGIN IMMEDIATE"); // no other process can write from here on
      try {
        const result = await statements(sql);
        database.exec("COMMIT");
        return result;
      } catch (error) {
        database.exec("ROLLBACK");
        throw error;
      }
    });
    last = next;
    return next;
  };
  const close = async () => database.close();
  return { transaction, lock: async () => {}, close };
}

function openPostgres(url: string) {
  const pool = postgres(url, { max: 5, onnotice() {} });
  const transaction: Transaction = async (statements) =>
    await pool.begin((sql) => statements(sql as unknown as Sql)) as never;
  const lock = (sql: Sql) => sql`SELECT pg_advisory_xact_lock(${7_467})`;
  return { transaction, lock, close: () => pool.end() };
}
