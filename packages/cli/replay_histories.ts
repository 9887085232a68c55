/**
 * Replays Event Histories, and says in a sentence what is incompatible with the code.
 *
 * @module
 */

import { type Client, WorkflowNotFoundError } from "@temporalio/client";
import type { History } from "@temporalio/common/lib/proto-utils.js";
import { type ReplayWorkerOptions, Worker } from "@temporalio/worker";
import { UserError } from "./errors.ts";
import { deadline } from "./program.ts";

type HistoryEvent = NonNullable<History["events"]>[number];

/** An Event History that is to be loaded. */
export interface Recorded {
  /** Its Workflow Id, if it is known before. */
  workflowId?: string;
  /** The file that it comes from, if it does. */
  file?: string;
  /** Loads it; returns undefined if the Temporal Service has deleted it. */
  load: () => Promise<History | undefined>;
}

/** What became of an Event History. */
export interface Replay extends Omit<Recorded, "load"> {
  /** Its Run Id, if it could be loaded. */
  runId?: string;
  /** Its Workflow Type, if it could be loaded. */
  workflowType?: string;
  /** Why it does not replay; undefined if it does. */
  problem?: string;
  /** Whether that is because the code makes another decision. */
  isNondeterministic?: boolean;
}

/** While one is replayed, others are loaded. */
const CONCURRENCY = 4;

/** An Event History of 50 MB takes some seconds. */
const TIMEOUT_MS = 60_000;

/** Attributes of events that follow WorkflowTaskStarted. */
const taskEnd =
  /^workflow(?:Task(?:Completed|Failed|TimedOut)|Execution(?:Terminated|TimedOut))Event/;

/** Attributes of events that close a Workflow Execution. */
const closed =
  /^workflowExecution(?:Completed|Failed|Canceled|Terminated|TimedOut|ContinuedAsNew)Event/;

/** What the code does, by the name of the SDK core's state machine for it. */
const actions: Record<string, string> = {
  "Activity": "schedules an Activity",
  "Cancel external WF": "cancels another Workflow",
  "Cancel workflow": "ends as canceled",
  "Child workflow": "starts a Child Workflow",
  "Complete workflow": "completes the Workflow",
  "Continue as new workflow": "continues as new",
  "Fail workflow": "fails the Workflow",
  "Local activity": "runs a Local Activity",
  "Signal external WF": "sends a Signal to another Workflow",
  "Timer": "starts a Timer",
};

/**
 * Lists the Event Histories of a Namespace, the newest first, without holding more
 * than a page of their Workflow Ids.
 *
 * @throws {UserError} if the Temporal Service does not list them
 */
export async function* listRecorded(
  { workflow, options: { namespace } }: Client,
  { query, limit, perType }: { query: string; limit: number; perType: number },
): AsyncGenerator<Recorded> {
  const counts: Record<string, number> = Object.create(null);
  let nextPageToken: Uint8Array | undefined;
  do {
    // The Client's own method decodes memos, for which there may be no codec.
    const request = { namespace, query, nextPageToken };
    const page = await workflow.workflowService.listWorkflowExecutions(request)
      .catch((error) => {
        throw new UserError(
          `Cannot list Workflow Executions: ${error.details || error.message}`,
        );
      });
    for (const { execution, type } of page.executions) {
      const name = type?.name ?? "";
      counts[name] = (counts[name] ?? 0) + 1;
      if (counts[name] > perType) continue;
      if (limit-- < 1) return;
      const workflowId = execution!.workflowId!;
      const handle = workflow.getHandle(workflowId, execution!.runId!);
      const load = () =>
        handle.fetchHistory().catch((error) => {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
          return undefined;
        });
      yield { workflowId, load };
    }
    ({ nextPageToken } = page);
  } while (nextPageToken?.length);
}

/** Returns the options of a Worker that matter for a replay. */
export function optionsOf({ options }: Worker): ReplayWorkerOptions {
  const { dataConverter, interceptors, workflowBundle } = options;
  return { dataConverter, interceptors, workflowBundle };
}

/** Replays Event Histories, and reports each one when it is done. */
export async function replayAll(
  options: ReplayWorkerOptions,
  recorded: AsyncIterator<Recorded>,
  report: (replay: Replay) => void,
) {
  const lanes = Array.from(
    { length: CONCURRENCY },
    () => replayInTurn(options, recorded, report),
  );
  await Promise.all(lanes);
}

async function replayInTurn(
  options: ReplayWorkerOptions,
  recorded: AsyncIterator<Recorded>,
  report: (replay: Replay) => void,
) {
  let current: { replay: Replay; history: History } | undefined;
  let next = recorded.next();
  async function* load() {
    for (;; next = recorded.next()) {
      const { done, value } = await next;
      if (done) return;
      const { load, ...replay } = value as Recorded & Replay;
      try {
        const history = await load();
        if (!history) continue;
        Object.assign(replay, identify(history));
        // Before its first Workflow Task completes, any code is compatible.
        if (
          history.events!.some((e) => e.workflowTaskCompletedEventAttributes)
        ) {
          current = { replay, history };
          yield {
            workflowId: replay.workflowId ?? "unknown",
            history: withNextTask(history),
          };
          continue;
        }
      } catch (error) {
        replay.problem = firstLine((error as Error).message);
      }
      report(replay);
    }
  }
  while (!(await next).done) {
    // Another Worker, if the last one did not survive an Event History.
    const results = Worker.runReplayHistories({
      // Endless loops have no time limit otherwise, and large payloads take time.
      ...{ isolateExecutionTimeout: "30 seconds" },
      ...options,
    }, load());
    try {
      for (;;) {
        const { done, value } = await deadline(results.next(), TIMEOUT_MS);
        if (done) return;
        const { replay, history } = current!;
        current = undefined;
        const { error } = value;
        report({
          ...replay,
          ...error && {
            problem: explain(error.message, history),
            isNondeterministic: error.name === "DeterminismViolationError",
          },
        });
      }
    } catch (error) {
      if (!current) throw error;
      report({ ...current.replay, problem: explain((error as Error).message) });
      current = undefined;
      next = recorded.next();
    }
  }
}

/**
 * Returns what an Event History says of itself.
 *
 * @throws {Error} if the SDK's core would not survive it
 */
function identify({ events }: History): Omit<Replay, "file"> {
  const start = events?.[0]?.workflowExecutionStartedEventAttributes;
  const workflowType = start?.workflowType?.name;
  if (!workflowType || !start?.originalExecutionRunId) {
    throw new Error("it does not begin with WorkflowExecutionStarted");
  }
  const gap = events!.findIndex((e, index) => Number(e.eventId) !== index + 1);
  if (gap > 0) throw new Error(`event ${gap + 1} is missing`);
  const unknown = events!.find((e) => !e.eventType && !e.workerMayIgnore);
  if (unknown) {
    throw new Error(
      `event ${unknown.eventId} is of a type that the SDK does not know`,
    );
  }
  const odd = events!.find((event, index) =>
    events![index - 1]?.workflowTaskStartedEventAttributes && !taskEnd.test(
      Object.keys(event).find((key) =>
        /Attributes$/.test(key) && event[key as never]
      ) ?? "",
    )
  );
  if (odd) throw new Error(`event ${odd.eventId} ends no Workflow Task`);
  const { originalExecutionRunId: runId, workflowId } = start;
  return { ...workflowId && { workflowId }, runId, workflowType };
}

/**
 * Adds the next Workflow Task to an open Workflow Execution: the SDK compares what
 * the code does with the events of a task when it replays the one after it.
 */
function withNextTask({ events }: History): History {
  const added = [...events!];
  for (
    const [key, eventType] of [
      ["workflowTaskScheduledEventAttributes", 5],
      ["workflowTaskStartedEventAttributes", 6],
    ] as const
  ) {
    const last = added.at(-1)!;
    const isEnd = last.workflowTaskStartedEventAttributes ||
      key in last || closed.test(attributesOf(last));
    if (isEnd) continue;
    const { eventId, eventTime } = last;
    added.push({
      eventId: eventId!.add(1),
      eventTime,
      eventType,
      [key]: { scheduledEventId: eventId },
    });
  }
  return { events: added };
}

/** Says in a sentence why a Workflow Task fails, given the SDK's error message. */
export function explain(
  message: string,
  { events = [] }: History = {},
): string {
  const reason = firstLine(readField(message, "message") ?? message);
  const [, machine, id, type] =
    /(?:(\w[\w ]*) machine does not handle this event:|for event) HistoryEvent\(id: (\d+), (\w+)\)/
      .exec(reason) ?? [];
  if (id) {
    const name = nameOf(events?.[Number(id) - 1]);
    return `at event ${id}, the code ${
      actions[machine] ??
        (machine ? `does something else (${machine})` : "does nothing")
    }, but the Event History has ${type}${name ? ` "${name}"` : ""}`;
  }
  const [, kind, property, recorded, given] =
    /(Activity|Child workflow) (type|id) of scheduled event '(.*)' does\s+not match .* command '(.*)'/
      .exec(reason) ?? [];
  if (kind) {
    // The SDK's core does not say which event it is.
    const same = events?.filter((event) => nameOf(event) === recorded) ?? [];
    const at = same.length === 1 ? `at event ${same[0].eventId}, ` : "";
    return `${at}the code ${actions[kind]} with the ${property} "${given}", ` +
      `but the Event History has "${recorded}"`;
  }
  const [, missing] =
    /workflow of type '(.*)': no such function/.exec(reason) ??
      [];
  if (missing !== undefined) return `the code has no Workflow "${missing}"`;
  const [, encoding] = /^Unknown encoding: (.*)/.exec(reason) ?? [];
  if (encoding) return `there is no codec for its payloads (${encoding})`;
  return reason.replace(/^(?:\[TMPRL1100\] )?Nondeterminism error: |\.$/g, "");
}

/** Returns a field of a failure that the SDK's core prints in Rust's notation. */
export function readField(printed: string, name: string): string | undefined {
  const [, text] = new RegExp(`${name}: "((?:[^"\\\\]|\\\\.)*)"`)
    .exec(printed) ?? [];
  return text?.replace(
    /\\(?:u\{(\w+)\}|(.))/g,
    (_, code, character) =>
      code
        ? String.fromCodePoint(parseInt(code, 16))
        : { n: "\n", r: "\r", t: "\t" }[character as string] ?? character,
  );
}

/** Returns the name of the property that says what kind of event it is. */
function attributesOf(event: HistoryEvent): string {
  const isSet = (key: string) => /Attributes$/.test(key) && event[key as never];
  return Object.keys(event).find(isSet) ?? "";
}

function nameOf(event?: HistoryEvent) {
  const { activityTaskScheduledEventAttributes: activity } = event ?? {};
  const { startChildWorkflowExecutionInitiatedEventAttributes: child } =
    event ??
      {};
  return activity?.activityType?.name ?? child?.workflowType?.name;
}

/** The text of a file, or of an error in Workflow code, can be of any length. */
function firstLine(message: string): string {
  return message.split("\n")[0].slice(0, 300);
}
