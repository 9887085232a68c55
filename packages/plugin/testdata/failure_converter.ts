/** A failure converter that marks what it writes. */

import {
  DefaultFailureConverter,
  type PayloadConverter,
  type ProtoFailure,
} from "@temporalio/common";

class MarkingConverter extends DefaultFailureConverter {
  override errorToFailure(
    error: unknown,
    payloadConverter: PayloadConverter,
  ): ProtoFailure {
    const failure = super.errorToFailure(error, payloadConverter);
    return { ...failure, message: `${failure.message} (marked)` };
  }
}

/** Loaded by the SDK by name, in the Worker and in Workflow code. */
export const failureConverter = new MarkingConverter();
