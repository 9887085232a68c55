/**
 * Replays what a test has run, so that Workflow code that is not deterministic
 * fails the test.
 *
 * @module
 */

import type {
  ClientOptions,
  ClientPlugin,
  ConnectionPlugin,
  WorkflowClientInterceptor,
} from "@temporalio/client";
import type {
  NativeConnectionPlugin,
  Worker,
  WorkerPlugin,
} from "@temporalio/worker";
import { optionsOf, type Recorded, replayAll } from "./replay_histories.ts";

/**
 * Replays the Workflow Executions that a Client has started on a Worker's Task
 * Queue, and their Child Workflows, when that Worker ends.
 */
export class ReplayPlugin
  implements
    ClientPlugin,
    ConnectionPlugin,
    NativeConnectionPlugin,
    WorkerPlugin {
  /** How the SDK tells plugins apart. */
  readonly name = "ReplayPlugin";
  /** Run Ids and Workflow Ids, by Task Queue. */
  readonly #started = new Map<string, Map<string, string>>();

  /** Called by the SDK before it creates a Client. */
  configureClient(options: ClientOptions): ClientOptions {
    const workflow = options.interceptors?.workflow ?? [];
    if (!Array.isArray(workflow)) return options;
    const interceptor: WorkflowClientInterceptor = {
      startWithDetails: async (input, next) => {
        const output = await next(input);
        const { taskQueue, workflowId } = input.options;
        const runs = this.#started.get(taskQueue) ?? new Map();
        this.#started.set(taskQueue, runs.set(output.runId, workflowId));
        return output;
      },
    };
    const interceptors = {
      ...options.interceptors,
      workflow: [...workflow, interceptor],
    };
    return { ...options, interceptors };
  }

  /**
   * Called by the SDK to run a Worker.
   *
   * @throws {Error} if the Workflow code does not make the same decisions again
   */
  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>) {
    await next(worker);
    const problems: string[] = [];
    await replayAll(optionsOf(worker), this.#list(worker), (replay) => {
      const { isNondeterministic, problem, workflowId, workflowType } = replay;
      // Any other error is one that the test has seen, or has caused.
      if (!isNondeterministic) return;
      problems.push(
        `Workflow "${workflowId}" (${workflowType}) is not deterministic: in a ` +
          `replay ${problem}`,
      );
    });
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  async *#list({ client, options }: Worker): AsyncGenerator<Recorded> {
    const runs = this.#started.get(options.taskQueue) ??
      new Map<string, string>();
    // A Map iterates over what is added to it in the meantime, too.
    for (const [runId, workflowId] of runs) {
      const { workflow } = client!;
      const history = await workflow.getHandle(workflowId, runId)
        .fetchHistory();
      for (const event of history.events ?? []) {
        const child = event.childWorkflowExecutionStartedEventAttributes
          ?.workflowExecution;
        if (child) runs.set(child.runId!, child.workflowId!);
        const nextRunId = event.workflowExecutionContinuedAsNewEventAttributes
          ?.newExecutionRunId;
        if (nextRunId) runs.set(nextRunId, workflowId);
      }
      yield { workflowId, load: async () => history };
    }
  }
}
