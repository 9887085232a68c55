/** Servers that speak no gRPC, or stop to. `SEED` repeats a run, `LONG=1` lengthens it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  isLong,
  randomBytes,
  randomInteger,
  randomOf,
  seed,
} from "../shared/random.ts";
import { output, spawn, startDevServer, startWorker } from "./_programs.ts";

type Handler = (connection: Deno.TcpConn) => Promise<void>;

async function read(connection: Deno.TcpConn) {
  for await (const _ of connection.readable);
}

/** A frame of HTTP/2 with any type, flags and payload. */
function randomFrame(): Uint8Array<ArrayBuffer> {
  const payload = randomBytes();
  const head = [0, 0, payload.length, randomInteger(10), randomInteger(256)];
  return new Uint8Array([...head, 0, 0, 0, randomInteger(4), ...payload]);
}

const settingsFrame = new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]);

const handlers: Record<string, Handler> = {
  "answers nothing": read,
  "closes each connection": async () => {},
  "floods": async (connection) => {
    for (;;) await connection.write(new Uint8Array(65_536));
  },
  "speaks HTTP/1": async (connection) => {
    const text = "HTTP/1.1 200 OK\r\n\r\n\x1b[2J";
    await connection.write(new TextEncoder().encode(text));
  },
  "greets and answers nothing": async (connection) => {
    await connection.write(settingsFrame);
    await read(connection);
  },
};

for (let number = 0; number < (isLong ? 40 : 1); number++) {
  const steps = Array.from(
    { length: 1 + randomInteger(20) },
    () => randomOf([randomBytes, randomFrame, () => settingsFrame])(),
  );
  const end = randomOf([read, async () => {}]);
  handlers[`sends at random (SEED=${seed}, ${number})`] = async (
    connection,
  ) => {
    for (const step of steps) await connection.write(step);
    await end(connection);
  };
}

/** Listens until it is disposed of. */
function serve(handle: Handler) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connected = Promise.withResolvers<void>();
  (async () => {
    for await (const connection of listener) {
      connected.resolve();
      // Programs close connections at any time.
      handle(connection).catch(() => {}).finally(() => {
        try {
          connection.close();
        } catch {
          // Reading to the end has closed it.
        }
      });
    }
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    connected: connected.promise,
    [Symbol.dispose]: () => listener.close(),
  };
}

for (const program of ["worker", "start"] as const) {
  Deno.test(`${program} reports a server that speaks no gRPC in one line, and ends on SIGTERM`, async () => {
    const cases = Object.entries(handlers);
    const check = async () => {
      for (let next = cases.pop(); next; next = cases.pop()) {
        const [name, handle] = next;
        using server = serve(handle);
        const { address } = server;
        const args = ["--address", address];
        const { code, stdout, stderr } = await output(program, args);
        assertEquals([code, stdout], [1, ""], name);
        const head = `Cannot connect to a Temporal Service at "${address}": `;
        assertEquals(stderr.slice(0, head.length), head, name);
        assertMatch(stderr.slice(head.length), /^[\x20-\x7e]{1,300}\n$/, name);

        // The others are reported before a signal could matter.
        if (!isLong && !name.includes("answers nothing")) continue;
        using other = serve(handle);
        await using running = spawn(program, ["--address", other.address]);
        await other.connected;
        running.kill("SIGTERM");
        const end = await running.status;
        // It gives up on no answer after seconds; on others perhaps just before.
        const codes = name.includes("answers nothing") ? [143] : [143, 1];
        assert(codes.includes(end.code), `${name}: ${end.code}`);
      }
    };
    await Promise.all([check(), check(), check()]);
  });
}

Deno.test("test reports once what is wrong with the server that it is given", async () => {
  using server = serve(handlers["speaks HTTP/1"]);
  const connect = "Cannot connect to a Temporal Service at ";
  const messages = {
    [server.address]: `${connect}"${server.address}": `,
    "127.0.0.1:1": `${connect}"127.0.0.1:1": Connection refused; start one ` +
      'with "deno task server", or pass --workflow-environment\n',
    "127.0.0.1:99999": 'Cannot use address "127.0.0.1:99999": ',
    "locale": 'Cannot test in environment "locale": ',
  };
  for (const [environment, message] of Object.entries(messages)) {
    const args = ["--workflow-environment", environment];
    const { code, stdout, stderr } = await output("test", args);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr.slice(0, message.length), message);
    assertMatch(stderr, /^[\x20-\x7e]{1,300}\n$/);
  }
});

Deno.test("worker stops while the server hangs, start reports it", async () => {
  await using server = await startDevServer();
  const args = ["--address", server.address];
  await using worker = await startWorker(args);
  Deno.kill(server.pid, "SIGSTOP");
  try {
    const { code, stderr } = await output("start", args);
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^Cannot connect to a Temporal Service at .* no response/,
    );
    worker.kill("SIGTERM");
    assertEquals((await worker.status).code, 1);
    assertMatch(worker.stderr, /Cannot shut down gracefully: timed out\n$/);
  } finally {
    Deno.kill(server.pid, "SIGCONT");
  }
});
