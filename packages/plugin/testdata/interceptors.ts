/** A Workflow interceptor that changes the argument of each Workflow. */

import type { WorkflowInterceptors } from "@temporalio/workflow";

/** Called by the SDK for each Workflow Execution. */
export function interceptors(): WorkflowInterceptors {
  return {
    inbound: [{
      execute(input, next) {
        return next({ ...input, args: input.args.map((arg) => `<${arg}>`) });
      },
    }],
  };
}
