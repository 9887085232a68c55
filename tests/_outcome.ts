/**
 * What a test is told of a Workflow that has no result.
 *
 * @module
 */

import type {
  Workflow,
  WorkflowHandle,
  WorkflowResultType,
} from "@temporalio/client";
import { inTime } from "../lib/connection.ts";

/** How long a test waits for a result, in milliseconds. */
const patience = 10_000;

/** The attributes of an event, as far as they are told. */
interface Attributes {
  activityType?: { name: string };
  failure?: { message: string };
}

/**
 * Returns a Workflow's result, once what is done to it meanwhile is done, too. If
 * there is none, the error tells which Workflow it was, the last events of its
 * history, and what it still waits for.
 *
 * @throws {WorkflowFailedError} if the Workflow did not succeed
 * @throws {Error} after 10 seconds; the Workflow is then terminated
 */
export async function resultOf<T extends Workflow>(
  handle: WorkflowHandle<T>,
  meanwhile?: Promise<unknown>,
): Promise<WorkflowResultType<T>> {
  const late = new Error(`There is no result after ${patience / 1000} seconds`);
  try {
    const both = Promise.all([handle.result(), meanwhile]);
    return (await inTime(both, patience, late))[0];
  } catch (error) {
    (error as Error).message += `\n${await tell(handle).catch(String)}`;
    if (error === late) await handle.terminate();
    throw error;
  }
}

async function tell(handle: WorkflowHandle): Promise<string> {
  const { events } = await handle.fetchHistory();
  const { raw } = await handle.describe();
  const lines = (events ?? []).slice(-5).map((event) => {
    const key = Object.keys(event).find((key) => key.endsWith("Attributes"))!;
    const { activityType, failure } = (event as never)[key] as Attributes;
    const name = key.replace("EventAttributes", "");
    const about = activityType?.name ?? failure?.message ?? "";
    return `${event.eventId} ${name} ${about}`.trimEnd();
  });
  for (const pending of raw.pendingActivities ?? []) {
    const { activityType, attempt, lastFailure } = pending;
    const why = lastFailure?.message ?? "no answer yet";
    lines.push(`waits for ${activityType?.name}, attempt ${attempt}: ${why}`);
  }
  return [`Workflow "${handle.workflowId}", its last events:`, ...lines]
    .join("\n  ");
}
