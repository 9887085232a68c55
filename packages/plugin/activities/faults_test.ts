/** What Activities, and those who start a sandbox, may do wrong. */

import { MockActivityEnvironment } from "@temporalio/testing";
import {
  ApplicationFailure,
  type MetricMeter,
  RawValue,
} from "@temporalio/common";
import { DefaultLogger, Runtime } from "@temporalio/worker";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { telemetryOptions } from "../testdata/environment.ts";
import { ActivitySandbox, type ActivitySandboxOptions } from "./sandbox.ts";
import type * as activities from "./testdata/activities.ts";

const module = import.meta.resolve("./testdata/activities.ts");
const logged: string[] = [];
Runtime.install({
  logger: new DefaultLogger("INFO", ({ message }) => logged.push(message)),
  telemetryOptions,
});

type Activities = Record<keyof typeof activities, () => Promise<unknown>>;

/** Starts a sandbox for the time of a test. */
async function withSandbox(
  options: ActivitySandboxOptions,
  test: (activities: Activities) => Promise<void>,
): Promise<void> {
  const sandbox = await ActivitySandbox.start(module, options);
  try {
    await test(sandbox.activities as unknown as Activities);
  } finally {
    await sandbox.close();
  }
}

function run(activity: () => Promise<unknown>, ...args: unknown[]) {
  const info = { startToCloseTimeoutMs: 500 };
  return new MockActivityEnvironment(info).run(activity, ...args as []);
}

for (
  const [how, reason] of Object.entries({
    kill: 'its sandbox ended with SIGKILL while it runs "breakFirst"',
    stop: 'its sandbox does not respond while it runs "breakFirst"',
    garbage: 'its sandbox sent invalid data while it runs "breakFirst"',
    endless: 'its sandbox sent invalid data while it runs "breakFirst"',
  })
) {
  Deno.test(`an Activity that breaks its process fails in a line: ${how}`, async () => {
    await withSandbox({ unresponsiveAfterMs: 200 }, async (activities) => {
      const error = await assertRejects(
        () => run(activities.breakFirst, how),
        ApplicationFailure,
      );
      const message = `Cannot complete Activity "breakFirst": ${reason}`;
      assertEquals(error.message, message);
      assertEquals(await run(activities.countCalls), 1, "in a new process");
    });
  });
}

Deno.test("inputs wait for a process that reads none, and it ends at a timeout", async () => {
  await withSandbox({ unresponsiveAfterMs: 200 }, async (activities) => {
    const blocking = run(activities.blockFirst);
    const input = "x".repeat(1_000_000);
    const outcomes = await Promise.allSettled([
      blocking,
      ...Array.from({ length: 20 }, () => run(activities.echo, input)),
    ]);
    assertEquals(new Set(outcomes.map(({ status }) => status)).size, 1);
    assertEquals(await run(activities.countCalls), 1);
  });
});

Deno.test("20,000 lines of an Activity are all logged, in order", async () => {
  await withSandbox({}, async (activities) => {
    logged.length = 0;
    await run(activities.flood, 10_000);
    const lines = Array.from({ length: 10_000 }, (_, line) => `line ${line}`);
    // The mock's own logger takes what the Activity logs.
    assertEquals(logged.filter((line) => line.startsWith("line")), lines);
  });
});

Deno.test("an Activity returns 10 MB", async () => {
  await withSandbox({}, async (activities) => {
    const result = await run(activities.fill, 10_000_000) as Uint8Array;
    assertEquals(result.length, 10_000_000);
    assert(result.every((byte) => byte === 1));
  });
});

Deno.test("an Activity that returns or throws more than its process can send fails", async () => {
  await withSandbox({}, async (activities) => {
    const lengths = { return: 70_000_000, throw: 5_000_000 };
    for (const [how, length] of Object.entries(lengths)) {
      const error = await assertRejects(
        () => run(activities.sendMuch, how, length),
        ApplicationFailure,
      );
      assertMatch(
        error.message,
        /^Cannot send "\d+" bytes from the Activity sandbox: the limit is /,
      );
    }
    logged.length = 0;
    assertEquals(await run(activities.sendMuch, "log", 20_000_000), "logged");
    assertEquals(await run(activities.countCalls), 1, "in the same process");
  });
});

Deno.test("a result that is too large or nested too deep for V8 stays a payload", async () => {
  await withSandbox({}, async (activities) => {
    const large = await run(activities.sendMuch, "return", 20_000_000);
    assert(large instanceof RawValue);
    assert(await run(activities.nest, 10_001) instanceof RawValue);
    assertEquals(await run(activities.nest, 3), [[[]]]);
  });
});

Deno.test("an Activity records no more metrics than the Worker can keep", async () => {
  await withSandbox({}, async (activities) => {
    logged.length = 0;
    const recorded: unknown[] = [];
    const metricMeter = {
      createCounter: () => ({
        add: (_: number, tags: { time: unknown }) => recorded.push(tags.time),
      }),
    } as unknown as MetricMeter;
    const environment = new MockActivityEnvironment({}, { metricMeter });
    await environment.run(
      activities.recordMetrics,
      ...[10_010] as unknown as [],
    );
    assertEquals(recorded, [...Array(10_000).keys(), 0]);
    const [line, ...others] = logged;
    assertStringIncludes(line, "Activity sandbox ignores metrics: ");
    assertEquals(others, []);
  });
});

Deno.test("200 Activities beat in one process", async () => {
  await withSandbox({}, async (activities) => {
    let beats = 0;
    const enough = Promise.withResolvers<void>();
    const environments = Array.from(
      { length: 200 },
      () => new MockActivityEnvironment(),
    );
    const results = environments.map((environment) => {
      environment.on("heartbeat", () => ++beats === 2_000 && enough.resolve());
      return environment.run(activities.beatUntilCancelled);
    });
    await enough.promise;
    for (const environment of environments) environment.cancel("CANCELLED");
    await Promise.all(results);
  });
});

Deno.test("an Activity that lacks a permission reports where to add it", async () => {
  await withSandbox({}, async (activities) => {
    const error = await assertRejects(() => run(activities.listen), Error);
    assertEquals(
      error.message,
      'Requires net access to "127.0.0.1:0", add it to "net" in the permissions ' +
        'of DenoPlugin ("activities" in deno.json)',
    );
  });
});

for (
  const [title, source, reason] of [
    ["hangs", "await new Promise(() => {});", "it did not finish loading"],
    ["exits", "Deno.exit(4);", "Deno.exit(4) ended its sandbox"],
    [
      "kills itself",
      'Deno.kill(Deno.pid, "SIGKILL");',
      "its sandbox ended with SIGKILL",
    ],
  ]
) {
  Deno.test(`a module that ${title} while loading is an error at the start`, async () => {
    const url = `data:text/javascript,${encodeURIComponent(source)}`;
    const loadTimeoutMs = title === "hangs" ? 1_000 : 60_000;
    const error = await assertRejects(
      () => ActivitySandbox.start(url, { loadTimeoutMs }),
      Error,
    );
    assertStringIncludes(error.message, `": ${reason}`);
  });
}

Deno.test({
  name: "a process that may not run Deno is an error at the start",
  permissions: { env: true, read: true, sys: true, run: false },
  async fn() {
    const error = await assertRejects(
      () => ActivitySandbox.start(module),
      Error,
    );
    assertStringIncludes(
      error.message,
      'Cannot start Activity processes: this process may not run "deno"; add it ' +
        'to "run" in the permissions of the process',
    );
  },
});

Deno.test({
  name:
    "an Activity fails in a line while Deno is missing, and runs once it is back",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir();
    const deno = `${folder}/deno`;
    await Deno.link(Deno.execPath(), deno)
      .catch(() => Deno.copyFile(Deno.execPath(), deno));
    const { stdout } = await new Deno.Command(deno, {
      args: [
        ..."run -q -A --no-check".split(" "),
        import.meta.resolve("./testdata/removes_deno.ts"),
      ],
      stderr: "null",
    }).output();
    await Deno.remove(folder, { recursive: true });
    const results = new TextDecoder().decode(stdout).split("\n")
      .filter((line) => line.startsWith("RESULT "));
    assertEquals(results.length, 3);
    assertStringIncludes(results[0], "its sandbox ended with SIGKILL");
    assertStringIncludes(
      results[1],
      `Cannot complete Activity "countCalls": spawn ${deno}`,
    );
    assertEquals(results[2], "RESULT 1");
  },
});

Deno.test("a process that is replaced does not outlive the timeouts of its Activities", async () => {
  // An error of the module itself belongs to no Activity.
  const source = `
    let fails = false;
    setInterval(() => {
      if (fails) throw new Error("failed");
    }, 10);
    export const hang = () => new Promise(() => {});
    export const failModule = () => (fails = true, hang());`;
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const sandbox = await ActivitySandbox.start(url, {
    unresponsiveAfterMs: 200,
  });
  const { hang, failModule } = sandbox.activities as unknown as Record<
    string,
    () => Promise<unknown>
  >;
  const outcomes = await Promise.allSettled([run(hang), run(failModule)]);
  await sandbox.close();
  assertEquals(
    outcomes.map((outcome) => "reason" in outcome && outcome.reason.message),
    ["hang", "failModule"].map((name) =>
      `Cannot complete Activity "${name}": it has been replaced`
    ),
  );
});

Deno.test("a sandbox has at least one process", async () => {
  await assertRejects(
    () => ActivitySandbox.start(module, { processes: 0 }),
    Error,
    'Cannot run Activities in "0" processes',
  );
});

for (const how of ["never closed", "collected"]) {
  Deno.test(`a sandbox that is ${how} does not outlive its program`, async () => {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ..."run -q -A --no-check --v8-flags=--expose-gc".split(" "),
        import.meta.resolve("./testdata/abandons.ts"),
        how,
      ],
      stderr: "inherit",
    }).output();
    const printed = new TextDecoder().decode(stdout);
    const expected = how === "collected" ? "true\ndone\n" : "done\n";
    assertEquals([code, printed], [0, expected]);
  });
}

Deno.test("a process that is inspected says where", async () => {
  logged.length = 0;
  await withSandbox({ inspect: true }, async (activities) => {
    assertEquals(await run(activities.countCalls), 1);
  });
  const [line = ""] = logged;
  assertStringIncludes(line, "Debugger listening on ws://127.0.0.1:");
});

Deno.test("unload lets the module end in order", async () => {
  logged.length = 0;
  const unloads = import.meta.resolve("./testdata/unloads.ts");
  const sandbox = await ActivitySandbox.start(unloads);
  await sandbox.close();
  assertEquals(logged, ["closing", "closed"]);
});

Deno.test("a module that does not end is ended", async () => {
  logged.length = 0;
  const unloads = import.meta.resolve("./testdata/unloads.ts");
  const sandbox = await ActivitySandbox.start(unloads, { closeTimeoutMs: 500 });
  await run(sandbox.activities.listenForever as () => Promise<unknown>);
  await sandbox.close();
  assertEquals(logged, ["closing", "closed"]);
});

Deno.test("spans of an Activity belong to the Worker's, with OTEL_DENO", async () => {
  const { promise: body, resolve } = Promise.withResolvers<string>();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text();
      if (request.url.endsWith("/v1/traces")) resolve(text);
      return new Response("{}");
    },
  );
  const variables = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  };
  for (const [name, value] of Object.entries(variables)) {
    Deno.env.set(name, value);
  }
  const span = {
    traceId: "a".repeat(32),
    spanId: "b".repeat(16),
    traceFlags: 1,
  };
  const getValue = () => ({ spanContext: () => span });
  const api = { context: { active: () => ({ getValue }) } };
  const key = Symbol.for("opentelemetry.js.api.1");
  Object.assign(globalThis, { [key]: api });
  try {
    const sandbox = await ActivitySandbox.start(module);
    await run(sandbox.activities.trace as () => Promise<unknown>, "mine");
    await sandbox.close();
  } finally {
    Reflect.deleteProperty(globalThis, key);
    for (const name of Object.keys(variables)) Deno.env.delete(name);
  }
  const [{ scopeSpans }] = JSON.parse(await body).resourceSpans;
  const { name, parentSpanId, traceId } = scopeSpans[0].spans[0];
  assertEquals([name, parentSpanId, traceId], [
    "mine",
    span.spanId,
    span.traceId,
  ]);
});
