/**
 * Replays the Workflow Executions that are open on a Worker's Task Queue, so that
 * the task `dev` says at once that a change is incompatible with them.
 *
 * @module
 */

import type { Worker } from "@temporalio/worker";
import { escapeControls } from "./errors.ts";
import { deadline, printError } from "./program.ts";
import {
  listRecorded,
  optionsOf,
  type Replay,
  replayAll,
} from "./replay_histories.ts";
import { REPLAY_NAME } from "./task_failures.ts";

/** How many Workflow Executions are replayed: the newest of each Workflow Type. */
const LIMIT = { limit: 20, perType: 5 };

const TIME_LIMIT_MS = 2_000;

/** Where the `temporal` CLI looks for the Temporal Service. */
const DEFAULT_ADDRESS = "localhost:7233";

/**
 * Reports what is open and incompatible with the Worker's Workflow code. It takes 2
 * seconds at most, and reports nothing if the Temporal Service does not answer.
 */
export async function replayOpen(worker: Worker, address: string) {
  const { client, options } = worker;
  const { namespace, taskQueue, workflowBundle } = options;
  if (!client || !workflowBundle) return;
  const flags = [
    namespace !== "default" && ` --namespace ${quote(namespace)}`,
    address !== DEFAULT_ADDRESS && ` --address ${quote(address)}`,
  ].filter(Boolean).join("");
  const query = `ExecutionStatus = "Running" AND TaskQueue = ${
    JSON.stringify(taskQueue)
  }`;
  const open = listRecorded(client, { query, ...LIMIT });
  const replaying = replayAll(
    {
      ...optionsOf(worker),
      replayName: REPLAY_NAME,
      // An endless loop blocks the Worker for this time.
      ...{ isolateExecutionTimeout: "1 second" },
    },
    open,
    (replay) => {
      if (replay.problem && replay.workflowType) {
        printError(describe(replay, flags));
      }
    },
  );
  await deadline(replaying, TIME_LIMIT_MS).catch(() => {});
  await open.return(undefined);
}

/** Returns what is incompatible, and the ways out. */
function describe(
  { problem, workflowId, workflowType }: Replay,
  flags: string,
) {
  const id = `--workflow-id ${quote(workflowId!)}${flags}`;
  const lines = [
    `Workflow "${workflowId}" (${workflowType}) is open and incompatible with the code:`,
    `  ${problem}`,
    'Keep what the code did for it, with "patched": see ' +
    "https://docs.temporal.io/patching. Or end it, or let it start over:",
    `  deno task temporal workflow terminate ${id}`,
    `  deno task temporal workflow reset ${id} --type FirstWorkflowTask --reason "new code"`,
  ];
  return lines.map((line) => escapeControls(line)).join("\n");
}

/** Quotes a word for a shell, if it has to be. */
function quote(word: string): string {
  return /^[\w.:@/-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
