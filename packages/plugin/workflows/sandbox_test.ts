/**
 * Workflow code finds in its sandbox what it finds on Node.js. `sandbox.ts` patches
 * what Deno lacks there. The last tests show the unpatched sandbox: they fail once
 * Deno has closed a gap, and that part of `sandbox.ts` can go.
 *
 * @module
 */

import { Context } from "@temporalio/activity";
import {
  Client,
  WorkflowFailedError,
  type WorkflowHandle,
} from "@temporalio/client";
import type { TestWorkflowEnvironment } from "@temporalio/testing";
import {
  bundleWorkflowCode as bundleByWebpack,
  DefaultLogger,
  Runtime,
  Worker,
} from "@temporalio/worker";
import {
  DeterminismViolationError,
  type EnhancedStackTrace,
} from "@temporalio/workflow";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { bundleWorkflowCode, DenoPlugin } from "../mod.ts";
import {
  createEnvironment,
  telemetryOptions,
} from "../testdata/environment.ts";
import { readLocalTimes } from "./testdata/local_times.ts";
import type * as workflows from "./testdata/workflows.ts";
import { hasSandbox } from "./webpack.ts";

const workflowsPath = join(import.meta.dirname!, "testdata", "workflows.ts");
const lines = (await Deno.readTextFile(workflowsPath)).split("\n");
const logger = new DefaultLogger("ERROR", () => {});
Runtime.install({
  logger,
  telemetryOptions,
});
const { code: patched } = await bundleWorkflowCode({ workflowsPath });
const { code: patchedByWebpack } = await bundleByWebpack({
  workflowsPath,
  logger,
  plugins: [new DenoPlugin()],
});
const { code: unpatched } = await bundleByWebpack({
  workflowsPath,
  logger,
  webpackConfigHook: (config) => ({ ...config, target: "web" }),
});

let environment: TestWorkflowEnvironment;
let client: Client;

Deno.test.beforeAll(async () => {
  environment = await createEnvironment();
  // A Client of its own: the environment's would skip time.
  client = new Client({ connection: environment.connection });
});

Deno.test.afterAll(async () => {
  for (const { stop } of shared.values()) await stop();
  await environment?.teardown();
});

type Start = (
  workflow: keyof typeof workflows,
  ...args: string[]
) => Promise<WorkflowHandle>;

/** A Worker whose Workflows run in threads, as by default. */
async function createWorker(
  { code = patched, isolateExecutionTimeout = "5s", reuseV8Context = true },
) {
  const taskQueue = crypto.randomUUID();
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: { code },
    activities: { wait: () => Context.current().cancelled },
    // An option that has no type.
    ...{ isolateExecutionTimeout },
    reuseV8Context,
    showStackTraceSources: true,
    plugins: hasSandbox(code) ? [new DenoPlugin()] : [],
  });
  const start: Start = async (workflow, ...args) =>
    await client.workflow.start(workflow, {
      args,
      taskQueue,
      workflowId: crypto.randomUUID(),
      workflowExecutionTimeout: "1 minute",
    });
  return { worker, start };
}

type Options = Parameters<typeof createWorker>[0];

/** Runs a test with a Worker of its own. */
async function withWorker(
  options: Options,
  test: (start: Start) => Promise<void>,
) {
  const { worker, start } = await createWorker(options);
  await worker.runUntil(test(start));
}

/** Workers that tests share, by their options, and how to stop them. */
const shared = new Map<string, { start: Start; stop(): Promise<void> }>();

/** Runs a test with a Worker that others have, too. */
async function withSharedWorker(
  options: Options,
  test: (start: Start) => Promise<void>,
) {
  const key = JSON.stringify(options);
  if (!shared.has(key)) {
    const { worker, start } = await createWorker(options);
    const run = worker.run();
    const stop = async () => {
      worker.shutdown();
      await run;
    };
    shared.set(key, { start, stop });
  }
  await test(shared.get(key)!.start);
}

type History = Awaited<ReturnType<WorkflowHandle["fetchHistory"]>>;

async function replay(code: string, ...histories: History[]) {
  const results = Worker.runReplayHistories(
    { workflowBundle: { code } },
    histories.map((history, index) => ({ workflowId: `${index}`, history })),
  );
  for await (const { error } of results) if (error) throw error;
}

const zones = ["UTC", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"];

/** Calls a function while this process has another local time zone. */
function inZone<T>(zone: string, test: () => T): T {
  const before = Deno.env.get("TZ");
  const restore = () =>
    before === undefined ? Deno.env.delete("TZ") : Deno.env.set("TZ", before);
  Deno.env.set("TZ", zone);
  let result: T | undefined;
  try {
    result = test();
    return result;
  } finally {
    if (result instanceof Promise) result.finally(restore).catch(() => {});
    else restore();
  }
}

/** Waits until a function returns what is expected, or fails. */
async function waitForEqual<T>(actual: () => Promise<T>, expected: T) {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (JSON.stringify(await actual()) === JSON.stringify(expected)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await actual(), expected);
}

/** Returns why a Workflow Task has failed first. */
async function readTaskFailure(handle: WorkflowHandle) {
  const { events } = await handle.fetchHistory();
  const failed = events!.find((event) =>
    event.workflowTaskFailedEventAttributes
  );
  return failed?.workflowTaskFailedEventAttributes?.failure;
}

/** Returns the lines of `workflows.ts` with these comments, as a trace has them. */
function places(...comments: string[]): string[] {
  return comments.map((comment) => {
    const index = lines.findIndex((line) => line.endsWith(`// ${comment}`));
    return `${workflowsPath}:${index + 1}`;
  });
}

/** Returns the lines in a trace, without their columns. */
function linesOf(trace: string): string[] {
  return Array.from(
    trace.matchAll(/at (?:.+ \()?(.+?:\d+):\d+\)?/g),
    ([, place]) => place,
  );
}

/** The stack traces for each kind of `waits`: one for each promise. */
const tracesOfWaits = {
  activity: [places("an Activity", "awaits that kind")],
  timer: [places("a timer", "awaits that kind")],
  condition: [places("a condition", "awaits that kind")],
  promise: [places("a promise", "awaits that kind")],
  child: [places("a child", "awaits that kind")],
  elsewhere: [[
    `${join(workflowsPath, "..", "@temporalio", "not_the_sdk.ts")}:9`,
    ...places("elsewhere", "awaits that kind"),
  ]],
  several: [
    places("first of several", "awaits that kind"),
    places("second of several", "awaits that kind"),
    places("nested", "awaits several", "awaits that kind"),
  ],
};

/** All globals of a sandbox: those of the language, of the SDK and of webpack. */
const globals = `
AbortController AggregateError Array ArrayBuffer AsyncDisposableStack
AsyncLocalStorage Atomics BigInt BigInt64Array BigUint64Array Boolean DataView
Date DisposableStack Error EvalError FinalizationRegistry Float16Array
Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array
Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError
ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError
Symbol SyntaxError Temporal TextDecoder TextEncoder TypeError URIError URL
URLSearchParams Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap
WeakRef WeakSet WebAssembly __TEMPORAL_ACTIVATOR__ __TEMPORAL_BAG_HOLDER__
__TEMPORAL_CALL_INTO_SCOPE __TEMPORAL__ __temporal_globalSandboxDestructors
__webpack_module_cache__ assert clearTimeout console decodeURI
decodeURIComponent encodeURI encodeURIComponent escape eval globalThis
isFinite isNaN parseFloat parseInt setTimeout undefined unescape
`.trim().split(/\s/);

const sandboxes: [where: string, Options][] = [
  ["a shared context", {}],
  ["a context of its own", { reuseV8Context: false }],
  ["a bundle of the SDK's bundler", { code: patchedByWebpack }],
];

for (const [where, options] of sandboxes) {
  Deno.test(`Temporal.Now reads the Workflow's clock in ${where}`, async () => {
    await withSharedWorker(options, async (start) => {
      const handle = await start("clocks");
      assertEquals(await handle.result(), [0, 0, 0, 0, 0]);
    });
  });

  Deno.test(`Intl.DateTimeFormat reads the Workflow's clock in ${where}`, async () => {
    await withSharedWorker(options, async (start) => {
      const [now, ...others] = await (await start("formatsNow")).result();
      assertEquals(others, [now, now, now]);
    });
  });

  Deno.test(`a failure names source lines in ${where}`, async () => {
    await withSharedWorker(options, async (start) => {
      for (const how of ["own", "language"] as const) {
        const handle = await start("fails", how);
        const { cause } = await assertRejects(
          () => handle.result(),
          WorkflowFailedError,
        );
        const own = linesOf(cause!.stack!).filter((line) =>
          line.startsWith(workflowsPath)
        );
        assertEquals(own, places(how, "awaits the failure"), cause!.stack);
      }
    });
  });

  Deno.test(`stack trace queries name the lines that wait in ${where}`, async () => {
    await withSharedWorker(options, async (start) => {
      await Promise.all(
        Object.entries(tracesOfWaits).map(async ([kind, expected]) => {
          const handle = await start("waits", kind);
          await waitForEqual(async () => {
            const answer: string = await handle.query("__stack_trace");
            return answer.split("\n\n").map(linesOf);
          }, expected);
          const { stacks, sources }: EnhancedStackTrace = await handle.query(
            "__enhanced_stack_trace",
          );
          const located = stacks.map(({ locations }) =>
            locations.map(({ file_path, line }) => `${file_path}:${line}`)
          );
          assertEquals(located, expected);
          assertEquals(sources[workflowsPath][0].content, lines.join("\n"));
          await handle.terminate();
        }),
      );
    });
  });
}

Deno.test("a completed Workflow has no stack trace", async () => {
  await withSharedWorker({}, async (start) => {
    const handle = await start("waits", "nothing");
    await handle.result();
    assertEquals(await handle.query("__stack_trace"), "");
  });
});

Deno.test("a stack trace has 10 frames, as by default", async () => {
  await withSharedWorker({}, async (start) => {
    for (const [depth, frames] of [["20", 10], ["3", 6]] as const) {
      const handle = await start("failsDeeply", depth);
      const { cause } = await assertRejects(
        () => handle.result(),
        WorkflowFailedError,
      );
      const own = linesOf(cause!.stack!);
      assertEquals(own.length, frames, cause!.stack);
    }
  });
});

Deno.test("the sandbox works without promiseStackStore and without the SDK's prepareStackTrace", async () => {
  await withWorker({}, async (start) => {
    const store = await start("misses", "store");
    assertEquals(await store.result(), ["ran"]);
    const handler = await start("misses", "handler");
    const [message, frame] = await handler.result();
    assertEquals(message, "Error: no");
    assertMatch(frame, /^ {4}at misses \(.*workflow-bundle-\w+\.js:\d+:\d+\)$/);
  });
});

Deno.test("promiseStackStore forgets settled promises", async () => {
  await withSharedWorker({}, async (start) => {
    assertEquals(await (await start("settles")).result(), 0);
  });
});

Deno.test("a stack trace query looks for the SDK's folder once", async () => {
  await withSharedWorker({}, async (start) => {
    const calls = await (await start("formatsTraces")).result();
    assert(calls <= 1, `${calls}`);
  });
});

Deno.test("Date.parse rejects a long text at once", async () => {
  await withSharedWorker({}, async (start) => {
    const results = await (await start("parsesLongTexts")).result();
    assertEquals(results, [true, true, true]);
  });
});

Deno.test("a sink call that cannot be sent fails its Workflow Task only", async () => {
  await withSharedWorker({}, async (start) => {
    const handle = await start("sinksFunction");
    let trace: string | null | undefined;
    await waitForEqual(async () => {
      const failure = await readTaskFailure(handle);
      trace = failure?.stackTrace;
      return /could not be cloned/.test(failure?.message ?? "");
    }, true);
    // The thread's source is a data URL.
    assertMatch(trace!, / \(temporal-on-deno\/workflow-thread\.js:\d+:\d+\)$/m);
    await handle.terminate();
    await (await start("globals")).result();
  });
});

Deno.test("an endless loop fails its Workflow Task with a short stack trace", async () => {
  const options = { isolateExecutionTimeout: "300ms" };
  await withWorker(options, async (start) => {
    const handle = await start("loops");
    await waitForEqual(
      async () => (await readTaskFailure(handle))?.stackTrace,
      "Error: Script execution timed out after 300ms",
    );
    await handle.terminate();
  });
});

Deno.test("an unhandled rejection fails the Workflow Task that left it", async () => {
  const { worker, start } = await createWorker({});
  const ids = Array.from({ length: 10 }, (_, index) => `number ${index}`);
  const handles = await Promise.all(
    ids.map((id) => start("leavesRejection", id)),
  );
  // It gets all of them at once.
  await worker.runUntil(async () => {
    await waitForEqual(
      () =>
        Promise.all(
          handles.map(async (handle) =>
            (await readTaskFailure(handle))?.message
          ),
        ),
      ids.map((id) => `Unhandled Promise rejection: Error: ${id}`),
    );
    await Promise.all(handles.map((handle) => handle.terminate()));
  });
});

Deno.test("a Workflow cannot freeze the globals of the others", async () => {
  await withSharedWorker({}, async (start) => {
    const results = await (await start("freezesGlobals")).result();
    for (const result of results) {
      assertMatch(result, /^TypeError: Cannot "\w+" globalThis: /);
    }
    await (await start("globals")).result();
  });
});

Deno.test("a Workflow that extends Object.prototype does not fail the next one", async () => {
  await withWorker({}, async (start) => {
    await (await start("extendsObjects")).result();
    assertEquals(await (await start("globals")).result(), globals);
  });
});

Deno.test("the sandbox has no unknown global", async () => {
  await withSharedWorker({}, async (start) => {
    assertEquals(await (await start("globals")).result(), globals);
  });
});

Deno.test("hasSandbox() tells a bundle that was made without DenoPlugin", () => {
  const bundles = [patched, patchedByWebpack, unpatched];
  assertEquals(bundles.map(hasSandbox), [true, true, false]);
});

Deno.test("an Event History of the patched sandbox replays in the unpatched one, and back", async () => {
  for (
    const [options, other] of [
      [{}, unpatched],
      [{ code: unpatched }, patched],
    ] as const
  ) {
    await withSharedWorker(options, async (start) => {
      const handle = await start("fails", "own");
      await assertRejects(() => handle.result(), WorkflowFailedError);
      await replay(other, await handle.fetchHistory());
    });
  }
});

Deno.test("the local time zone is UTC in every sandbox, and Event Histories replay in any zone", async () => {
  const expected = inZone("UTC", () => JSON.stringify(readLocalTimes()));
  /** The last of each sandbox. */
  const histories = new Map<string, History>();
  const runIn = (zone: string, where: string, options: Options) =>
    withWorker(options, async (start) => {
      const handle = await start("localTimes");
      const result = await handle.result();
      // A diff of so much text would take minutes.
      const isUtc = JSON.stringify(result) === expected;
      assert(isUtc, `under TZ=${zone} in ${where}`);
      histories.set(where, await handle.fetchHistory());
    });
  for (const zone of zones) {
    await inZone(zone, async () => {
      for (const [where, options] of sandboxes) {
        await runIn(zone, where, options);
      }
    });
  }
  await inZone(
    "UTC",
    () => runIn("UTC", "the unpatched sandbox", { code: unpatched }),
  );
  for (const zone of zones) {
    await inZone(zone, () => replay(patched, ...histories.values()));
  }
});

Deno.test("the unpatched sandbox has the local time zone (part 2)", async () => {
  await inZone(
    "Asia/Tokyo",
    () =>
      withWorker({ code: unpatched }, async (start) => {
        const handle = await start("localTimes");
        await handle.result();
        const history = await handle.fetchHistory();
        await assertRejects(
          () => replay(patched, history),
          DeterminismViolationError,
        );
      }),
  );
});

// The gaps of Deno. If one of these tests fails, delete that part of sandbox.ts.

Deno.test("the unpatched sandbox has the real clock and queueMicrotask (part 1)", async () => {
  await withSharedWorker({ code: unpatched }, async (start) => {
    const globals: string[] = await (await start("globals")).result();
    assertEquals(globals.includes("queueMicrotask"), true);
    const differences: number[] = await (await start("clocks")).result();
    assertEquals(differences.includes(0), false);
  });
});

Deno.test("a failure in the unpatched sandbox names the bundle (part 3)", async () => {
  await withSharedWorker({ code: unpatched }, async (start) => {
    const handle = await start("fails", "own");
    const { cause } = await assertRejects(
      () => handle.result(),
      WorkflowFailedError,
    );
    assertMatch(cause!.stack!, /workflow-bundle-\w+\.js:\d+/);
  });
});

Deno.test("stack trace queries answer nothing in the unpatched sandbox (part 4)", async () => {
  await withSharedWorker({ code: unpatched }, async (start) => {
    const handle = await start("waits", "timer");
    await waitForEqual(async () => {
      const { events } = await handle.fetchHistory();
      return events!.filter((e) => e.timerStartedEventAttributes).length;
    }, 2);
    assertEquals(await handle.query("__stack_trace"), "");
    await handle.terminate();
  });
});
