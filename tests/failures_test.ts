/** What becomes of a Workflow if something goes wrong. */

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
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import * as activities from "../activities.ts";
import { waitUntil } from "../dev/processes.ts";
import { createWorker, sayHello, startSayHello } from "./_environment.ts";
import { resultOf } from "./_outcome.ts";

/** Ends `SayHello` while its Activity waits, and returns how the caller learns. */
async function endWhileWaiting(
  end: (handle: WorkflowHandle) => Promise<unknown>,
): Promise<WorkflowFailedError> {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const say_hello = async () => {
    begin();
    return await Context.current().cancelled;
  };
  const ended = (handle: WorkflowHandle) => begun.then(() => end(handle));
  return await assertRejects(
    () => sayHello("World", { say_hello }, ended),
    WorkflowFailedError,
  );
}

Deno.test("an Activity that fails is tried again until it succeeds", async () => {
  const attempts: number[] = [];
  const say_hello = async (name: string) => {
    const { attempt } = Context.current().info;
    attempts.push(attempt);
    if (attempt < 3) throw new Error("not yet");
    return `Hello at last, ${name}!`;
  };
  assertEquals(await sayHello("World", { say_hello }), "Hello at last, World!");
  assertEquals(attempts, [1, 2, 3]);
});

Deno.test("an Activity without an answer for five seconds is tried again", async () => {
  const tries: [attempt: number, milliseconds: number][] = [];
  const say_hello = async (name: string) => {
    const { cancelled, info } = Context.current();
    tries.push([info.attempt, info.startToCloseTimeoutMs]);
    return info.attempt < 2 ? await cancelled : `Hello at last, ${name}!`;
  };
  const result = await sayHello("World", { say_hello });
  assertEquals(result, "Hello at last, World!");
  assertEquals(tries, [[1, 5_000], [2, 5_000]]);
});

Deno.test("a failure that is not to be retried reaches the caller whole", async () => {
  const say_hello = async (name: string): Promise<string> => {
    const cause = new Error("no such person");
    const message = `Cannot greet ${name}`;
    throw ApplicationFailure.create({
      message,
      type: "Unknown",
      nonRetryable: true,
      cause,
    });
  };
  const error = await assertRejects(
    () => sayHello("World", { say_hello }),
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

Deno.test("SayHello fails for good if the name is not a string", async () => {
  const name = 42 as unknown as string;
  const error = await assertRejects(
    () => sayHello(name, activities),
    WorkflowFailedError,
  );
  assertStringIncludes(error.cause!.message, "The name is a number");
});

Deno.test("a waiting Workflow can be cancelled", async () => {
  const error = await endWhileWaiting((handle) => handle.cancel());
  assertInstanceOf(error.cause, CancelledFailure);
});

Deno.test("a waiting Workflow can be terminated", async () => {
  const error = await endWhileWaiting((handle) => handle.terminate("enough"));
  assertStringIncludes(error.message, "enough");
  assertInstanceOf(error.cause, TerminatedFailure);
});

Deno.test("a Worker without the Activity says so, and one with it helps", async () => {
  const without = await createWorker({ say_goodbye: async () => {} });
  const { taskQueue } = without.options;
  const handle = await startSayHello("World", taskQueue);
  let failure: string | null | undefined;
  await without.runUntil(waitUntil("the Activity's failure", async () => {
    const { raw } = await handle.describe();
    failure = raw.pendingActivities?.[0]?.lastFailure?.message;
    return Boolean(failure);
  }, { seconds: 10 }));
  assertStringIncludes(failure!, "say_hello is not registered on this Worker");
  const withIt = await createWorker(activities, taskQueue);
  assertEquals(await withIt.runUntil(resultOf(handle)), "Hello, World!");
});
