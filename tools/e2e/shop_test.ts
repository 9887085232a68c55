/**
 * `examples/shop`, copied out of the repository: its tests, its programs, and a run
 * under faults. `SEED` repeats a run, `LONG=1` has 200 orders open in it.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cp } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { findPort, isFree } from "../../packages/cli/ports.ts";
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
  deno,
  type Program,
  root,
  startDeno,
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
  await deno(["install", "--quiet"], { cwd: folder.path });
  return folder;
}

// One shop after the other runs there.
const copy = await copyShop();
const cwd = copy.path;
const data = join(cwd, "data");
const server = await startDevServer();

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await copy[Symbol.asyncDispose]();
});

/** The programs of a shop but the server, each of which can be killed. */
class Shop implements AsyncDisposable {
  readonly url: string;
  readonly payments: string;
  readonly #env: Record<string, string>;
  readonly #programs = new Map<string, Program>();

  constructor(env: Record<string, string>) {
    const [port, paymentsPort] = [findPort(), findPort()];
    this.url = `http://127.0.0.1:${port}`;
    this.payments = `http://127.0.0.1:${paymentsPort}`;
    this.#env = {
      TEMPORAL_ADDRESS: server.address,
      ...env,
      PORT: `${port}`,
      PAYMENTS_URL: this.payments,
    };
  }

  /** Starts a task, and waits until it has printed a text. */
  async start(task: string, text: string, name = task): Promise<Program> {
    const args = ["task", "--quiet", task];
    const program = startDeno(args, { cwd, env: this.#env });
    this.#programs.set(name, program);
    await program.prints(text);
    return program;
  }

  /** Starts all, without the data of an earlier test. */
  async startAll() {
    await Deno.remove(data, { recursive: true }).catch(() => {});
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

// The shop's own task "ok" runs all of them, but without PostgreSQL.
Deno.test("a copy of the shop passes its tests of the stock, also with PostgreSQL", async () => {
  await using postgres = postgresFolder ? await startPostgres() : undefined;
  const env = {
    TEMPORAL_TEST_SERVER: await locateServer("test-server"),
    ...postgres && { TEST_DATABASE_URL: postgres.url },
  };
  const task = ["task", "--quiet", "test", "--no-check", "tests/stock_test.ts"];
  const { stdout, stderr } = await deno(task, { cwd, env });
  const ignored = postgres ? "" : " | 5 ignored";
  assertStringIncludes(stdout + stderr, `passed | 0 failed${ignored} (`);
});

Deno.test("a copy of the shop runs in one terminal", async () => {
  const [port, paymentsPort, serverPort] = [
    findPort(),
    findPort(),
    findPort(hasFreePorts),
  ];
  const env = {
    CANCEL_SECONDS: "1",
    PAYMENTS_URL: `http://127.0.0.1:${paymentsPort}`,
    PORT: `${port}`,
    STAGE_MS: "10",
    TEMPORAL_ADDRESS: `localhost:${serverPort}`,
  };
  await using all = startDeno(["task", "-q", "shop"], { cwd, env });
  await all.prints(`Temporal Service at localhost:${serverPort}`);
  await all.prints(`payments | Payment service at `);
  await all.prints(`web      | Shop at http://127.0.0.1:${port}`);
  await all.prints('worker   | Worker is polling Task Queue "shop"');
  const page = await (await fetch(`http://127.0.0.1:${port}`)).text();
  const [, id] = /action="\/orders\/(.+?)"/.exec(page)!;
  const response = await fetch(`http://127.0.0.1:${port}/orders/${id}`, {
    method: "POST",
    body: new URLSearchParams(form),
  });
  assertStringIncludes(await response.text(), "A book for Ada");
  await all.prints(`Sent the receipt of order ${id}`);
  all.kill("SIGINT");
  assertEquals((await all.status).code, 0);
  assertStringIncludes(all.stdout, "worker   | Worker is shutting down");
  assertEquals(isFree(serverPort), true);
});

Deno.test("a parcel goes on at the recorded heartbeat after its Worker was killed", async () => {
  await using shop = new Shop({ CANCEL_SECONDS: "1" });
  const worker = await shop.startAll();
  const id = crypto.randomUUID();
  assertEquals((await shop.post(`/orders/${id}`, form)).status, 303);
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
  await using shop = new Shop({ TEMPORAL_ADDRESS: `localhost:${port}` });
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

Deno.test("compose.yaml and the Dockerfile run tasks that exist, on hosts that Activities may reach", async () => {
  const read = (file: string) => Deno.readTextFile(join(cwd, file));
  const { tasks, permissions } = JSON.parse(await read("deno.json"));
  const compose = await read("compose.yaml");
  const commands = (compose + await read("Dockerfile"))
    .matchAll(/\btask (?:--quiet )?(\S+)/g);
  const used = Array.from(commands, ([, task]) => task).sort();
  assertEquals(used, ["bundle", "payments", "web", "worker"]);
  assertEquals(used.filter((task) => !tasks[task]), []);

  const urls = compose.matchAll(/_URL: \w+:\/\/(?:\w+:\w+@)?(\w+)/g);
  const hosts = Array.from(urls, ([, host]) => host).sort();
  assertEquals(hosts, ["payments", "postgres"]);
  for (const host of hosts) {
    assertStringIncludes(compose, `\n  ${host}:\n`);
    assert(permissions.activities.net.includes(host), host);
  }

  const { stdout } = await deno(["task", "--quiet", "bundle"], { cwd });
  assertEquals(stdout, 'Bundled Workflow code of "workflows.ts"\n');
});

/** Returns what a query finds in the database of a shop. */
async function query(
  sql: string,
  postgres?: PostgresServer,
): Promise<string[][]> {
  if (postgres) {
    return (await postgres.query(sql)).map((line) => line.split("|"));
  }
  using database = new DatabaseSync(join(data, "shop.db"));
  return database.prepare(sql).all()
    .map((row) => Object.values(row).map(String));
}

/** Opens a shop with a database of its own. */
async function openShop(name: string, env: Record<string, string>) {
  await using stack = new AsyncDisposableStack();
  const postgres = name === "PostgreSQL"
    ? stack.use(await startPostgres())
    : undefined;
  const shop = stack.use(
    new Shop({
      ...env,
      ...postgres && { DATABASE_URL: postgres.url },
    }),
  );
  const opened = stack.move();
  return {
    shop,
    setStock: (name: string, stock: number) =>
      query(
        `UPDATE goods SET stock = ${stock} WHERE name = '${name}'`,
        postgres,
      ),
    readTables: async () => ({
      orders: await query("SELECT id, goods, state FROM orders", postgres),
      stock: await query("SELECT name, stock FROM goods", postgres),
    }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

for (const name of ["SQLite", "PostgreSQL"]) {
  const ignore = name === "PostgreSQL" && !postgresFolder;
  if (ignore) console.log("PostgreSQL is not installed, and not tested");
  const count = isLong ? 200 : 40;
  // What was sold before takes long, and shows nothing more.
  const lamps = isLong ? goods.lamp.stock : 25;

  Deno.test(`two Workers at once sell each lamp once (${name})`, {
    ignore,
  }, async () => {
    await using opened = await openShop(name, {
      CANCEL_SECONDS: "0",
      PAYMENT_FAULTS: "0.05",
      STAGE_MS: "1",
    });
    const { shop } = opened;
    const first = await shop.startAll();
    const text = "Worker is polling";
    const second = await shop.start("worker", text, "second worker");
    await opened.setStock("lamp", lamps);
    const ids = Array.from({ length: lamps + 12 }, () => crypto.randomUUID());
    const place = (id: string) =>
      shop.post(`/orders/${id}`, { ...form, goods: "lamp" });
    const forms = await Promise.all(ids.map(place));
    assertEquals(forms.filter(({ status }) => status !== 303), []);

    const ends: Record<string, number> = {};
    for (const id of ids) {
      const { text } = (await shop.follow(id)).at(-1)!;
      ends[text] = (ends[text] ?? 0) + 1;
    }
    assertEquals(ends, {
      "Delivered": lamps,
      "Failed; you have your money back: This is sold out": 12,
    });
    const { orders, stock } = await opened.readTables();
    const left = stock.find(([name]) => name === "lamp")![1];
    const delivered = orders.filter(([, , state]) => state === "delivered");
    assertEquals([Number(left), delivered.length], [0, lamps]);
    const payments: Record<string, { state: string }> =
      await (await fetch(shop.payments)).json();
    const charged = Object.entries(payments)
      .filter(([, { state }]) => state === "charged").map(([id]) => id);
    assertEquals(charged.sort(), delivered.map(([id]) => id).sort());
    // Each had its part in this.
    for (const { stderr } of [first, second]) {
      assertStringIncludes(stderr, "Sent the receipt of order ");
    }
  });

  Deno.test(
    `money, stock and orders add up after ${count} orders under SIGKILLs of Worker and web page (${name}, SEED=${seed})`,
    // The other test has this database, too, without kills.
    { ignore: ignore || name === "PostgreSQL" && !isLong },
    async () => {
      await using opened = await openShop(name, {
        CANCEL_SECONDS: "2",
        STAGE_MS: "100",
      });
      const { shop } = opened;
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
        const fields = { ...form, goods: item, address, card };
        const times = random() < 0.3 ? 2 : 1;
        const isCanceled = random() < 0.2;
        const forms = Array.from(
          { length: times },
          () => shop.post(`/orders/${id}`, fields),
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
      const tables = await opened.readTables();
      const payments: Record<string, { cents: number; state: string }> =
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
      const charged = Object.entries(payments)
        .filter(([, { state }]) => state === "charged");
      assertEquals(charged.map(([id]) => id).sort(), delivered);
      for (const [id, { cents }] of charged) {
        assertEquals(cents, goods[orders.get(id)!].cents);
      }
    },
  );
}
