/**
 * Random input in the Task Queue. `SEED` repeats a run, `LONG=1` makes it longer.
 */

import { msToTs } from "@temporalio/common/lib/time.js";
import { assertEquals, assertMatch } from "@std/assert";
import {
  isLong,
  random,
  randomBytes,
  randomInteger,
  randomText,
  seed,
} from "../shared/random.ts";
import { connectClient } from "../shared/client.ts";
import {
  startDevServer,
  startWorker,
  taskQueue,
  waitFor,
  workflowType,
} from "./_programs.ts";

/** A Workflow to start, as gRPC sends it, and what its history must then say. */
interface Case {
  type: string;
  payloads: { metadata: { encoding: Uint8Array }; data: Uint8Array }[];
  outcome: RegExp;
}

const count = isLong ? 2_000 : 100;
function nested(depth: number): unknown {
  let value: unknown = randomText();
  for (let level = 0; level < depth; level++) value = { [level]: [value] };
  return value;
}

const encode = (text: string) => new TextEncoder().encode(text);

function payload(encoding: string, data: Uint8Array) {
  return { metadata: { encoding: encode(encoding) }, data };
}

function json(value: unknown) {
  return payload("json/plain", encode(JSON.stringify(value)));
}

function greet(payloads: Case["payloads"], outcome: RegExp): Case {
  return { type: workflowType, payloads, outcome };
}

// The Workflow passes on to the Activity whatever it is given.
const greeting = /^Hello, [^]*!$/;

const makers: (() => Case)[] = [
  () => greet([json(randomText())], greeting),
  () => greet([json(randomText()), json(1)], greeting),
  () => greet([], /^Hello, undefined!$/),
  () => greet([json(random())], /^Hello, 0\.\d+!$/),
  () => greet([json(random() < 0.5)], /^Hello, (true|false)!$/),
  () => greet([json(nested(1 + randomInteger(2_000)))], /^Hello, \[object/),
  () => greet([json(Array(randomInteger(50_000)).fill(0))], greeting),
  () => greet([payload("binary/plain", randomBytes())], greeting),
  () => greet([payload("binary/null", randomBytes())], /^Hello, undefined!$/),
  () => greet([payload("json/plain", encode(`{"${randomText()}`))], /JSON/),
  () => greet([payload("json/protobuf", randomBytes())], /protobuf/i),
  () =>
    greet(
      [payload(`x/${randomInteger(9)}`, randomBytes())],
      /^Unknown encoding: x/,
    ),
  () => greet([{ metadata: {} as never, data: randomBytes() }], /encoding/i),
  () => ({
    type: `Unknown ${randomText()}`,
    payloads: [],
    outcome: /no such function/,
  }),
];

Deno.test(`worker survives ${count} Workflows with random input (SEED=${seed})`, async () => {
  await using server = await startDevServer();
  const { address } = server;
  await using _worker = await startWorker(["--address", address]);
  const { connection, workflow, workflowService } = await connectClient(
    address,
  );
  const cases = Array.from(
    { length: count },
    (_, index) => ({ ...makers[index % makers.length](), id: randomText() }),
  );
  const run = async () => {
    for (let next = cases.pop(); next; next = cases.pop()) {
      const { type, payloads, outcome, id } = next;
      const workflowId = `${id} ${crypto.randomUUID()}`;
      await workflowService.startWorkflowExecution({
        namespace: "default",
        requestId: crypto.randomUUID(),
        workflowId,
        workflowType: { name: type },
        taskQueue: { name: taskQueue },
        input: { payloads },
        // Only the failure of the first attempt is in the Event History: on a busy
        // machine, that must not be a timeout.
        workflowTaskTimeout: msToTs("1 minute"),
      });
      const handle = workflow.getHandle(workflowId);
      let actual: string | undefined;
      await waitFor(`the outcome of "${workflowId}"`, async () => {
        const { events } = await handle.fetchHistory();
        const last = events!.findLast((event) =>
          event.workflowExecutionCompletedEventAttributes ||
          event.workflowExecutionFailedEventAttributes ||
          event.workflowTaskFailedEventAttributes
        );
        const result = last?.workflowExecutionCompletedEventAttributes?.result;
        const failure = last?.workflowExecutionFailedEventAttributes?.failure ??
          last?.workflowTaskFailedEventAttributes?.failure;
        actual = result
          ? JSON.parse(new TextDecoder().decode(result.payloads![0].data!))
          : failure?.message!;
        return actual !== undefined;
      }, { seconds: 60 });
      assertMatch(actual!, outcome, `${type} has "${actual}"`);
    }
  };
  try {
    await Promise.all(Array.from({ length: 10 }, run));
    const result = await workflow.execute(workflowType, {
      args: ["World"],
      taskQueue,
      workflowId: "last",
    });
    assertEquals(result, "Hello, World!");
  } finally {
    await connection.close();
  }
});
