/**
 * The sandbox of Workflow code is as on Node.js. What Deno lacks there is mended
 * by `lib/sandbox.ts`; the last tests show the bare sandbox, and fail once there is
 * no more to mend.
 *
 * @module
 */

import { Context } from "@temporalio/activity";
import { WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { bundleWorkflowCode, DefaultLogger, Worker } from "@temporalio/worker";
import type { EnhancedStackTrace } from "@temporalio/workflow";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { waitUntil } from "../../dev/processes.ts";
import { bundleWorkflows } from "../../lib/bundler.ts";
import { environment } from "../_environment.ts";
import { resultOf } from "../_outcome.ts";
import type * as workflows from "./workflows.ts";

const path = `${import.meta.dirname}/workflows.ts`;
const lines = (await Deno.readTextFile(path)).split("\n");
const { code: mended } = await bundleWorkflows(path);
const { code: bare } = await bundleWorkflowCode({
  workflowsPath: path,
  logger: new DefaultLogger("ERROR", () => {}),
  webpackConfigHook: (config) => ({ ...config, target: "web" }),
});

type Start = (
  workflow: keyof typeof workflows,
  ...args: string[]
) => Promise<WorkflowHandle>;

/** Runs a test with a Worker, in threads as in earnest. */
async function withWorker(
  { code = mended, reuseV8Context = true },
  test: (start: Start) => Promise<void>,
) {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: crypto.randomUUID(),
    workflowBundle: { code },
    activities: { wait: () => Context.current().cancelled },
    reuseV8Context,
    showStackTraceSources: true,
  });
  const { taskQueue } = worker.options;
  await worker.runUntil(
    test(async (workflow, ...args) =>
      await environment.client.workflow.start(workflow, {
        args,
        taskQueue,
        workflowId: crypto.randomUUID(),
      })
    ),
  );
}

/** The lines of `workflows.ts` with these comments, as a trace names them. */
function places(...comments: string[]): string[] {
  return comments.map((comment) => {
    const index = lines.findIndex((line) => line.endsWith(`// ${comment}`));
    return `${path}:${index + 1}`;
  });
}

/** The lines that a trace names, without their columns. */
function named(trace: string): string[] {
  return Array.from(
    trace.matchAll(/at (?:.+ \()?(.+?:\d+):\d+\)?/g),
    ([, place]) => place,
  );
}

/** How the ways of `waits` are to be told: for each promise, line by line. */
const waitingAt = {
  activity: [places("an Activity", "awaits the way")],
  timer: [places("a timer", "awaits the way")],
  condition: [places("a condition", "awaits the way")],
  promise: [places("a promise", "awaits the way")],
  several: [
    places("first of several", "awaits the way"),
    places("second of several", "awaits the way"),
    places("nested", "awaits several", "awaits the way"),
  ],
};

/** All globals of a sandbox: those of the language, the SDK's and webpack's. */
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

for (const reuseV8Context of [true, false]) {
  const where = reuseV8Context ? "a shared context" : "a context of its own";

  Deno.test(`Temporal.Now tells the Workflow's time in ${where}`, async () => {
    await withWorker({ reuseV8Context }, async (start) => {
      assertEquals(await resultOf(await start("clocks")), [0, 0, 0, 0, 0]);
    });
  });

  Deno.test(`a failure names its lines in ${where}`, async () => {
    await withWorker({ reuseV8Context }, async (start) => {
      for (const how of ["own", "language"] as const) {
        const handle = await start("fails", how);
        const { cause } = await assertRejects(
          () => resultOf(handle),
          WorkflowFailedError,
        );
        const own = named(cause!.stack!).filter((place) =>
          place.startsWith(path)
        );
        assertEquals(own, places(how, "awaits the failure"), cause!.stack);
      }
    });
  });

  Deno.test(`Workflows at once tell where each waits in ${where}`, async () => {
    await withWorker({ reuseV8Context }, async (start) => {
      await Promise.all(
        Object.entries(waitingAt).map(async ([how, expected]) => {
          const handle = await start("waits", how);
          let traces: string[][] = [];
          await waitUntil(`the stack trace of "${how}"`, async () => {
            const answer: string = await handle.query("__stack_trace");
            traces = answer.split("\n\n").map(named);
            return JSON.stringify(traces) === JSON.stringify(expected);
          }, { seconds: 10 }).catch(() => assertEquals(traces, expected));
          const { stacks, sources }: EnhancedStackTrace = await handle.query(
            "__enhanced_stack_trace",
          );
          const located = stacks.map(({ locations }) =>
            locations.map(({ file_path, line }) => `${file_path}:${line}`)
          );
          assertEquals(located, expected);
          assertEquals(sources[path][0].content, lines.join("\n"));
          await handle.terminate();
        }),
      );
    });
  });
}

Deno.test("a Workflow that waits for nothing has no stack trace", async () => {
  await withWorker({}, async (start) => {
    const handle = await start("waits", "nothing");
    await resultOf(handle);
    assertEquals(await handle.query("__stack_trace"), "");
  });
});

Deno.test("settled promises are forgotten", async () => {
  await withWorker({}, async (start) => {
    assertEquals(await resultOf(await start("settles")), 0);
  });
});

Deno.test("the sandbox has no global that nobody knows of", async () => {
  await withWorker({}, async (start) => {
    assertEquals(await resultOf(await start("globals")), globals);
  });
});

Deno.test("a history made with the mended sandbox replays in the bare one, and back", async () => {
  for (const [first, second] of [[mended, bare], [bare, mended]]) {
    await withWorker({ code: first }, async (start) => {
      const handle = await start("fails", "own");
      await assertRejects(() => resultOf(handle), WorkflowFailedError);
      const history = await handle.fetchHistory();
      const workflowBundle = { code: second };
      await Worker.runReplayHistory({ workflowBundle }, history);
    });
  }
});

/** What Deno still lacks; each test that fails here means: delete that part. */

Deno.test("bare, the sandbox has the real clock and queueMicrotask (part 1)", async () => {
  await withWorker({ code: bare }, async (start) => {
    const globals: string[] = await resultOf(await start("globals"));
    assertEquals(globals.includes("queueMicrotask"), true);
    const off: number[] = await resultOf(await start("clocks"));
    assertEquals(off.includes(0), false);
  });
});

Deno.test("bare, a failure names the bundle (part 2)", async () => {
  await withWorker({ code: bare }, async (start) => {
    const handle = await start("fails", "own");
    const { cause } = await assertRejects(
      () => resultOf(handle),
      WorkflowFailedError,
    );
    assertMatch(cause!.stack!, /workflow-bundle-\w+\.js:\d+/);
  });
});

Deno.test("bare, a Workflow does not tell where it waits (part 3)", async () => {
  await withWorker({ code: bare }, async (start) => {
    const handle = await start("waits", "timer");
    await waitUntil("the second timer", async () => {
      const { events } = await handle.fetchHistory();
      return events!.filter((e) => e.timerStartedEventAttributes).length === 2;
    }, { seconds: 10 });
    assertEquals(await handle.query("__stack_trace"), "");
    await handle.terminate();
  });
});
