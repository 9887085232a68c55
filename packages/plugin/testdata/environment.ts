/** The test environment of the plugin's own tests. */

import {
  TestWorkflowEnvironment,
  type TimeSkippingTestWorkflowEnvironmentOptions,
} from "@temporalio/testing";
import type { RuntimeOptions } from "@temporalio/worker";

/** Options of the runtime that keep the warnings of the SDK's core out of the tests. */
export const telemetryOptions: RuntimeOptions["telemetryOptions"] = {
  logging: { filter: { core: "ERROR", other: "ERROR" } },
};

/**
 * Creates a time-skipping environment. It tries three times: the SDK gives the
 * server 5 seconds to start, which may be too few on a busy machine.
 */
export async function createEnvironment(
  options: Omit<TimeSkippingTestWorkflowEnvironmentOptions, "server"> = {},
  attempts = 3,
): Promise<TestWorkflowEnvironment> {
  const path = Deno.env.get("TEMPORAL_TEST_SERVER")!;
  const server = { executable: { type: "existing-path", path } } as const;
  try {
    return await TestWorkflowEnvironment.createTimeSkipping({
      ...options,
      server,
    });
  } catch (error) {
    const isLate = (error as Error).message.includes("did not start within");
    if (!isLate || attempts === 1) throw error;
    return await createEnvironment(options, attempts - 1);
  }
}
