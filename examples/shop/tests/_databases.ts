/** Databases that the tests create and remove. */

import postgres from "postgres";

/** A database, empty at first. */
export interface TestDatabase extends AsyncDisposable {
  /** A file of SQLite, or the URL of PostgreSQL. */
  location: string;
}

/** Creates a file of SQLite. */
export async function createSqlite(): Promise<TestDatabase> {
  const folder = `data/test-${crypto.randomUUID()}`;
  await Deno.mkdir(folder, { recursive: true });
  return {
    location: `${folder}/shop.db`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** The PostgreSQL that the tests may use; they create schemas there. */
export const postgresUrl: string | undefined = Deno.env.get(
  "TEST_DATABASE_URL",
);

/** Creates a schema in PostgreSQL. */
export async function createSchema(): Promise<TestDatabase> {
  const schema = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const sql = postgres(postgresUrl!, { max: 1, onnotice() {} });
  await sql`CREATE SCHEMA ${sql(schema)}`;
  const url = new URL(postgresUrl!);
  url.searchParams.set("search_path", schema);
  return {
    location: url.href,
    async [Symbol.asyncDispose]() {
      await sql`DROP SCHEMA ${sql(schema)} CASCADE`;
      await sql.end();
    },
  };
}
