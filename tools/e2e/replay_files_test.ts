/** The task `replay` with files. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { historyFromJSON } from "@temporalio/common/lib/proto-utils.js";
// deno-lint-ignore no-import-prefix -- only packages/cli depends on it
import proto from "npm:@temporalio/proto@^1.24.0";
import { join } from "node:path";
import { bundleWorkflowCode } from "../../packages/plugin/mod.ts";
import {
  activityType,
  output,
  readProjectFile,
  root,
  temporaryFolder,
  workflowType,
} from "./_programs.ts";

const history = await readProjectFile("tests/histories/hello-workflow.json");
const { events } = JSON.parse(history);

const protobuf = proto.temporal.api.history.v1.History
  .encode(historyFromJSON(JSON.parse(history))).finish();

/** Returns the Event History with other events. */
function withEvents(change: (given: typeof events) => typeof events): string {
  const changed = change(structuredClone(events));
  return JSON.stringify({ events: changed });
}

/** Replays files in a folder of their own. */
async function replay(
  files: Record<string, string | Uint8Array>,
  ...args: string[]
) {
  await using folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    await Deno.writeFile(join(folder.path, name), bytes);
  }
  const { code, stdout, stderr } = await output("replay", [
    folder.path,
    ...args,
  ]);
  const lines = stdout.replaceAll(`${folder.path}/`, "").split("\n").toSorted()
    .filter((line) => line);
  // Lines before the last one are progress.
  return { code, lines, last: stderr.trimEnd().split("\n").at(-1)! };
}

Deno.test("replay accepts JSON of the CLI and of the Web UI, protobuf, and what is open", async () => {
  // The Web UI's names of types have another case.
  const webUi = history.replaceAll(
    /"EVENT_TYPE_(\w+)"/g,
    (_, type: string) =>
      `"${
        type.toLowerCase().replaceAll(/(?:^|_)(\w)/g, (_, c) => c.toUpperCase())
      }"`,
  );
  const { code, lines, last } = await replay({
    "cli.json": history,
    "web_ui.json": webUi,
    "proto.binpb": protobuf,
    "not_started.json": withEvents((events) => events.slice(0, 2)),
    "open.json": withEvents((events) => events.slice(0, 5)),
    "README.md": "no Event History",
  });
  assertEquals(lines, []);
  assertEquals(
    last,
    "Replayed 5 Event Histories; all compatible with the code",
  );
  assertEquals(code, 0);
});

Deno.test("replay reports what is incompatible in a line each, and replays the others", async () => {
  const encrypted = btoa("binary/encrypted");
  const { code, lines, last } = await replay({
    "codec.json": history.replaceAll(btoa("json/plain"), encrypted),
    "empty.json": "",
    "events.json": '{"events":[]}',
    "gap.json": withEvents((events) => events.toSpliced(3, 1)),
    "good.json": history,
    "null_event.json": '{"events":[null]}',
    "null.json": "null",
    "open.json": withEvents((events) => events.slice(0, 5))
      .replaceAll(activityType, "say_goodbye"),
    "order.json": withEvents((events) => {
      events[3] = { ...events[4], eventId: "4" };
      return events.slice(0, 4);
    }),
    "truncated.binpb": protobuf.slice(0, -100),
    "truncated.json": history.slice(0, 3_000),
    "unknown.json": withEvents((events) => {
      events[5].eventType = "EVENT_TYPE_OF_LATER";
      return events;
    }),
    "type.json": history.replaceAll(workflowType, "Say\\u001b[31mNothing"),
  });
  assertEquals(lines, [
    `"codec.json" (${workflowType}) does not replay: there is no codec for its payloads (binary/encrypted)`,
    '"empty.json" does not replay: Unexpected end of JSON input',
    '"events.json" does not replay: it does not begin with WorkflowExecutionStarted',
    '"gap.json" does not replay: event 4 is missing',
    '"null.json" does not replay: Invalid history, expected an object with an array of events',
    '"null_event.json" does not replay: it is not an Event History (Cannot convert undefined or null to object)',
    `"open.json" (${workflowType}) does not replay: at event 5, the code schedules an Activity with the type "${activityType}", but the Event History has "say_goodbye"`,
    '"order.json" does not replay: event 4 ends no Workflow Task',
    '"truncated.binpb" does not replay: index out of range',
    '"truncated.json" does not replay: Unexpected end of JSON input',
    '"type.json" (Say\\u001b[31mNothing) does not replay: the code has no Workflow "Say\\u001b[31mNothing"',
    '"unknown.json" does not replay: event 6 is of a type that the SDK does not know',
  ]);
  assertStringIncludes(
    last,
    "Cannot replay 12 of 13 Event Histories: before you deploy this code, ",
  );
  assertEquals(code, 1);
});

Deno.test("replay reads an Event History of 50 MB", async () => {
  const argument = JSON.stringify("x".repeat(37_000_000));
  const { code, last } = await replay({
    "large.json": history.replace(btoa('"Temporal"'), btoa(argument)),
  });
  assertEquals(last, "Replayed 1 Event History; all compatible with the code");
  assertEquals(code, 0);
});

Deno.test("replay prints JSON, and 10 lines of text for each Workflow Type", async () => {
  const other = history.replaceAll(activityType, "say_goodbye");
  const files = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [`${index}.json`, other]),
  );
  const text = await replay(files);
  assertEquals(text.lines.length, 11);
  assertEquals(text.lines.includes(`… 2 more of ${workflowType}`), true);
  const { lines } = await replay({ "0.json": other }, "--json");
  assertEquals(JSON.parse(lines[0]), {
    file: "0.json",
    workflowId: "hello-workflow",
    runId: events[0].workflowExecutionStartedEventAttributes
      .originalExecutionRunId,
    workflowType: workflowType,
    problem:
      `at event 5, the code schedules an Activity with the type "${activityType}"` +
      ', but the Event History has "say_goodbye"',
    isNondeterministic: true,
  });
});

Deno.test("replay uses other Workflow code, or a bundle", async () => {
  const files = { "a.json": history };
  const workflowsPath = join(root, "tools", "shared", "workflows.ts");
  const missing =
    `"a.json" (${workflowType}) does not replay: the code has no Workflow "${workflowType}"`;
  const module = await replay(files, "--workflows", workflowsPath);
  assertEquals(module.lines, [missing]);
  await using folder = await temporaryFolder();
  const path = join(folder.path, "bundle.js");
  const { code } = await bundleWorkflowCode({ workflowsPath });
  await Deno.writeTextFile(path, code);
  const bundle = await replay(files, "--bundle", path);
  assertEquals(bundle.lines, [missing]);
  const none = await replay(files, "--bundle", "none.js");
  assertEquals(none.code, 1);
  assertStringIncludes(none.last, "Cannot read the bundle: ");
});

Deno.test("replay reports in one line that it cannot save", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "file");
  await Deno.writeTextFile(file, "text");
  const { code, last } = await replay({ "a.json": history }, "--save", file);
  assertEquals(code, 1);
  assertStringIncludes(last, `Cannot save Event Histories in "${file}": `);
});

Deno.test("replay says what to pass if it finds or can read no Event History", async () => {
  const none = await replay({});
  assertEquals(
    [none.code, none.last],
    [1, "Cannot replay: these paths hold no Event Histories"],
  );
  const empty = await replay({ "empty.json": "" });
  assertEquals(
    [empty.code, empty.last],
    [
      1,
      "Cannot replay 1 of 1 Event History: pass files as the Web UI, or " +
      '"deno task temporal workflow show --output json", writes them',
    ],
  );
});
