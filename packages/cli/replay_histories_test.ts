import { assertEquals } from "@std/assert";
import { explain } from "./replay_histories.ts";

/** Returns a failure as the SDK's core prints it. */
function printed(message: string): string {
  return "Replay failed. Details: Workflow activation completion failed: " +
    `Failure { failure: Some(Failure { message: "${message}", source: "" }) }`;
}

/** Returns what core says of a nondeterministic change. */
function nondeterminism(message: string): string {
  return printed(`[TMPRL1100] Nondeterminism error: ${message}`);
}

const history = {
  events: [
    { eventId: 1 },
    {
      eventId: 2,
      activityTaskScheduledEventAttributes: { activityType: { name: "ship" } },
    },
    {
      eventId: 3,
      activityTaskScheduledEventAttributes: { activityType: { name: "pay" } },
    },
    {
      eventId: 4,
      activityTaskScheduledEventAttributes: { activityType: { name: "pay" } },
    },
  ],
} as never;

Deno.test("explain() names the event, what the code does and what is recorded", () => {
  const event = "HistoryEvent(id: 2, ActivityTaskScheduled)";
  const recorded = 'but the Event History has ActivityTaskScheduled "ship"';
  for (
    const [message, action] of [
      [`Timer machine does not handle this event: ${event}`, "starts a Timer"],
      [
        `Complete workflow machine does not handle this event: ${event}`,
        "completes the Workflow",
      ],
      [
        `New machine does not handle this event: ${event}`,
        "does something else (New)",
      ],
      [`No command scheduled for event ${event}`, "does nothing"],
    ]
  ) {
    assertEquals(
      explain(nondeterminism(message), history),
      `at event 2, the code ${action}, ${recorded}`,
    );
  }
});

Deno.test("explain() names both types of an Activity, and the event if it is the only one", () => {
  const change = (recorded: string) =>
    nondeterminism(
      `Activity type of scheduled event '${recorded}' does not match activity type of activity command 'send'`,
    );
  const action =
    'the code schedules an Activity with the type "send", but the ' +
    "Event History has";
  assertEquals(
    explain(change("ship"), history),
    `at event 2, ${action} "ship"`,
  );
  assertEquals(explain(change("pay"), history), `${action} "pay"`);
});

Deno.test("explain() names a Workflow that the code does not have", () => {
  const message = "Failed to initialize workflow of type 'Gone': no such " +
    "function is exported by the workflow bundle";
  assertEquals(explain(printed(message)), 'the code has no Workflow "Gone"');
});

Deno.test("explain() names the encoding for which there is no codec", () => {
  assertEquals(
    explain(printed("Unknown encoding: binary/encrypted")),
    "there is no codec for its payloads (binary/encrypted)",
  );
});

Deno.test("explain() returns the first line of any other message", () => {
  assertEquals(explain(printed('no \\"x\\"\\u{1b}\\nsecond')), 'no "x"\x1b');
  assertEquals(explain(nondeterminism("something new")), "something new");
  assertEquals(explain("anything"), "anything");
  assertEquals(explain("It is undefined.\nsecond"), "It is undefined");
  assertEquals(explain("x".repeat(1000)).length, 300);
});
