/** A database, for statements that SQLite and PostgreSQL both understand. */

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import postgres from "postgres";

/** Runs a statement and returns its rows. */
type Sql = (
  strings: TemplateStringsArray,
  ...values: (string | number)[]
) => Promise<Record<string, unknown>[]>;

/** Statements that take effect together, or not at all. */
type Transaction = (sql: Sql) => Promise<unknown>;

/** Opens PostgreSQL at a URL, or a file of SQLite, and migrates it. */
export async function openDatabase(location: string, migrate: Transaction) {
  const isPostgres = location.startsWith("postgres");
  const database = isPostgres ? openPostgres(location) : openSqlite(location);
  await database.run(async (sql) => {
    // Several Workers may start at once; in SQLite, transactions take turns.
    if (isPostgres) await sql`SELECT pg_advisory_xact_lock(7467)`;
    await migrate(sql);
  });
  return database;
}

function openPostgres(url: string) {
  const pool = postgres(url, { max: 5, onnotice() {} });
  return {
    async run(transaction: Transaction) {
      await pool.begin((sql) => transaction(sql as unknown as Sql));
    },
    close: () => pool.end(),
  };
}

function openSqlite(file: string) {
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  // Another process may be writing: wait for it, and let it not block readers.
  database.exec("PRAGMA busy_timeout = 4000; PRAGMA journal_mode = WAL");
  const sql: Sql = async (strings, ...values) =>
    database.prepare(strings.join("?")).all(...values);
  let last = Promise.resolve();
  return {
    run(transaction: Transaction) {
      // One connection has one transaction, so those of this process take turns.
      const next = last.then(async () => {
        database.exec("BEGIN IMMEDIATE"); // no other process can write now
        try {
          await transaction(sql);
          database.exec("COMMIT");
        } catch (error) {
          database.exec("ROLLBACK");
          throw error;
        }
      });
      last = next.catch(() => {});
      return next;
    },
    close: async () => database.close(),
  };
}
