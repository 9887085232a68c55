import { assertEquals } from "@std/assert";
import { REPLAY_NAME, TaskFailures } from "./task_failures.ts";

const execution = { runId: "run", workflowId: "order" };
const price = new Error("no price");
const failure =
  'Failure { failure: Some(Failure { message: "no price", source: "" }) }';
const first =
  'Workflow "order" makes no progress, since its Workflow Task fails ' +
  "and is retried: no price; fix the Workflow code, and restart the Worker; to " +
  "fail the Workflow instead, throw an ApplicationFailure";

/** Returns what is logged while a Workflow Task is retried. */
function createFailures() {
  const logged: string[] = [];
  let attempt = 1;
  const failures = new TaskFailures(
    (message) => logged.push(message),
    () => Promise.resolve(attempt),
  );
  return {
    failures,
    logged,
    /** Runs an attempt, and returns whether each entry was kept out of the log. */
    async fail(number: number) {
      attempt = number;
      failures.take("Creating workflow", execution);
      await Promise.resolve();
      return [
        failures.take("Workflow failed", { ...execution, error: price }),
        // The SDK's core logs the first attempt alone.
        number === 1 &&
        failures.take("Failing workflow task", { runId: "run", failure }),
      ];
    },
  };
}

Deno.test("a Workflow Task that fails is reported once, and then as often as the count doubles", async () => {
  const { fail, logged } = createFailures();
  assertEquals(await fail(1), [false, true]);
  assertEquals(logged, [first]);
  for (let attempt = 2; attempt <= 9; attempt++) {
    assertEquals(await fail(attempt), [true, false]);
  }
  assertEquals(
    logged.slice(1),
    [2, 4, 8].map((count) =>
      `Workflow "order" has failed ${count} Workflow Tasks in a row`
    ),
  );
});

const stack = `TypeError: no price.
    at ship (/app/workflows.ts:5:50)
    at activate (/app/node_modules/workflow/internals.ts:1:2)`;
const leavingStack = `/app/workflow-bundle.js:8469
          throw this.workflowTaskError;
          ^

${stack}`;

/** Returns the entries about two attempts of a Workflow Task. */
function logAttempts(attempt: (failures: TaskFailures) => boolean[]) {
  const logged: [message: string, stack?: string][] = [];
  const failures = new TaskFailures(
    (message, { error }) => logged.push([message, error?.stack]),
    () => Promise.resolve(1),
  );
  failures.take("Creating workflow", execution);
  const isTaken = [...attempt(failures), ...attempt(failures)];
  assertEquals(isTaken, isTaken.map(() => true));
  return logged;
}

Deno.test("an error that leaves the Workflow sandbox is reported once, with its stack", () => {
  const error = { message: "no price.", stack: leavingStack };
  const logged = logAttempts((failures) => [
    failures.take("Workflow failed", { ...execution, error }),
    failures.take("Failing workflow task", { runId: "run", failure }),
  ]);
  assertEquals(logged, [[first, stack]]);
});

Deno.test("an error that only the SDK's core logs is reported with the stack of the failure", () => {
  const print = (stack: string) =>
    `Failure { message: "no price.", stack_trace: ${JSON.stringify(stack)} }`;
  for (const [recorded, reported] of [[leavingStack, stack], ["", undefined]]) {
    const failure = print(recorded!);
    const logged = logAttempts((failures) => [
      failures.take("Failing workflow task", { runId: "run", failure }),
    ]);
    assertEquals(logged, [[first, reported]]);
  }
});

Deno.test("a Workflow Task that fails after others have succeeded is reported again", async () => {
  const { failures, fail, logged } = createFailures();
  await fail(1);
  failures.take("Disposing workflow", execution);
  failures.take("Creating workflow", execution);
  await Promise.resolve();
  await fail(1);
  assertEquals(logged, [first, first]);
});

Deno.test("another error of a Workflow whose Workflow Task has failed stays in the log", async () => {
  const { failures, fail } = createFailures();
  await fail(1);
  const error = new Error("out of stock");
  const meta = { ...execution, error };
  assertEquals(failures.take("Workflow failed", meta), false);
});

Deno.test("a Workflow Task of incompatible code is reported with a way out", () => {
  const { failures, logged } = createFailures();
  failures.take("Creating workflow", execution);
  failures.take("Failing workflow task", {
    runId: "run",
    failure: failure.replace(
      "no price",
      "[TMPRL1100] Nondeterminism error: Timer machine does not handle this " +
        "event: HistoryEvent(id: 5, ActivityTaskScheduled)",
    ),
  });
  assertEquals(logged, [
    'Workflow "order" makes no progress, since its Workflow Task fails and is ' +
    "retried: at event 5, the code starts a Timer, but the Event History has " +
    'ActivityTaskScheduled; undo the change, or keep what the code did with "patched": ' +
    "see https://docs.temporal.io/patching",
  ]);
});

Deno.test("a replay that fails is not reported as a Workflow Task", () => {
  const { failures, logged } = createFailures();
  const meta = { ...execution, taskQueue: `${REPLAY_NAME}-0` };
  assertEquals(failures.take("Creating workflow", meta), true);
  assertEquals(
    failures.take("Failing workflow task", { runId: "run", failure }),
    true,
  );
  assertEquals(logged, []);
});

Deno.test("other entries are left to the log", () => {
  const { failures } = createFailures();
  for (const message of ["Workflow failed", "Activity failed", "hello"]) {
    assertEquals(failures.take(message, execution), false);
  }
  assertEquals(failures.take("hello"), false);
});

Deno.test("what a Workflow logs in the SDK's words may have attributes of any type", () => {
  const { failures, logged } = createFailures();
  const strange = { toString: 1, valueOf: 1 };
  const error = { message: strange, stack: strange };
  const meta = { error, failure: strange, runId: strange, taskQueue: strange };
  assertEquals(failures.take("Workflow failed", meta), false);
  assertEquals(failures.take("Failing workflow task", meta), true);
  assertEquals(logged.length, 1);
});
