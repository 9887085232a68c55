/** Errors as messages. */

import {
  ApplicationFailure,
  CancelledFailure,
  ServiceError,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowFailedError,
} from "@temporalio/client";
import { assertEquals } from "@std/assert";
import { escapeControls } from "./errors.ts";
import { formatError } from "./format_error.ts";

Deno.test.sanitizer({ ops: true, resources: true });

Deno.test("formatError() describes how a Workflow ended", () => {
  const failed = (cause: Error) =>
    formatError(
      new WorkflowFailedError("Workflow failed", cause, "MAXIMUM" as never),
    );
  const inner = ApplicationFailure.nonRetryable("no words left");
  assertEquals(failed(inner), "Workflow failed: no words left");
  const outer = ApplicationFailure.create({ message: "outer", cause: inner });
  assertEquals(failed(outer), "Workflow failed: no words left");
  const terminated = new TerminatedFailure("enough");
  assertEquals(failed(terminated), "Workflow was terminated: enough");
  const canceled = new CancelledFailure("stop");
  assertEquals(failed(canceled), "Workflow was canceled: stop");
  const late = new TimeoutFailure("late", undefined, "START_TO_CLOSE");
  assertEquals(failed(late), "Workflow timed out: late");
});

Deno.test("formatError() says that a Workflow is running only if it was started", () => {
  const cause = Object.assign(new Error("14 UNAVAILABLE"), { code: 14 });
  const lost = "Lost connection to the Temporal Service: the Workflow ";
  assertEquals(
    formatError(new ServiceError("Failed to start Workflow", { cause })),
    `${lost}may be running; run the same command again`,
  );
  assertEquals(
    formatError(new ServiceError("Failed to get Workflow result", { cause })),
    `${lost}is still running; run the same command to wait for it again`,
  );
});

Deno.test("formatError() returns undefined for a bug", () => {
  for (const bug of [new TypeError("x"), "x", undefined, null]) {
    assertEquals(formatError(bug), undefined);
  }
});

Deno.test("escapeControls() escapes what moves a terminal's cursor, and no more", () => {
  assertEquals(
    escapeControls("\x1b]52;c;x\x07 \x9b \r \u202e \x7f"),
    "\\u001b]52;c;x\\u0007 \\u009b \\r \\u202e \\u007f",
  );
  for (const text of ["Hello, 世界 👋!", 'é ß \\ "', ""]) {
    assertEquals(escapeControls(text), text);
  }
  assertEquals(escapeControls("a\nb\tc", /\n/), "a\nb\\tc");
});
