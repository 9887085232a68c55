/**
 * `examples/shop`, copied out of the repository: its tests, its programs, and a run
 * under faults. `SEED` repeats a run, `LONG=1` has 200 orders open in it.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cp } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { findPort } from "../../packages/cli/ports.ts";
import { hasFreePorts } from "../../packages/cli/servers/dev_server.ts";
import { locateServer } from "../../packages/cli/servers/locate.ts";
import {
  postgresFolder,
  type PostgresServer,
  startPostgres,
} from "../shared/postgres.ts";
import {
  isLong,
  random,
  randomInteger,
  randomOf,
  seed,
} from "../shared/random.ts";
import {
  cleanEnv,
  Program,
  root,
  startDevServer,
  temporaryFolder,
  waitFor,
} from "./_programs.ts";

const goods: Record<string, { cents: number; stock: number }> = {
  book: { cents: 2_000, stock: 1_000 },
  lamp: { cents: 4_500, stock: 100 },
  pen: { cents: 300, stock: 1 },
};

/** Copies the shop, as a project that uses the packages of this checkout. */
async function copyShop() {
  const folder = await temporaryFolder();
  await cp(join(root, "examples/shop"), folder.path, {
    recursive: true,
    filter: (path) => !/^(node_modules|data)$/.test(basename(path)),
  });
  const file = join(folder.path, "deno.json");
  const config = JSON.parse(await Deno.readTextFile(file));
  config.links = config.links.map((path: string) =>
    join(relative(folder.path, root), path.replace(/^(\.\.\/)+/, ""))
  );
  await Deno.writeTextFile(file, JSON.stringify(config));
  await using install = start(folder.path, ["install", "--quiet"]);
  assertEquals((await install.status).code, 0, install.stderr);
  return folder;
}

function start(
  cwd: string,
  args: string[],
  env: Record<string, string> = {},
): Program {
  return new Program([Deno.execPath(), ...args], {
    cwd,
    env: { ...cleanEnv, ...env },
    clearEnv: true,
  });
}

/** The programs of a shop but the server, each of which can be killed. */
class Shop implements AsyncDisposable {
  readonly url: string;
  readonly payments: string;
  readonly #cwd: string;
  readonly #env: Record<string, string>;
  readonly #programs = new Map<string, Program>();

  constructor(cwd: string, env: Record<string, string>) {
    const [port, paymentsPort] = [findPort(), findPort()];
    this.url = `http://127.0.0.1:${port}`;
    this.payments = `http://127.0.0.1:${paymentsPort}`;
    this.#cwd = cwd;
    this.#env = {
      ...env,
      PORT: `${port}`,
      PAYMENTS_PORT: `${paymentsPort}`,
      PAYMENTS_URL: this.payments,
    };
  }

  /** Starts a task, and waits until it has printed a text. */
  async start(name: string, text: string): Promise<Program> {
    const program = start(this.#cwd, ["task", "--quiet", name], this.#env);
    this.#programs.set(name, program);
    await program.prints(text);
    return program;
  }

  async startAll() {
    await this.start("payments", "Payment service at");
    await this.start("web", "Shop at");
    return await this.start("worker", "Worker is polling");
  }

  /** Kills a program with SIGKILL. */
  async kill(name: string) {
    const program = this.#programs.get(name)!;
    program.kill("SIGKILL");
    await program.status;
  }

  /** Sends a form, again and again while the web process is away. */
  async post(path: string, fields: Record<string, string>): Promise<Response> {
    for (;;) {
      try {
        const response = await fetch(this.url + path, {
          method: "POST",
          body: new URLSearchParams(fields),
          redirect: "manual",
          signal: AbortSignal.timeout(10_000),
        });
        await response.body?.cancel();
        if (response.status !== 503) return response;
      } catch {
        // It was killed.
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Reads what the page of an order shows, until the order ends. */
  async follow(id: string): Promise<{ text: string }[]> {
    const response = await fetch(`${this.url}/orders/${id}/events`);
    const events = (await response.text()).matchAll(/^data: (.+)$/gm);
    return Array.from(events, ([, event]) => JSON.parse(event));
  }

  async [Symbol.asyncDispose]() {
    for (const program of this.#programs.values()) {
      await program[Symbol.asyncDispose]();
    }
  }
}

const form = {
  goods: "book",
  name: "Ada",
  address: "Main Street 1",
  card: "4242424242424242",
};

Deno.test("a copy of the shop passes its tests and runs in one terminal", async () => {
  await using copy = await copyShop();
  await using postgres = postgresFolder ? await startPostgres() : undefined;
  await using tests = start(copy.path, ["task", "--quiet", "test"], {
    TEMPORAL_TEST_SERVER: await locateServer("test-server"),
    ...postgres && { TEST_DATABASE_URL: postgres.url },
  });
  await tests.status;
  const printed = tests.stdout + tests.stderr;
  const ignored = postgres ? "" : " | 5 ignored";
  assertStringIncludes(printed, `passed | 0 failed${ignored} (`);

  const [port, paymentsPort, serverPort] = [
    findPort(),
    findPort(),
    findPort(hasFreePorts),
  ];
  const ports = [
    ...["--port", `${port}`, "--payments-port", `${paymentsPort}`],
    ...["--server-port", `${serverPort}`],
  ];
  const env = { CANCEL_SECONDS: "1", STAGE_MS: "10" };
  await using all = start(copy.path, ["task", "-q", "shop", ...ports], env);
  await all.prints(`server   | Temporal Service at localhost:${serverPort}`);
  await all.prints(`payments | Payment service at `);
  await all.prints(`web      | Shop at http://127.0.0.1:${port}`);
  await all.prints('worker   | Worker is polling Task Queue "shop"');
  const page = await (await fetch(`http://127.0.0.1:${port}`)).text();
  const [, id] = /name="id" value="(.+?)"/.exec(page)!;
  const response = await fetch(`http://127.0.0.1:${port}/orders`, {
    method: "POST",
    body: new URLSearchParams({ ...form, id }),
  });
  assertStringIncludes(await response.text(), "A book for Ada");
  await all.prints(`Sent the receipt of order ${id}`);
  all.kill("SIGINT");
  assertEquals((await all.status).code, 0);
  assertStringIncludes(all.stdout, "server   | Dev server stops");
});

Deno.test("a parcel goes on at the recorded heartbeat after its Worker was killed", async () => {
  await using server = await startDevServer();
  await using copy = await copyShop();
  await using shop = new Shop(copy.path, {
    TEMPORAL_ADDRESS: server.address,
    CANCEL_SECONDS: "1",
  });
  const worker = await shop.startAll();
  const id = crypto.randomUUID();
  assertEquals((await shop.post("/orders", { ...form, id })).status, 303);
  await worker.prints("stage 4 of 10");
  await shop.kill("worker");
  const next = await shop.start("worker", "stage 10 of 10");
  const stages = [...next.stderr.matchAll(/stage (\d+) of 10/g)]
    .map(([, stage]) => Number(stage));
  // The last heartbeat may have been on its way.
  assert([4, 5].includes(stages[0]), `${stages}`);
  assertEquals((await shop.follow(id)).at(-1)?.text, "Delivered");
});

Deno.test("the shop answers with 503 while the server is away, and goes on when it is back", async () => {
  await using folder = await temporaryFolder();
  const options = { database: join(folder.path, "temporal.db") };
  const port = findPort(hasFreePorts);
  await using copy = await copyShop();
  await using shop = new Shop(copy.path, {
    TEMPORAL_ADDRESS: `localhost:${port}`,
  });
  await shop.start("web", "Shop at");
  const order = `/orders/${crypto.randomUUID()}`;
  const status = async () => {
    const response = await fetch(shop.url + order);
    await response.body?.cancel();
    return response.status;
  };
  const becomes = (expected: number) =>
    waitFor(`status ${expected}`, async () => await status() === expected, {
      seconds: 60,
    });
  assertEquals(await status(), 503);
  for (const _ of ["once", "twice"]) {
    const server = await startDevServer({ ...options, port });
    await becomes(404);
    await server[Symbol.asyncDispose]();
    assertEquals(await status(), 503);
  }
});

/** Reads the tables of a shop. */
async function readTables(file: string, postgres?: PostgresServer) {
  const orders = "SELECT id, goods, state FROM orders";
  const stock = "SELECT name, stock FROM goods";
  const rows = async (sql: string): Promise<string[][]> => {
    if (postgres) {
      return (await postgres.query(sql)).map((line) => line.split("|"));
    }
    using database = new DatabaseSync(file);
    return database.prepare(sql).all()
      .map((row) => Object.values(row).map(String));
  };
  return { orders: await rows(orders), stock: await rows(stock) };
}

for (const name of ["SQLite", "PostgreSQL"]) {
  const ignore = name === "PostgreSQL" && !postgresFolder;
  if (ignore) console.log("PostgreSQL is not installed, and not tested");
  const count = isLong ? 200 : 40;

  Deno.test(
    `money, stock and orders add up after ${count} orders under SIGKILLs of Worker and web page (${name}, SEED=${seed})`,
    {
      ignore,
    },
    async () => {
      await using server = await startDevServer();
      await using postgres = name === "PostgreSQL"
        ? await startPostgres()
        : undefined;
      await using copy = await copyShop();
      await using shop = new Shop(copy.path, {
        TEMPORAL_ADDRESS: server.address,
        CANCEL_SECONDS: "2",
        STAGE_MS: "100",
        ...postgres && { DATABASE_URL: postgres.url },
      });
      await shop.startAll();

      let isPlacing = true;
      const faults = (async () => {
        let kills = 0;
        while (isPlacing || kills < (isLong ? 12 : 4)) {
          const delay = 500 + randomInteger(2_500);
          await new Promise((resolve) => setTimeout(resolve, delay));
          const program = random() < 0.5 ? "web" : "worker";
          await shop.kill(program);
          const text = program === "web" ? "Shop at" : "Worker is polling";
          await shop.start(program, text);
          kills++;
        }
      })();
      const orders = new Map<string, string>();
      const place = async () => {
        const id = crypto.randomUUID();
        const item = randomOf(Object.keys(goods));
        orders.set(id, item);
        const address = random() < 0.1 ? "nowhere" : "Main Street 1";
        const isRefused = random() < 0.1;
        const card = isRefused ? "4000000000000002" : form.card;
        const fields = { ...form, id, goods: item, address, card };
        const times = random() < 0.3 ? 2 : 1;
        const isCanceled = random() < 0.2;
        const forms = Array.from(
          { length: times },
          () => shop.post("/orders", fields),
        );
        for (const form of forms) assertEquals((await form).status, 303);
        if (isCanceled) await shop.post(`/orders/${id}/cancel`, {});
      };
      await Promise.all(Array.from({ length: count }, place));
      isPlacing = false;
      await faults;

      // Each ends, and the page says how.
      const ends = new Map<string, string>();
      for (const id of orders.keys()) {
        ends.set(id, (await shop.follow(id)).at(-1)!.text);
      }
      const tables = await readTables(
        join(copy.path, "data/shop.db"),
        postgres,
      );
      const payments: { key: string; cents: number; state: string }[] =
        await (await fetch(shop.payments)).json();
      const delivered = [...ends].filter(([, text]) =>
        text.startsWith("Delivered")
      ).map(([id]) => id).sort();
      assert(delivered.length > count / 4);

      assertEquals(
        tables.orders.filter(([, , state]) => state === "delivered")
          .map(([id]) => id).sort(),
        delivered,
      );
      const others = tables.orders.filter(([, , state]) =>
        state !== "delivered"
      );
      assertEquals(others.filter(([, , state]) => state !== "released"), []);
      for (const [name, left] of tables.stock) {
        const sold = delivered.filter((id) => orders.get(id) === name);
        assertEquals(Number(left), goods[name].stock - sold.length, name);
      }
      const charged = payments.filter(({ state }) => state === "charged");
      assertEquals(charged.map(({ key }) => key).sort(), delivered);
      for (const { key, cents } of charged) {
        assertEquals(cents, goods[orders.get(key)!].cents);
      }
    },
  );
}
