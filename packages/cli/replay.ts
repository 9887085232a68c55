/**
 * Replays Event Histories against the project's Workflow code, before it is
 * deployed (the task `replay`).
 *
 * @module
 */

import { Client } from "@temporalio/client";
import {
  type History,
  historyFromJSON,
  historyToJSON,
} from "@temporalio/common/lib/proto-utils.js";
import proto from "@temporalio/proto";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { bundleWorkflowCode, DenoPlugin } from "@temporal-on-deno/plugin";
import { join, resolve } from "node:path";
import { readNumber } from "./arguments.ts";
import { CONNECT_TIMEOUT_MS, connectError } from "./connect.ts";
import { escapeControls, UserError } from "./errors.ts";
import {
  abortable,
  deadline,
  interruption,
  overwriteLine,
  runProgram,
} from "./program.ts";
import {
  listRecorded,
  type Recorded,
  type Replay,
  replayAll,
} from "./replay_histories.ts";
import { loadSettings, type Settings, settingsOptions } from "./settings.ts";

/** Lines that are printed of each Workflow Type: the others are alike. */
const MAX_LINES = 10;

/** How often progress is printed where it cannot replace itself. */
const PROGRESS_MS = 5_000;

const options = {
  "PATH…": "Files of Event Histories, or folders (default: a server's)",
  "--workflows PATH": "Module of the Workflows (default: workflows.ts)",
  "--bundle PATH": "Bundle of the Workflows, made in advance",
  "--query QUERY": "List Filter of the server's (default: all)",
  "--limit N": "How many of the server's, the newest first (default: 1000)",
  "--per-type N": "How many of these of each Workflow Type (default: all)",
  "--save FOLDER": "Save each in this folder, as JSON",
  "--json": "Print each result as a line of JSON",
  ...settingsOptions("all"),
};

await runProgram("deno task replay [PATH…]", options, async (args) => {
  const signal = interruption();
  const { "PATH…": paths, bundle, json, save } = args;
  Runtime.install({
    logger: new DefaultLogger("ERROR", () => {}),
    telemetryOptions: { logging: { filter: "OFF", forward: {} } },
  });
  const histories = paths ? readFiles(paths) : listRecorded(
    await abortable(
      loadSettings({ "task-queue": "", ...args }).then(connect),
      signal,
    ),
    {
      query: [
        args.query && `(${args.query})`,
        args["task-queue"] &&
        `TaskQueue = ${JSON.stringify(args["task-queue"])}`,
      ].filter(Boolean).join(" AND "),
      limit: readNumber("--limit", args.limit ?? "1000"),
      perType: readNumber("--per-type", args["per-type"] ?? "Infinity"),
    },
  );
  const workflowsPath = resolve(args.workflows ?? "workflows.ts");
  const workflowBundle = bundle
    ? { code: await Deno.readTextFile(bundle).catch(refuse) }
    : await abortable(bundleWorkflowCode({ workflowsPath }), signal);
  const { clear, end, report } = createReport(paths !== undefined, json);
  const replaying = replayAll(
    { workflowBundle, plugins: [new DenoPlugin()] },
    save ? saveEach(histories, save) : histories,
    report,
  );
  await abortable(replaying, signal).finally(clear);
  end();
});

function refuse({ message }: Error): never {
  throw new UserError(`Cannot read the bundle: ${message}`);
}

async function connect(
  { connectionOptions, namespace }: Settings,
): Promise<Client> {
  try {
    const connecting = NativeConnection.connect(connectionOptions);
    const connection = await deadline(connecting, CONNECT_TIMEOUT_MS);
    return new Client({ connection, namespace });
  } catch (error) {
    throw connectError(error, connectionOptions.address);
  }
}

async function* readFiles(paths: string[]): AsyncGenerator<Recorded> {
  for (const path of paths) {
    const isFolder = (await Deno.stat(path).catch(() => null))?.isDirectory;
    if (!isFolder) yield { file: path, load: () => readHistory(path) };
    else {
      const entries = await Array.fromAsync(Deno.readDir(path))
        .catch(({ message }) => {
          throw new UserError(`Cannot read "${path}": ${message}`);
        });
      for (const { name } of entries) {
        const file = join(path, name);
        if (!/\.(?:json|bin|binpb|pb)$/i.test(name)) continue;
        yield { file, load: () => readHistory(file) };
      }
    }
  }
}

/** Reads JSON, as the `temporal` CLI and the Web UI export it, or protobuf. */
async function readHistory(file: string): Promise<History> {
  if (/\.json$/i.test(file)) {
    const value = JSON.parse(await Deno.readTextFile(file));
    try {
      return historyFromJSON(value);
    } catch (error) {
      // What the SDK expects of a value fails as an error of its own code.
      if (!(error instanceof TypeError) || !value) throw error;
      throw new Error(`it is not an Event History (${error.message})`);
    }
  }
  return proto.temporal.api.history.v1.History.decode(
    await Deno.readFile(file),
  );
}

/** Saves each Event History when it is loaded. */
async function* saveEach(
  histories: AsyncIterable<Recorded>,
  folder: string,
): AsyncGenerator<Recorded> {
  await Deno.mkdir(folder, { recursive: true }).catch(({ message }) => {
    throw new UserError(
      `Cannot save Event Histories in "${folder}": ${message}`,
    );
  });
  for await (const recorded of histories) {
    const load = async () => {
      const history = await recorded.load();
      if (!history) return;
      const start = history.events?.[0]
        ?.workflowExecutionStartedEventAttributes;
      const ids = [
        recorded.workflowId ?? start?.workflowId,
        start?.originalExecutionRunId,
      ];
      const file = ids.map((id) =>
        encodeURIComponent(id ?? "").replaceAll("*", "%2A").slice(0, 100)
      ).join(".") + ".json";
      // Identities, and sticky Task Queues, contain names of machines.
      const text = historyToJSON(history)
        .replaceAll(
          /("(?:identity": "[^"@]*|name": "\d+)@)[^"]+/g,
          "$1localhost",
        );
      await Deno.writeTextFile(join(folder, file), `${text}\n`);
      return history;
    };
    yield { ...recorded, load };
  }
}

/** Returns what prints problems on stdout, and progress on stderr. */
function createReport(areFiles: boolean, json?: boolean) {
  const isTerminal = Deno.stderr.isTerminal();
  const counts: Record<string, number> = Object.create(null);
  let [done, failed, unread, printed] = [0, 0, 0, Date.now()];
  const clear = () => {
    if (isTerminal) overwriteLine("");
  };
  const print = (line: string) => {
    clear();
    console.log(escapeControls(line));
  };
  return {
    clear,
    report(replay: Replay) {
      const { file, problem, workflowId, workflowType = "other files" } =
        replay;
      done++;
      if (problem) failed++;
      if (!replay.workflowType) unread++;
      if (json) print(JSON.stringify(replay));
      else if (problem) {
        counts[workflowType] = (counts[workflowType] ?? 0) + 1;
        const name = file ? `"${file}"` : `Workflow "${workflowId}"`;
        const type = replay.workflowType ? ` (${workflowType})` : "";
        if (counts[workflowType] <= MAX_LINES) {
          print(`${name}${type} does not replay: ${problem}`);
        }
      }
      if (Date.now() - printed < (isTerminal ? 100 : PROGRESS_MS)) return;
      printed = Date.now();
      const text = `Replayed ${count(done)}; ${failed} incompatible`;
      if (isTerminal) overwriteLine(text);
      else console.error(text);
    },
    end() {
      for (const [type, count] of Object.entries(counts)) {
        if (count > MAX_LINES) print(`… ${count - MAX_LINES} more of ${type}`);
      }
      if (!done && areFiles) {
        throw new UserError(
          "Cannot replay: these paths hold no Event Histories",
        );
      }
      const result = `Cannot replay ${failed} of ${count(done)}`;
      if (failed > unread) {
        throw new UserError(
          `${result}: before you deploy this code, keep what it did for them, ` +
            'with "patched"',
        );
      }
      if (failed) {
        throw new UserError(
          `${result}: pass files as the Web UI, or "deno task temporal ` +
            'workflow show --output json", writes them',
        );
      }
      console.error(`Replayed ${count(done)}; all compatible with the code`);
    },
  };
}

function count(histories: number): string {
  return `${histories} Event ${histories === 1 ? "History" : "Histories"}`;
}
