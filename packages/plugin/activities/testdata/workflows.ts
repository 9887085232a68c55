/** Workflows that the tests of the Activity sandbox run. */

import { RawValue } from "@temporalio/common";
import {
  ActivityCancellationType,
  type ActivityOptions,
  CancellationScope,
  executeChild,
  proxyActivities,
  proxyLocalActivities,
  sleep,
} from "@temporalio/workflow";

import type { ActivitiesOf } from "../../mod.ts";
import type * as activities from "./activities.ts";

type AnyActivity = (...args: unknown[]) => Promise<unknown>;

/** Runs one Activity; returns its result, or its failure as the Workflow sees it. */
export async function runActivity(
  name: string,
  args: unknown[],
  options: ActivityOptions & { local?: boolean; cancelAfterMs?: number },
): Promise<unknown> {
  const { local, cancelAfterMs, ...rest } = options;
  const settings = {
    startToCloseTimeout: "1 minute",
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    ...rest,
  } as const;
  const activities = local
    ? proxyLocalActivities<Record<string, AnyActivity>>(settings)
    : proxyActivities<Record<string, AnyActivity>>(settings);
  try {
    const result = await CancellationScope.cancellable(async () => {
      const running = activities[name](...args);
      if (cancelAfterMs) {
        await sleep(cancelAfterMs);
        CancellationScope.current().cancel();
      }
      return await running;
    });
    return { type: Object.prototype.toString.call(result), result };
  } catch (error) {
    return describe(error);
  }
}

/** Runs an Activity with an argument that cannot be converted; returns its failure. */
export async function passInvalidJson(): Promise<unknown> {
  const [encoding, data] = ["json/plain", "{"].map((text) =>
    Uint8Array.from(text, (character) => character.charCodeAt(0))
  );
  const invalid = RawValue.fromPayload({ metadata: { encoding }, data });
  return await runActivity("echo", [invalid], {
    retry: { maximumAttempts: 1 },
  });
}

/** Runs an Activity that is a synchronous function. */
export async function callSynchronous(length: number): Promise<number> {
  const { fill } = proxyActivities<ActivitiesOf<typeof activities>>({
    startToCloseTimeout: "1 minute",
  });
  return (await fill(length)).length;
}

/** Computes in a child Workflow while an Activity beats; returns its outcome. */
export async function computeWhileBeating(steps: number): Promise<unknown> {
  const beating = runActivity("beat", [30], {
    heartbeatTimeout: "1s",
    retry: { maximumAttempts: 1 },
  });
  await sleep(300);
  await executeChild(compute, { args: [steps], workflowTaskTimeout: "30s" });
  return await beating;
}

/** Computes without a pause. */
export async function compute(steps: number): Promise<number> {
  let sum = 0;
  for (let step = 0; step < steps; step++) sum += step % 7;
  return sum;
}

function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause, ...fields } = error as
    & Error
    & Record<string, unknown>;
  for (const key of ["failure", "activityId", "identity"]) delete fields[key];
  return {
    class: error.constructor.name,
    name,
    message,
    fields,
    stack: stack?.split("\n").filter((line) =>
      line.includes("testdata/activities")
    ),
    cause: describe(cause),
  };
}
