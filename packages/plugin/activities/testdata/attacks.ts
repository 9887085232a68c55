/** What Activity code might try. */

// deno-lint-ignore-file no-explicit-any

import { Context } from "@temporalio/activity";
import process from "node:process";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const require = createRequire(import.meta.url);
const here = import.meta.dirname!;
const project = `${here}/../../../..`;
const [, version] = import.meta.resolve("@temporalio/worker")
  .match(/\+worker@([^/]+)/)!;
const bridge =
  `${project}/node_modules/.deno/@temporalio+core-bridge@${version}/` +
  "node_modules/@temporalio/core-bridge/releases/x86_64-unknown-linux-gnu/index.node";

/** Imports what Deno cannot find in the source beforehand. */
const load = (specifier: string, options?: ImportCallOptions) =>
  import(specifier, options);

/** Throws if nothing is there: a Worker's task has Deno ignore most variables. */
function see(...values: unknown[]): unknown {
  if (values[0] === undefined) throw new Error("nothing to see");
  return values;
}

/** A Deno Worker that reports what it may do. */
function nest(
  options: unknown,
  attempt = 'Deno.readTextFileSync("/etc/passwd")',
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const code = `import "data:text/javascript,";
    try { self.postMessage(${attempt}) }
    catch (e) { self.postMessage(e) }`;
  const worker = new Worker(
    `data:text/javascript,${encodeURIComponent(code)}`,
    {
      type: "module",
      ...options as object,
    },
  );
  worker.onmessage = ({ data }) => {
    worker.terminate();
    if (data instanceof Error) reject(data);
    else resolve(data);
  };
  return promise;
}

function viaThread(): Promise<unknown> {
  const { Worker } = require("node:worker_threads");
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  new Worker(
    `const { parentPort } = require("node:worker_threads");
    try { parentPort.postMessage(require("fs").readFileSync("/etc/passwd")) }
    catch (e) { parentPort.postMessage("denied " + e.message) }`,
    { eval: true },
  ).on(
    "message",
    (data: unknown) =>
      `${data}`.startsWith("denied")
        ? reject(new Error(`${data}`))
        : resolve(data),
  ).on("error", reject);
  return promise;
}

/** Waits for the event `succeeded` of a node:net socket or the like. */
function event(emitter: any, succeeded: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    emitter.on(succeeded, resolve).on("error", reject);
  });
}

const url = "http://127.0.0.1:7233/";

/** Each should be denied. */
export const attacks: Record<string, () => unknown> = {
  "dlopen libc": () => Deno.dlopen("libc.so.6", {}),
  "dlopen the bridge": () => Deno.dlopen(bridge, {}),
  "process.dlopen": () => (process as any).dlopen({ exports: {} }, bridge),
  "require .node": () => require(bridge),
  "import the Worker": () => load("@temporalio/worker"),
  "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
  "read its own source": () => Deno.readTextFileSync(new URL(import.meta.url)),
  // Where it is available, it reads files without the permission.
  "Deno.bundle": () => see((Deno as any).bundle),
  "read ..": () => Deno.readTextFileSync(`${here}/../../../../../etc/passwd`),
  "read environ": () => Deno.readTextFileSync("/proc/self/environ"),
  "read maps": () => Deno.readTextFileSync("/proc/self/maps"),
  "list a folder": () => [...Deno.readDirSync("/")],
  "stat": () => Deno.statSync("/etc/passwd"),
  "node:fs": () => require("node:fs").readFileSync("/etc/passwd"),
  "import a file": () => load("file:///etc/passwd"),
  "import JSON": () =>
    load(`file://${project}/deno.json`, { with: { type: "json" } }),
  "require JSON": () => require(`${project}/deno.json`),
  "symlink": () => Deno.symlinkSync("/etc/passwd", `${here}/link`),
  "write here": () => Deno.writeTextFileSync(`${here}/x`, ""),
  "write outside": () => Deno.writeTextFileSync("/tmp/x", ""),
  "write the cache": () =>
    Deno.writeTextFileSync(`${project}/node_modules/.cache/x`, ""),
  "temporary file": () => Deno.makeTempFileSync(),
  "chdir": () => Deno.chdir("/"),
  "umask": () => Deno.umask(0),
  "Deno.env": () => see(Deno.env.get("HOME")),
  "Deno.env.toObject": () => see(...Object.keys(Deno.env.toObject())),
  "process.env": () => see(process.env.HOME),
  "process.env keys": () => see(...Object.keys(process.env)),
  "Deno.Command": () => new Deno.Command("true").outputSync(),
  "child_process": () => require("node:child_process").execSync("true"),
  "kill the parent": () => process.kill(process.ppid, 0),
  "fetch": () => fetch(url),
  "fetch a file": () => fetch("file:///etc/passwd"),
  "WebSocket": () => new WebSocket("ws://127.0.0.1:7233"),
  "node:http": () => event(require("node:http").get(url), "response"),
  "node:http2": () => event(require("node:http2").connect(url), "connect"),
  "node:net": () =>
    event(require("node:net").connect(7233, "127.0.0.1"), "connect"),
  "node:tls": () =>
    event(require("node:tls").connect(7233, "127.0.0.1"), "secureConnect"),
  "node:dns": () => require("node:dns").promises.resolve4("example.com"),
  "node:dns lookup": () => require("node:dns").promises.lookup("example.com"),
  "Deno.connect": () => Deno.connect({ hostname: "127.0.0.1", port: 7233 }),
  "Deno.connectTls": () =>
    Deno.connectTls({ hostname: "127.0.0.1", port: 7233 }),
  "Deno.listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  "Deno.serve": () => Deno.serve({ port: 0 }, () => new Response()),
  "Deno.resolveDns": () => Deno.resolveDns("example.com", "A"),
  "Unix socket": () =>
    Deno.connect({ transport: "unix", path: "/tmp/s" } as any),
  "Unix socket, node:net": () =>
    event(require("node:net").connect("/tmp/s"), "connect"),
  "node:inspector": () => require("node:inspector").open(),
  "permissions.request": async () => {
    const { state } = await Deno.permissions.request({ name: "read" });
    if (state !== "granted") throw new Error(`denied: ${state}`);
  },
  "nested Deno Worker": () => nest({}),
  "node:worker_threads": viaThread,
  "node:sqlite": () => {
    const { DatabaseSync } = require("node:sqlite");
    return new DatabaseSync("/tmp/x.sqlite");
  },
  "Deno KV": () => (Deno as any).openKv("/tmp/x.kv"),
  "closing other descriptors": () => {
    for (let fd = 4; fd < 40; fd++) {
      try {
        return require("node:fs").closeSync(fd);
      } catch {
        // It is none of the program's own.
      }
    }
    throw new Error("nothing to see");
  },
  "WASI": () => {
    const { WASI } = require("node:wasi");
    return new WASI({ version: "preview1", preopens: { "/": "/" } });
  },
  "import https": () => load("https://127.0.0.1:7233/x.js"),
  "import http": () => load("http://127.0.0.1:7233/x.js"),
  "import npm": () => load("npm:not-installed@1.0.0"),
  "import jsr": () => load("jsr:@not/installed@1"),
  "hostname": () => Deno.hostname(),
  "osRelease": () => Deno.osRelease(),
  "node:os": () => require("node:os").userInfo(),
  "networkInterfaces": () => Deno.networkInterfaces(),
  "setPriority": () => require("node:os").setPriority(5),
  "setuid": () => (process as any).setuid(1),
  "heap snapshot": () => require("node:v8").writeHeapSnapshot("/tmp/x.heap"),
  "cron": () => (Deno as any).cron("x", "* * * * *", () => {}),
};

/** Each is possible, and changes nothing outside of the Activity's process. */
export const harmless: Record<string, () => unknown> = {
  "Deno.kill itself": () => Deno.kill(Deno.pid, 0 as any),
  "process.kill itself": () => process.kill(process.pid, 0),
  "flags of V8": () => require("node:v8").setFlagsFromString("--stack-size=99"),
  "process.title": () => process.title = "forged",
  "Deno.exitCode": () => {
    Deno.exitCode = 9;
    Deno.exitCode = 0;
  },
  "caches": async () => (await caches.open("x")).put(url, new Response("x")),
  "localStorage": () => localStorage.setItem("x", "1"),
  "node:sqlite in memory": () => {
    const { DatabaseSync } = require("node:sqlite");
    return new DatabaseSync(":memory:").exec("CREATE TEMP TABLE t (x)");
  },
  "node:trace_events": () => {
    const options = { categories: ["node", "v8"] };
    const tracing = require("node:trace_events").createTracing(options);
    tracing.enable();
    tracing.disable();
  },
  "history of node:repl": async () => {
    const { PassThrough } = require("node:stream");
    process.env.NODE_REPL_HISTORY = `${here}/x.history`;
    const input = new PassThrough();
    const repl = require("node:repl").start({
      input,
      output: new PassThrough(),
      terminal: true,
    });
    const closed = event(repl, "exit");
    await promisify(repl.setupHistory.bind(repl))(`${here}/x.history`);
    input.end("1 + 1\n");
    await closed;
  },
  "a loop that ends": () => {
    for (const end = performance.now() + 50; performance.now() < end;);
  },
  // Deno's WASI writes to what the program has opened, and prints the rest.
  "writing to another descriptor, by WASI": () => {
    for (let fd = 4; fd < 40; fd++) {
      try {
        return writeByWasi(fd);
      } catch {
        // Nothing is there, or it cannot be written to.
      }
    }
  },
  "Deno.env.set": () => Deno.env.set("TEMPORAL_ADDRESS", "forged:1"),
  // The descriptors that it may have: its stdout and stderr.
  "write to descriptor 1": () => require("node:fs").writeSync(1, "raw text\n"),
};

/** Each is possible, and docs/security.md names it by these words. */
export const named: Record<string, [words: string, run: () => unknown]> = {
  "WebGPU": ["Activities: WebGPU", async () => {
    const adapter = await (navigator as any).gpu.requestAdapter();
    await adapter?.requestDevice();
  }],
  "temporary tables of node:sqlite": ["temporary files", () => {
    const { DatabaseSync } = require("node:sqlite");
    const database = new DatabaseSync(":memory:");
    database.exec("PRAGMA temp_store = FILE; CREATE TEMP TABLE t (x)");
    for (let megabyte = 0; megabyte < 30; megabyte++) {
      database.exec("INSERT INTO t VALUES (zeroblob(1000000))");
    }
    database.close();
  }],
  "whether a folder is there, by node:sqlite": ["whether a path exists", () => {
    const { DatabaseSync } = require("node:sqlite");
    new DatabaseSync(":memory:").exec('PRAGMA temp_store_directory = "/tmp"');
  }],
  "its process id and paths": ["its process id and the paths", () => [
    Deno.pid,
    Deno.execPath,
    import.meta.url,
  ]],
};

/** A part of Deno that no program should see. */
const core = () => {
  const { internal } = Deno as any;
  return (Deno as any)[internal].core;
};

/** Writes to a pipe or socket by its number. */
const writeTo = (fd: number) => {
  const { Pipe, constants } = (process as any).binding("pipe_wrap");
  const pipe = new Pipe(constants.SOCKET);
  pipe.open(fd);
  return new Promise((resolve) => {
    const socket = new (require("node:net").Socket)({ handle: pipe });
    socket.write("garbage ".repeat(1000), resolve);
  });
};

/** Writes to a descriptor by its number, as stdout of a program of WASI. */
const writeByWasi = (fd: number) => {
  const { WASI } = require("node:wasi");
  const wasi = new WASI({ version: "preview1", stdout: fd });
  const memory = new WebAssembly.Memory({ initial: 1 });
  wasi.start({ exports: { memory, _start() {} } });
  // One part of 64 bytes from address 64; their number is written to address 16.
  new Uint32Array(memory.buffer).set([64, 64]);
  const errno = wasi.wasiImport.fd_write(1, 0, 1, 16);
  if (errno !== 0) throw new Error(`denied: errno ${errno}`);
};

/** Each ends the Activity's process, and no other. */
export const fatal: Record<string, () => unknown> = {
  "process.abort": () => process.abort(),
  "process.exit": () => process.exit(1),
  "SIGKILL": () => process.kill(process.pid, "SIGKILL"),
  "memory": () => {
    for (const all: number[][] = [];;) all.push(Array(1e5).fill(1));
  },
  "an operation that panics": () => core().ops.op_panic("forged\npanic"),
  "an unstable API": () =>
    Deno.connect({ transport: "vsock", cid: 2, port: 1 } as any),
  "a nested Deno Worker with permissions": () =>
    nest({ deno: { permissions: "inherit" } }),
  "garbage in its channel": () => writeTo(3),
  "garbage in its channel, by WASI": () => writeByWasi(3),
  "a nested Deno Worker that kills the process": () =>
    nest({}, 'Deno.kill(Deno.pid, "SIGKILL")'),
  "a loop after the first await": async () => {
    await null;
    for (;;);
  },
};

/** What Deno says when it refuses, or has nothing of the kind. */
const refusal = new RegExp(
  [
    "Requires .* (access|permissions)",
    "Requires .*--allow",
    "requires unscoped --allow",
    "not available in an Activity sandbox",
    "not supported in workers",
    "escalate parent thread permissions",
    "^denied",
    "is not (a function|defined)",
    "reading 'open'",
    "nothing to see",
    "EPERM|queryA UNKNOWN|failed to open preopen", // as Node.js says it
    "Failed loading .* for package|not found in .*cache", // by --cached-only
    "Command failed: true", // by node:child_process
  ].join("|"),
);

const all: Record<string, () => unknown> = {
  ...attacks,
  ...harmless,
  ...fatal,
  ...Object.fromEntries(
    Object.entries(named).map(([name, [, run]]) => [name, run]),
  ),
};

/** Tries an attack; returns how it was denied, that it was not, or "no answer". */
export async function attack(name: string): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const hang = new Promise<string>((resolve) =>
      timer = setTimeout(() => resolve("no answer"), 60_000)
    );
    const allowed = async () =>
      `ALLOWED: ${Deno.inspect(await all[name]()).slice(0, 60)}`;
    return await Promise.race([allowed(), hang]);
  } catch (error) {
    const [message] = `${(error as Error).message ?? error}`.split("\n");
    return refusal.test(message) ? `denied: ${message}` : `ALLOWED: ${message}`;
  } finally {
    clearTimeout(timer);
  }
}

/** Its error is uncaught, as a socket's is. */
export async function bindSocket(): Promise<void> {
  const socket = require("node:dgram").createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await event(socket, "listening");
}

/** Returns the id of this process. */
export async function getPid(): Promise<number> {
  return Deno.pid;
}

/** Prints what would be other lines, or another terminal's text. */
export async function print(how: string): Promise<void> {
  const text = "one\nERROR forged\n\x1b[31mred\u202e\n";
  if (how === "console") console.error(text);
  else require("node:fs").writeSync(2, text);
  await Context.current().cancelled.catch(() => {});
}

/** Starts a program that does not end by itself, and returns its id. */
export function startProgram(): number {
  const { pid } = new Deno.Command("sh", {
    args: ["-c", "sleep 1000 & wait"],
  }).spawn();
  return pid;
}

/** Reads what a program of its own prints on its stdin and stdout. */
export function cat(): string {
  const { code } = new Deno.Command("cat", { stdout: "inherit" }).outputSync();
  return `cat has ended with ${code}`;
}

/** Changes a file that it has opened for reading; returns its new mode. */
export function changeMode(path: string): number {
  const { fchmodSync, fchownSync, fstatSync, futimesSync, openSync } = require(
    "node:fs",
  );
  const descriptor = openSync(path, "r");
  const { gid, uid } = fstatSync(descriptor);
  fchownSync(descriptor, uid, gid);
  futimesSync(descriptor, 0, 0);
  fchmodSync(descriptor, 0o640);
  return Deno.statSync(path).mode! & 0o777;
}

/** Requests a URL. */
export async function request(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

/** Reads a file. */
export function read(path: string): string {
  return Deno.readTextFileSync(path);
}

/** Reads a table of a database. */
export function readDatabase(path: string): string {
  const { DatabaseSync } = require("node:sqlite");
  using database = new DatabaseSync(path, { readOnly: true });
  return database.prepare("SELECT x FROM t").get().x;
}
