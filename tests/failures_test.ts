/** What becomes of a Workflow if something fails. */

import {
  environment,
  skipsTime,
  useEnvironment,
} from "@temporal-on-deno/cli/testing";
import { Context } from "@temporalio/activity";
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TerminatedFailure,
  WorkflowFailedError,
  type WorkflowHandle,
} from "@temporalio/client";
import {
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import * as activities from "../activities.ts";
import {
  createWorker,
  executeWorkflow,
  startWorkflow,
} from "./_environment.ts";

useEnvironment();

const HOUR_MS = 3_600_000;

/** Ends `SayHello` while its Activity waits, and returns the Client's error. */
async function endWhileWaiting(
  end: (handle: WorkflowHandle) => Promise<unknown>,
): Promise<WorkflowFailedError> {
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  const say_hello = async () => {
    start();
    return await Context.current().cancelled;
  };
  const worker = await createWorker({ say_hello });
  return await worker.runUntil(async () => {
    const handle = await startWorkflow("World", worker.options.taskQueue);
    await started;
    await end(handle);
    return await assertRejects(() => handle.result(), WorkflowFailedError);
  });
}

Deno.test("an Activity that fails is retried until it succeeds", async () => {
  const attempts: number[] = [];
  const say_hello = async (name: string) => {
    const { attempt } = Context.current().info;
    attempts.push(attempt);
    if (attempt < 3) throw new Error("not yet");
    return `Hello at last, ${name}!`;
  };
  assertEquals(await executeWorkflow({ say_hello }), "Hello at last, World!");
  assertEquals(attempts, [1, 2, 3]);
});

Deno.test({
  name: "three retries an hour apart take seconds",
  ignore: !skipsTime,
  async fn() {
    const times: number[] = [];
    const say_hello = async (name: string) => {
      times.push(await environment.currentTimeMs());
      if (Context.current().info.attempt > 3) return `Hello at last, ${name}!`;
      throw ApplicationFailure.create({ nextRetryDelay: "1 hour" });
    };
    const begin = Date.now();
    assertEquals(await executeWorkflow({ say_hello }), "Hello at last, World!");
    const hours = times.map((time) => Math.floor((time - times[0]) / HOUR_MS));
    assertEquals(hours, [0, 1, 2, 3]);
    assertLess(Date.now() - begin, 10_000);
  },
});

Deno.test("an Activity that exceeds its Start-To-Close Timeout is retried", async () => {
  const attempts: [attempt: number, timeoutMs: number][] = [];
  const say_hello = async (name: string) => {
    const { cancelled, info } = Context.current();
    attempts.push([info.attempt, info.startToCloseTimeoutMs]);
    if (info.attempt > 1) return `Hello at last, ${name}!`;
    // While an Activity runs, the test server skips time only on request.
    await environment.sleep(info.startToCloseTimeoutMs);
    return await cancelled;
  };
  assertEquals(await executeWorkflow({ say_hello }), "Hello at last, World!");
  assertEquals(attempts, [[1, 5_000], [2, 5_000]]);
});

Deno.test("a non-retryable failure reaches the Client with its type and cause", async () => {
  const say_hello = async (name: string): Promise<string> => {
    throw ApplicationFailure.create({
      message: `Cannot greet ${name}`,
      type: "Unknown",
      nonRetryable: true,
      cause: new Error("no such person"),
    });
  };
  const error = await assertRejects(
    () => executeWorkflow({ say_hello }),
    WorkflowFailedError,
  );
  assertInstanceOf(error.cause, ActivityFailure);
  const failure = error.cause.cause;
  assertInstanceOf(failure, ApplicationFailure);
  assertEquals([failure.type, failure.message, failure.nonRetryable], [
    "Unknown",
    "Cannot greet World",
    true,
  ]);
  assertEquals((failure.cause as Error).message, "no such person");
});

Deno.test("a waiting Workflow can be canceled", async () => {
  const error = await endWhileWaiting((handle) => handle.cancel());
  assertInstanceOf(error.cause, CancelledFailure);
});

Deno.test("a waiting Workflow can be terminated", async () => {
  const error = await endWhileWaiting((handle) => handle.terminate("enough"));
  assertStringIncludes(error.message, "enough");
  assertInstanceOf(error.cause, TerminatedFailure);
});

Deno.test("a Workflow waits for a Worker that has its Activity", async () => {
  const without = await createWorker({ say_goodbye: async () => {} });
  const { taskQueue } = without.options;
  const handle = await startWorkflow("World", taskQueue);
  let message: string | null | undefined;
  await without.runUntil(async () => {
    while (!message) {
      const { raw } = await handle.describe();
      message = raw.pendingActivities?.[0]?.lastFailure?.message;
    }
  });
  assertStringIncludes(message!, "say_hello is not registered on this Worker");
  const withIt = await createWorker(activities, taskQueue);
  assertEquals(await withIt.runUntil(handle.result()), "Hello, World!");
});
