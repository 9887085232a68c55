/** Whatever is sent to the Task Queue, the Worker stays, and says what is wrong. */

import { Client, Connection } from "@temporalio/client";
import { assertEquals, assertMatch } from "@std/assert";
import { waitUntil } from "../dev/processes.ts";
import { devServer, task } from "./_programs.ts";

/** A Workflow to start, as it goes over the wire, and how that is to end. */
interface Case {
  type: string;
  payloads: { metadata: { encoding: Uint8Array }; data: Uint8Array }[];
  end: RegExp;
}

const number = 200;
const encode = (text: string) => new TextEncoder().encode(text);

function payload(encoding: string, data: Uint8Array) {
  return { metadata: { encoding: encode(encoding) }, data };
}

function json(value: unknown) {
  return payload("json/plain", encode(JSON.stringify(value)));
}

function randomInteger(below: number): number {
  return Math.floor(Math.random() * below);
}

/** Any characters, but for halves of pairs. */
function randomText(): string {
  const codes = Array.from(
    { length: randomInteger(40) },
    () => randomInteger(0x2fff),
  );
  return String.fromCodePoint(...codes);
}

function randomBytes(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(randomInteger(200)));
}

function nested(depth: number): unknown {
  let value: unknown = randomText();
  for (let level = 0; level < depth; level++) value = { [level]: [value] };
  return value;
}

const makers: (() => Case)[] = [
  () => hello([json(randomText())], /^Hello, [^]*!$/),
  () => hello([json(randomText()), json(1)], /^Hello, [^]*!$/),
  () => hello([], /^The name is a undefined$/),
  () => hello([json(Math.random())], /^The name is a number$/),
  () => hello([json(Math.random() < 0.5)], /^The name is a boolean$/),
  () => hello([json(nested(randomInteger(2_000)))], /^The name is a object$/),
  () =>
    hello(
      [json(Array(randomInteger(50_000)).fill(0))],
      /^The name is a object$/,
    ),
  () =>
    hello([payload("binary/plain", randomBytes())], /^The name is a object$/),
  () =>
    hello([payload("binary/null", randomBytes())], /^The name is a undefined$/),
  () => hello([payload("json/plain", encode(`{"${randomText()}`))], /JSON/),
  () => hello([payload("json/protobuf", randomBytes())], /protobuf/i),
  () =>
    hello(
      [payload(`x/${randomInteger(9)}`, randomBytes())],
      /^Unknown encoding: x/,
    ),
  () => hello([{ metadata: {} as never, data: randomBytes() }], /encoding/i),
  () => ({
    type: `Unknown ${randomText()}`,
    payloads: [],
    end: /no such function/,
  }),
];

function hello(payloads: Case["payloads"], end: RegExp): Case {
  return { type: "SayHello", payloads, end };
}

Deno.test(`of ${number} Workflows with any input, each says what it came to`, async () => {
  await using server = await devServer();
  await using worker = task("worker", ["--address", server.address]);
  await worker.prints("Worker polls");
  const connection = await Connection.connect({ address: server.address });
  const { workflow, workflowService } = new Client({ connection });
  let next = 0;
  const run = async () => {
    while (next < number) {
      const { type, payloads, end } = makers[next++ % makers.length]();
      const workflowId = `${randomText()} ${crypto.randomUUID()}`;
      await workflowService.startWorkflowExecution({
        namespace: "default",
        requestId: crypto.randomUUID(),
        workflowId,
        workflowType: { name: type },
        taskQueue: { name: "hello-task-queue" },
        input: { payloads },
      });
      const handle = workflow.getHandle(workflowId);
      let told: string | undefined;
      await waitUntil(`what ${workflowId} came to`, async () => {
        const { events } = await handle.fetchHistory();
        const last = events!.findLast((event) =>
          event.workflowExecutionCompletedEventAttributes ||
          event.workflowExecutionFailedEventAttributes ||
          event.workflowTaskFailedEventAttributes
        );
        const result = last?.workflowExecutionCompletedEventAttributes?.result;
        const failure = last?.workflowExecutionFailedEventAttributes?.failure ??
          last?.workflowTaskFailedEventAttributes?.failure;
        told = result
          ? JSON.parse(new TextDecoder().decode(result.payloads![0].data!))
          : failure?.message!;
        return told !== undefined;
      }, { seconds: 20 });
      assertMatch(told!, end, `${type}: ${told}`);
    }
  };
  await Promise.all(Array.from({ length: 10 }, run));
  const result = await workflow.execute("SayHello", {
    args: ["World"],
    taskQueue: "hello-task-queue",
    workflowId: "last",
  });
  assertEquals(result, "Hello, World!");
  await connection.close();
});
