/**
 * A time limit for Workflows under test, so that one that never ends fails its test
 * and says why.
 *
 * @module
 */

import type {
  ClientOptions,
  ClientPlugin,
  ConnectionPlugin,
  WorkflowClientInterceptor,
  WorkflowHandle,
} from "@temporalio/client";
import { WorkflowClient } from "@temporalio/client";

const TIME_LIMIT_MS = 30_000;

/** What is reported of an event's attributes. */
interface Attributes {
  activityType?: { name: string };
  failure?: { message: string };
}

/**
 * Terminates each Workflow Execution that is still open after 30 seconds of real
 * time. The failure names the last events of its Event History and what it waits for.
 */
export class TimeLimitPlugin implements ClientPlugin, ConnectionPlugin {
  /** How the SDK tells plugins apart. */
  readonly name = "TimeLimitPlugin";
  /** Workflow Executions that have started, except those seen closed. */
  readonly #open: WorkflowHandle[] = [];

  /** Called by the SDK before it creates a Client. */
  configureClient(options: ClientOptions): ClientOptions {
    const { connection, interceptors } = options;
    const client = new WorkflowClient({ connection });
    const interceptor: WorkflowClientInterceptor = {
      startWithDetails: async (input, next) => {
        const output = await next(input);
        const { workflowId } = input.options;
        const handle = client.getHandle(workflowId, output.runId);
        this.#open.push(handle);
        Deno.unrefTimer(setTimeout(terminate, TIME_LIMIT_MS, handle));
        return output;
      },
    };
    const workflow = interceptors?.workflow as typeof interceptor[] ?? [];
    return {
      ...options,
      interceptors: { ...interceptors, workflow: [...workflow, interceptor] },
    };
  }

  /**
   * Whether a Workflow Execution that has closed since the last call may have stopped
   * time skipping: the test server waits for each task in progress, and does not
   * notice that one ends after its Workflow Execution
   * (https://github.com/temporalio/sdk-java/issues/1138).
   */
  async mayHaveStoppedSkipping(): Promise<boolean> {
    let isStopped = false;
    for (const handle of this.#open.splice(0)) {
      const description = await handle.describe().catch(() => undefined);
      // Its server has stopped.
      if (!description) continue;
      const { raw, status } = description;
      if (status.name === "RUNNING") this.#open.push(handle);
      else if (status.name === "TERMINATED") isStopped = true;
      else if (raw.pendingActivities?.length) isStopped = true;
    }
    return isStopped;
  }
}

async function terminate(handle: WorkflowHandle) {
  try {
    const { raw, status } = await handle.describe();
    if (status.name !== "RUNNING") return;
    const { events } = await handle.fetchHistory();
    const lines = (events ?? []).slice(-5).map((event) => {
      const key = Object.keys(event).find((key) => key.endsWith("Attributes"))!;
      const { activityType, failure } = (event as never)[key] as Attributes;
      const name = key.replace("EventAttributes", "");
      const subject = activityType?.name ?? failure?.message ?? "";
      return `${event.eventId} ${name} ${subject}`.trimEnd();
    });
    for (const pending of raw.pendingActivities ?? []) {
      const { activityType, attempt, lastFailure } = pending;
      const reason = lastFailure?.message ?? "no result yet";
      lines.push(
        `waits for ${activityType?.name}, attempt ${attempt}: ${reason}`,
      );
    }
    await handle.terminate(
      [`Timed out after ${TIME_LIMIT_MS / 1000} s; its last events:`, ...lines]
        .join("\n  "),
    );
  } catch {
    // The test is over, and its server stopped.
  }
}
