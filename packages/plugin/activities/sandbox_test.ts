/** Runs the same Activities outside and inside the sandbox, without a server. */

import { CompleteAsyncError, type Info } from "@temporalio/activity";
import {
  ActivityCancellationDetails,
  ApplicationFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  ensureApplicationFailure,
  type Logger,
  type MetricMeter,
  type ProtoFailure,
} from "@temporalio/common";
import { MockActivityEnvironment } from "@temporalio/testing";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { pathToFileURL as toFileUrl } from "node:url";
import { ActivitySandbox, type ActivitySandboxOptions } from "./sandbox.ts";
import * as outside from "./testdata/activities.ts";

type Activities = typeof outside;

/** A logger that calls `report` with each message of an Activity. */
function createLogger(report: (...logged: unknown[]) => void): Logger {
  const log = (
    level: string,
    message: string,
    meta?: Record<string, unknown>,
  ) => {
    if (meta?.sdkComponent === "activity") report(level, message, meta);
  };
  const logger: Record<string, unknown> = { log };
  for (const level of ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]) {
    logger[level.toLowerCase()] = log.bind(null, level);
  }
  return logger as unknown as Logger;
}

/** The environment of an Activity that calls `onLog` when it logs. */
function createEnvironment(info: Partial<Info> = {}, onLog = () => {}) {
  return new MockActivityEnvironment(info, { logger: createLogger(onLog) });
}

const module = import.meta.resolve("./testdata/activities.ts");
let sandbox: ActivitySandbox;
let inside: Activities;

Deno.test.beforeAll(async () => {
  sandbox = await ActivitySandbox.start(module);
  inside = sandbox.activities as unknown as Activities;
});

Deno.test.afterAll(async () => await sandbox.close());

/** Returns what the Workflow would receive: a payload or a failure. */
async function outcome(
  activity: unknown,
  args: unknown[],
  environment = createEnvironment(),
): Promise<unknown> {
  try {
    const result = await environment.run(
      activity as () => Promise<unknown>,
      ...args as [],
    );
    return defaultPayloadConverter.toPayload(result);
  } catch (error) {
    if (error instanceof CompleteAsyncError) return "completes asynchronously";
    const failure = defaultFailureConverter.errorToFailure(
      ensureApplicationFailure(error),
      defaultPayloadConverter,
    );
    const isAbortError = (error as Error)?.name === "AbortError";
    return { isAbortError, failure: withOwnFrames(failure) };
  }
}

/** Leaves out the frames of the SDK, which are not inside. */
function withOwnFrames(failure: ProtoFailure): ProtoFailure {
  const lines = failure.stackTrace?.split("\n") ?? [];
  return {
    ...failure,
    stackTrace: lines
      .filter((line) => !/^\s+at (?!.*testdata)/.test(line)).join("\n"),
    cause: failure.cause && withOwnFrames(failure.cause),
  };
}

for (const name of Object.keys(outside.values)) {
  Deno.test(`a result is the same inside and outside: ${name}`, async () => {
    assertEquals(
      await outcome(inside.getValue, [name]),
      await outcome(outside.getValue, [name]),
    );
  });
}

for (const name of Object.keys(outside.errors)) {
  Deno.test(`an error is the same inside and outside: ${name}`, async () => {
    const expected = await outcome(outside.throwError, [name]);
    assertEquals(await outcome(inside.throwError, [name]), expected);
  });
}

Deno.test("an error's stack names the lines of the source", async () => {
  const expected = await outcome(outside.throwSynchronously, []);
  assertEquals(await outcome(inside.throwSynchronously, []), expected);
  const { failure } = expected as { failure: ProtoFailure };
  const source = await Deno.readTextFile(new URL(module));
  const line = source.split("\n")
    .findIndex((line) => line.includes('TypeError("synchronous")')) + 1;
  assertStringIncludes(failure.stackTrace!, `activities.ts:${line}:`);
});

Deno.test("details that cannot be converted fail the Activity", async () => {
  const error = await assertRejects(
    () => run(inside.throwUnconvertible),
    ApplicationFailure,
  );
  assertEquals(error.type, "ValueError");
});

Deno.test("arguments are the same inside and outside", async () => {
  const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  const args = [undefined, null, "x", { a: [1, { b: 2 }] }, bytes];
  const expected = await outcome(outside.echo, args);
  assertEquals(await outcome(inside.echo, args), expected);
});

Deno.test("Context.info is the same inside and outside", async () => {
  const info: Partial<Info> = {
    attempt: 3,
    heartbeatDetails: { done: [1] },
    retryPolicy: { maximumAttempts: 4, initialInterval: 1 },
    priority: { priorityKey: 2 },
    heartbeatTimeoutMs: 12,
  };
  const run = (activity: unknown) =>
    outcome(activity, [], createEnvironment(info));
  assertEquals(await run(inside.getInfo), await run(outside.getInfo));
});

Deno.test("logs, heartbeats and metrics are the same inside and outside", async () => {
  const run = async (activity: () => Promise<void>) => {
    const reported: unknown[] = [];
    const report = (...what: unknown[]) => reported.push(what);
    const metric = (...created: unknown[]) => ({
      add: report.bind(null, ...created),
      record: report.bind(null, ...created),
      set: report.bind(null, ...created),
    });
    const environment = new MockActivityEnvironment({}, {
      logger: createLogger(report),
      metricMeter: {
        createCounter: metric.bind(null, "counter"),
        createHistogram: metric.bind(null, "histogram"),
        createGauge: metric.bind(null, "gauge"),
        createUpDownCounter: metric.bind(null, "both"),
      } as unknown as MetricMeter,
    });
    environment.on(
      "heartbeat",
      (details) =>
        report("heartbeat", defaultPayloadConverter.toPayload(details)),
    );
    await environment.run(activity);
    return reported;
  };
  const expected = await run(outside.reportAll);
  assertEquals(expected.length, 12);
  assertEquals(await run(inside.reportAll), expected);
});

Deno.test("a cancellation reaches the Activity inside", async () => {
  const run = async (activity: unknown) => {
    const waiting = Promise.withResolvers<void>();
    const environment = createEnvironment({}, waiting.resolve);
    const result = outcome(activity, [], environment);
    await waiting.promise;
    environment.cancel(
      "TIMED_OUT",
      new ActivityCancellationDetails({ timedOut: true }),
    );
    return await result;
  };
  for (const name of ["waitForCancellation", "rethrowCancellation"] as const) {
    assertEquals(await run(inside[name]), await run(outside[name]));
  }
});

Deno.test("an Activity that is cancelled before it starts learns it", async () => {
  const run = (activity: unknown) => {
    const environment = createEnvironment();
    environment.cancel("CANCELLED");
    return outcome(activity, [], environment);
  };
  assertEquals(
    await run(inside.rethrowCancellation),
    await run(outside.rethrowCancellation),
  );
});

Deno.test("many Activities run at once, each in its own context", async () => {
  const results = await Promise.all(
    Array.from(
      { length: 200 },
      (_, index) =>
        createEnvironment({ activityId: `${index}` })
          .run(inside.useAsyncLocalStorage, index),
    ),
  );
  assertEquals(
    results,
    Array.from({ length: 200 }, (_, index) => [index, `${index}`]),
  );
});

Deno.test("an Activity interceptor outside sees arguments and results", async () => {
  const seen: unknown[] = [];
  const environment = new MockActivityEnvironment({}, {
    logger: createLogger(() => {}),
    interceptors: [() => ({
      inbound: {
        async execute({ args, headers }, next) {
          seen.push(args);
          const result = await next({ args: [...args, "added"], headers });
          seen.push(result);
          return "replaced";
        },
      },
    })],
  });
  assertEquals(await environment.run(inside.echo, 1), "replaced");
  assertEquals(seen, [[1], {
    args: [1, "added"],
    types: ["[object Number]", "[object String]"],
  }]);
});

Deno.test("Context.client is not available inside", async () => {
  const error = await assertRejects(() => run(inside.useClient), Error);
  assertStringIncludes(
    error.message,
    "Cannot use the Worker's Client: not available in an Activity sandbox",
  );
});

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

/** Starts an Activity, and waits until it has logged something. */
async function start(activity: unknown, ...args: unknown[]) {
  const logged = Promise.withResolvers<void>();
  const environment = createEnvironment({}, logged.resolve);
  const result = environment.run(
    activity as () => Promise<unknown>,
    ...args as [],
  );
  result.catch(logged.reject);
  await logged.promise;
  return { environment, result };
}

const run = (activity: unknown, ...args: unknown[]) =>
  createEnvironment().run(
    activity as () => Promise<unknown>,
    ...args as [],
  );

async function assertFails(
  result: Promise<unknown>,
  message: string,
): Promise<void> {
  const error = await assertRejects(() => result, ApplicationFailure);
  assertEquals([error.message, error.type, error.nonRetryable], [
    message,
    "ActivitySandboxFailure",
    false,
  ]);
}

const blocked = "its sandbox does not respond while it runs " +
  '"waitForRelease", "blockFirst"';

for (
  const [when, where] of Object.entries({
    before: "before the first await",
    after: "after the first await",
    logging: "that logs",
  })
) {
  Deno.test(`a loop ${where} ends with its process at its timeout`, async () => {
    await withSandbox({ unresponsiveAfterMs: 400 }, async (activities) => {
      assertEquals(await run(activities.countCalls), 1);
      const waiting = await start(activities.waitForRelease);
      const info = { startToCloseTimeoutMs: 500 };
      const begin = performance.now();
      await Promise.all([
        assertFails(
          createEnvironment(info).run(activities.blockFirst, when),
          `Cannot complete Activity "blockFirst": ${blocked}`,
        ),
        assertFails(
          waiting.result,
          `Cannot complete Activity "waitForRelease": ${blocked}`,
        ),
      ]);
      assertEquals(performance.now() - begin >= 500, true, "not before");
      assertEquals(await run(activities.countCalls), 1, "in a new process");
    });
  });
}

Deno.test("a blocked process ends once one of its Activities is cancelled", async () => {
  await withSandbox({ unresponsiveAfterMs: 100 }, async (activities) => {
    const waiting = await start(activities.waitForRelease);
    const blocking = await start(activities.blockFirst);
    blocking.environment.cancel("TIMED_OUT");
    await Promise.all([
      assertFails(
        blocking.result,
        `Cannot complete Activity "blockFirst": ${blocked}`,
      ),
      assertFails(
        waiting.result,
        `Cannot complete Activity "waitForRelease": ${blocked}`,
      ),
    ]);
    assertEquals(await run(activities.countCalls), 1);
  });
});

Deno.test("Deno.exit() inside fails what runs there, then a new process starts", async () => {
  await withSandbox({}, async (activities) => {
    assertEquals(await run(activities.countCalls), 1);
    const waiting = await start(activities.waitForRelease);
    const reason = 'Deno.exit(3) in "exitFirst" ended its sandbox';
    await assertFails(
      run(activities.exitFirst),
      `Cannot complete Activity "exitFirst": ${reason}`,
    );
    await assertFails(
      waiting.result,
      `Cannot complete Activity "waitForRelease": ${reason}`,
    );
    assertEquals(await run(activities.countCalls), 1);
  });
});

Deno.test("an uncaught error fails its Activity only", async () => {
  await withSandbox({}, async (activities) => {
    assertEquals(await run(activities.countCalls), 1);
    const waiting = await start(activities.waitForCancellation);
    await assertFails(
      run(activities.failInCallback, "promise"),
      'Cannot complete Activity "failInCallback": uncaught error: in a promise',
    );
    assertEquals(await run(activities.countCalls), 1, "in a new isolate");
    waiting.environment.cancel("CANCELLED");
    await waiting.result;
  });
});

Deno.test("an uncaught error in a timer fails the only Activity", async () => {
  await withSandbox({}, async (activities) => {
    await assertFails(
      run(activities.failInCallback, "timer"),
      'Cannot complete Activity "failInCallback": uncaught error: in a timer',
    );
    assertEquals(await run(activities.countCalls), 1);
  });
});

/** Starts a sandbox of a module with this source, and returns why it fails. */
async function failToLoad(source: string): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(path, source);
  const url = toFileUrl(path).href;
  try {
    await ActivitySandbox.start(url);
  } catch (error) {
    return (error as Error).message.replaceAll(url, "URL");
  } finally {
    await Deno.remove(path);
  }
  return "loaded";
}

for (
  const [source, reason] of [
    ['\nthrow new TypeError("at load")', "TypeError: at load (URL:2:7)"],
    ["await Promise.reject(new Error('1'))", "Error: 1 (URL:1:22)"],
    ["export const a = ;", "SyntaxError: Expression expected (URL:1:18)"],
    [
      'import "file:///missing.ts";',
      'Module not found "file:///missing.ts". (URL:1:8)',
    ],
    [
      'Deno.readTextFileSync("/etc/passwd")',
      'NotCapable: Requires read access to "/etc/passwd", add it to "read" in ' +
      'the permissions of DenoPlugin ("activities" in deno.json) (URL:1:6)',
    ],
  ]
) {
  Deno.test(`a module that fails at load is one line: ${reason}`, async () => {
    assertEquals(
      await failToLoad(source),
      `Cannot load Activities from "URL": ${reason}`,
    );
  });
}

Deno.test("a module that exports no function is an error at the start", async () => {
  assertEquals(
    await failToLoad("export const activities = { greet() {} };"),
    'Cannot load Activities from "URL": it exports no function',
  );
});

Deno.test("permissions that Deno does not know are an error at the start", async () => {
  for (
    const [permissions, message] of [
      [
        { nett: true },
        'Cannot give Activities the permission "nett" with the value true: no ' +
        "such permission",
      ],
      [
        { read: { allow: [] } },
        'Cannot give Activities the permission "read" with the value ' +
        '{"allow":[]}: pass true, false or a list',
      ],
      [
        { sys: ["everything"] },
        `Cannot load Activities from "${module}": unknown sys ` +
        "descriptor: 'everything'",
      ],
    ] as const
  ) {
    const error = await assertRejects(
      () =>
        ActivitySandbox.start(module, { permissions: permissions as object }),
      Error,
    );
    assertStringIncludes(error.message, message);
  }
});

Deno.test("Activities have permissions that this process does not have", async () => {
  await Deno.permissions.revoke({ name: "net" });
  await withSandbox(
    { permissions: { net: ["127.0.0.1"] } },
    async (activities) => {
      assertEquals(await run(activities.listen), "127.0.0.1");
      await run(activities.exitFirst).catch(() => {});
      assertEquals(await run(activities.listen), "127.0.0.1");
    },
  );
});

Deno.test("an Activity sees the variables that it may see, and no others", async () => {
  const variables = ["SANDBOX_ONE", "SANDBOX_TWO", "OTHER"];
  for (const name of variables) Deno.env.set(name, name);
  try {
    await withSandbox(
      { permissions: { env: ["SANDBOX_*"] } },
      async (inside) => {
        assertEquals(await run(inside.readEnvironment, ...variables, "HOME"), [
          "SANDBOX_ONE",
          "SANDBOX_TWO",
          null,
          null,
          ["SANDBOX_ONE", "SANDBOX_TWO"],
        ]);
      },
    );
  } finally {
    for (const name of variables) Deno.env.delete(name);
  }
});

Deno.test("a custom payload converter works inside", async () => {
  const payloadConverter = import.meta.resolve(
    "./testdata/payload_converter.ts",
  );
  await withSandbox({ payloadConverter }, async (activities) => {
    const map = new Map([["a", 1]]);
    assertEquals(await run(activities.getValue, "map"), new Map([[1, 2]]));
    assertEquals(await run(activities.echo, map), {
      args: [map],
      types: ["[object Map]"],
    });
  });
});

Deno.test("processes run in parallel", async () => {
  await withSandbox({ processes: 2 }, async (activities) => {
    const first = await start(activities.waitForRelease);
    const second = await start(activities.waitForRelease);
    await run(activities.releaseOthers);
    const released = await Promise.race([
      first.result.then(() => "first"),
      second.result.then(() => "second"),
    ]);
    assertEquals(released, "first");
    second.environment.cancel();
  });
});
