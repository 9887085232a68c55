/** What the lint plugin reports, and what it leaves alone. */

import { assertEquals } from "@std/assert";
import { runInNewContext } from "node:vm";
import plugin from "./mod.ts";
import { hostApis } from "./workflow_code.ts";

/** Imports of Workflow code, and what most cases use. */
const prelude = `
import * as wf from "@temporalio/workflow";
import {
  ApplicationFailure, condition, continueAsNew, defineQuery, defineSignal, defineUpdate,
  executeChild, getExternalWorkflowHandle, proxyActivities, proxyLocalActivities,
  setHandler, sleep, startChild,
} from "@temporalio/workflow";
import type * as activities from "./activities.ts";
const { greet } = proxyActivities<typeof activities>({ startToCloseTimeout: "5s" });
const local = proxyLocalActivities({ scheduleToCloseTimeout: "5s" });
const query = defineQuery<number>("query");
const signal = defineSignal("signal");
export const update = wf.defineUpdate("update");
`;

/** Returns the code that a rule reports. */
function lint(code: string, filename = "workflows.ts"): string[] {
  return Deno.lint.runPlugin(plugin, filename, code)
    .map(({ id, range }) =>
      `${id.replace("temporal/", "")}: ${code.slice(...range)}`
    );
}

/** Returns code after the fixes. */
function fix(code: string): string {
  const source = prelude + code;
  const fixes = Deno.lint.runPlugin(plugin, "workflows.ts", source)
    .flatMap(({ fix }) => fix ?? []).toReversed();
  return fixes.reduce(
    (text, { range: [start, end], text: by = "" }) =>
      text.slice(0, start) + by + text.slice(end),
    source,
  ).slice(prelude.length);
}

/** Code by the rule that looks at it, and what the rule reports of each line. */
const cases: Record<string, [code: string, reported?: string][]> = {
  "no-host-api": [
    ["fetch('https://example.com');", "fetch"],
    ["Deno.env.get('HOME');", "Deno"],
    ["process.env.HOME;", "process"],
    ["const id = crypto.randomUUID();", "crypto"],
    ["setInterval(() => {}, 1000);", "setInterval"],
    ["const copy = { structuredClone };", "structuredClone"],
    ["new Response(`${Buffer.from('a')}`);", "Response, Buffer"],
    ["try { f(); } catch { fetch('a'); } function f() {}", "fetch"],
    ["Date.now(); new Date(); Math.random(); setTimeout(() => {}, 1);"],
    ["new URL('a:b'); new TextEncoder(); new AbortController(); console.log(1);"],
    ["import { fetch } from './own.ts'; fetch('a');"],
    ["function f(fetch: () => void) { fetch(); }"],
    ["const { process, a: [crypto] } = { process: 1, a: [1] }; process + crypto;"],
    ["function f({ Deno = 1, ...fetch }) { return [Deno, fetch]; }"],
    ["{ function fetch() {} fetch(); }"],
    ["if (1) { var fetch = 1; } fetch;"],
    ["class Request { crypto = 1; fetch() { return this.crypto; } } new Request().fetch();"],
    ["export { fetch } from './own.ts'; export { a as process }; const a = 1;"],
    ["let a: Response; type B = typeof fetch; function f(x: Request): x is Request {}"],
    ["interface Event { fetch: Blob } enum E { fetch } const e = x as Event;"],
    ["if (typeof fetch === 'function') fetch('a');"],
    ["globalThis.crypto ??= own; crypto.a;"],
    ["let f: (fetch: () => void) => void; fetch('a');", "fetch"],
    ["fetch: for (;;) break fetch;"],
    ["try { f(); } catch (process) { process; } function f() {}"],
  ],
  "no-host-import": [
    ["import fs from 'node:fs'; fs.a;", "import fs from 'node:fs';"],
    ["import 'node:os';", "import 'node:os';"],
    [
      "import { a } from 'node:assert/strict'; a;",
      "import { a } from 'node:assert/strict';",
    ],
    ["await import('node:path');", "import('node:path')"],
    [
      "import { Client } from '@temporalio/client'; new Client();",
      "import { Client } from '@temporalio/client';",
    ],
    [
      "import { Context } from 'npm:@temporalio/activity@1.24.0'; Context.a;",
      "import { Context } from 'npm:@temporalio/activity@1.24.0';",
    ],
    [
      "export * from '@temporalio/worker/lib/pkg';",
      "export * from '@temporalio/worker/lib/pkg';",
    ],
    [
      "import { say } from './activities.ts'; say();",
      "import { say } from './activities.ts';",
    ],
    [
      "import * as a from '../activities/mod.ts'; a.greet();",
      "import * as a from '../activities/mod.ts';",
    ],
    [
      "export { greet } from './order_activities.ts';",
      "export { greet } from './order_activities.ts';",
    ],
    ["import { Status } from './activities/types.ts'; Status.Done;"],
    ["import { options } from './activity_options.ts'; proxyActivities(options);"],
    [
      "export { say } from './activities.ts';",
      "export { say } from './activities.ts';",
    ],
    ["import assert from 'node:assert'; import util from 'node:util'; assert(util);"],
    ["import type { Client } from '@temporalio/client'; let client: Client;"],
    ["import { type Client } from '@temporalio/client';"],
    ["import { Client } from '@temporalio/client'; let client: Client;"],
    ["import { create } from './activities.ts'; proxyActivities<ReturnType<typeof create>>({ startToCloseTimeout: 1 });"],
    ["export type { Greet } from './activities.ts';"],
    ["import { sum } from './sum.ts'; import x from 'npm:activity-list'; sum(x);"],
    ["import { common } from '@temporalio/common'; common;"],
  ],
  "no-floating-promise": [
    ["async function f() { greet('a'); }", "greet('a')"],
    ["async function f() { local.greet('a'); }", "local.greet('a')"],
    ["async function f() { wf.sleep(1); }", "wf.sleep(1)"],
    [
      "function f() { condition(() => true, '1s'); }",
      "condition(() => true, '1s')",
    ],
    [
      "async function f() { executeChild('a'); startChild('b'); }",
      "executeChild('a'), startChild('b')",
    ],
    [
      "async function f() { const child = await startChild('a'); child.signal(signal); }",
      "child.signal(signal)",
    ],
    [
      "async function f() { getExternalWorkflowHandle('a').signal(signal); }",
      "getExternalWorkflowHandle('a').signal(signal)",
    ],
    ["async function f() { if (1) { continueAsNew(); } }", "continueAsNew()"],
    ["setHandler(signal, () => { greet('a'); });", "greet('a')"],
    [
      "async function f() { while (!condition(() => a, '7 days')) {} }",
      "condition(() => a, '7 days')",
    ],
    ["async function f(a) { if (a && !(greet('a'))) {} }", "greet('a')"],
    [
      "async function f() { if (1 || local.greet('a')) {} }",
      "local.greet('a')",
    ],
    [
      "async function f() { return executeChild('a') ? 1 : 2; }",
      "executeChild('a')",
    ],
    ["async function f() { const a = sleep(1) && f(); }", "sleep(1)"],
    ["async function f() { do {} while (wf.sleep(1)); }", "wf.sleep(1)"],
    ["async function f() { for (; wf.condition(f);) {} }", "wf.condition(f)"],
    ["async function f() { while (!await condition(f)) {} if (await greet('a') || !(await sleep(1))) {} }"],
    ["async function f() { if (!(await Promise.race([condition(f), sleep(1)]))) {} }"],
    ["async function f(a) { const b = a ? greet('a') : sleep(1); a ||= greet('a'); return a || greet('b'); }"],
    ["async function f(a) { if (!a(() => greet('a'))) {} if (await (a ?? sleep(1))) {} }"],
    ["async function f() { await greet('a'); const a = greet('b'); return sleep(1); }"],
    ["async function f() { void greet('a'); await Promise.all([greet('a'), sleep(1)]); }"],
    ["async function f() { sleep(1).then(() => {}); setHandler(signal, () => sleep(1)); }"],
    ["async function f(greet: () => void) { const sleep = greet; greet(); sleep(); }"],
    ["async function f() { ['a'].map(greet); proxyActivities({ startToCloseTimeout: 1 }); }"],
    ["async function f() { getExternalWorkflowHandle('a'); (await startChild('a')).workflowId; }"],
    ["const { log } = wf.proxySinks(); function f() { log.info('a'); wf.log.info('a'); }"],
  ],
  "no-throw-error": [
    ["async function f() { throw new Error('a'); }", "throw new Error('a');"],
    ["async function f() { throw TypeError('a'); }", "throw TypeError('a');"],
    [
      "class Own extends RangeError {} async function f() { throw new Own(); }",
      "throw new Own();",
    ],
    [
      "async function f() { try { wf.uuid4(); } catch { throw new Error('a'); } }",
      "throw new Error('a');",
    ],
    [
      "async function f() { try { throw new Error('a'); } finally { wf.uuid4(); } }",
      "throw new Error('a');",
    ],
    [
      "setHandler(signal, () => { throw new Error('a'); });",
      "throw new Error('a');",
    ],
    [
      "setHandler(update, () => { throw new Error('a'); });",
      "throw new Error('a');",
    ],
    [
      "function check() { throw new Error('a'); } async function f() { check(); }",
      "throw new Error('a');",
    ],
    [
      "export default class { a = () => { throw new Error('a'); }; }",
      "throw new Error('a');",
    ],
    ["async function f() { throw ApplicationFailure.create({}); }"],
    ["async function f() { throw new ApplicationFailure('a'); }"],
    ["class Own extends ApplicationFailure {} async function f() { throw new Own(); }"],
    ["async function f() { try { throw new Error('a'); } catch { wf.uuid4(); } }"],
    ["async function f() { try { ['a'].map(() => { throw new Error('a'); }); } catch { wf.uuid4(); } }"],
    ["async function f() { await wf.CancellationScope.cancellable(async () => { throw new Error('a'); }).catch(f); }"],
    ["async function f() { try { wf.uuid4(); } catch (error) { throw error; } }"],
    ["function check() { throw new Error('a'); } async function f() { try { check(); } catch { wf.uuid4(); } }"],
    ["const check = () => { throw new Error('a'); }; setHandler(query, () => check());"],
    ["setHandler(query, () => { throw new Error('a'); });"],
    ["setHandler(update, () => {}, { validator: () => { throw new Error('a'); } });"],
    ["function check() { throw new Error('a'); } setHandler(update, () => {}, { validator: check });"],
    ["import { imported } from './a.ts'; setHandler(imported, () => { throw new Error('a'); });"],
    ["async function f() { await continueAsNew(); throw new Error('unreachable'); }"],
    ["wf.setWorkflowOptions({ failureExceptionTypes: [Error] }, f); async function f() { throw new Error('a'); }"],
  ],
  "require-timeout": [
    ["proxyActivities({ retry: {} });", "{ retry: {} }"],
    ["wf.proxyLocalActivities({});", "{}"],
    ["proxyActivities();", "proxyActivities()"],
    ["proxyActivities({ startToCloseTimeout: 1 }); proxyActivities({ 'scheduleToCloseTimeout': 1 });"],
    ["const options = {}; proxyActivities(options); proxyActivities({ ...options });"],
  ],
  "set-handlers-first": [
    [
      "async function f() { await sleep(1); setHandler(query, () => 1); }",
      "setHandler(query, () => 1)",
    ],
    [
      "async function f() { await sleep(1); if (1) wf.setHandler(update, () => {}); }",
      "wf.setHandler(update, () => {})",
    ],
    ["async function f() { setHandler(query, () => 1); await sleep(1); }"],
    ["async function f() { if (1) { await sleep(1); return; } setHandler(query, () => 1); }"],
    ["async function f() { if (1) await sleep(1); else setHandler(query, () => 1); }"],
    ["async function f() { const g = async () => { await sleep(1); }; setHandler(query, () => 1); await g(); }"],
    ["async function f() { await sleep(1); setHandler(signal, () => {}); }"],
  ],
  "read-only-handlers": [
    ["setHandler(query, async () => { return 1; });", "async () => "],
    [
      "setHandler(defineQuery('a'), answer); async function answer() {}",
      "async function answer() ",
    ],
    [
      "setHandler(update, () => {}, { validator: async (a) => { await a; } });",
      "async (a) => ",
    ],
    ["setHandler(query, () => { void greet('a'); return 1; });", "greet('a')"],
    [
      "setHandler(update, () => {}, { validator() { void sleep(1); } });",
      "sleep(1)",
    ],
    ["setHandler(query, () => 1); setHandler(signal, async () => { await greet('a'); });"],
    ["setHandler(update, async () => { await sleep(1); }, { validator: () => {} });"],
  ],
  "no-module-state": [
    ["let count = 0; export async function f() { count++; }", "count"],
    ["let a: string; export async function f() { if (1) a = '1'; }", "a"],
    [
      "const seen = new Set(); export async function f(a: string) { seen.add(a); }",
      "seen",
    ],
    [
      "const list: string[] = []; export async function f(a: string) { list.push(a); }",
      "list",
    ],
    [
      "const map = {}; export async function f(a: string) { map[a] = 1; delete map.b; }",
      "map",
    ],
    ["let count = 0; count++; export async function f() { return count; }"],
    ["const names = ['a']; names.push('b'); export async function f() { return names.map(String); }"],
    ["export async function f() { let count = 0; const list = []; list.push(count++); }"],
    ["let count = 0; export async function f(count: number) { count++; }"],
    ["let inbound = 0; export const interceptors = () => ({ inbound: [{ execute() { inbound++; } }] });"],
    ["import { client } from './a.ts'; export async function f() { client.set(1); }"],
  ],
};

for (const [rule, examples] of Object.entries(cases)) {
  Deno.test(`${rule} reports mistakes, and nothing else`, () => {
    for (const [code, reported] of examples) {
      const expected = reported ? `${rule}: ${reported}` : "";
      const [first, ...others] = lint(prelude + code);
      const actual = [
        first,
        ...others.map((text) => text.replace(`${rule}: `, "")),
      ];
      assertEquals(actual.join(", "), expected, code);
    }
  });
}

Deno.test("a fix awaits the promise in an async function", () => {
  assertEquals(
    fix("async function f() { greet('a'); }"),
    "async function f() { await greet('a'); }",
  );
  assertEquals(
    fix("async function f() { while (!condition(f) && (greet('a'))) {} }"),
    "async function f() { while (!await condition(f) && (await greet('a'))) {} }",
  );
  assertEquals(fix("function f() { sleep(1); }"), "function f() { sleep(1); }");
});

Deno.test("a fix makes a handler synchronous that awaits nothing", () => {
  assertEquals(
    fix("setHandler(query, async () => 1);"),
    "setHandler(query, () => 1);",
  );
  const code = "setHandler(query, async () => { await f(); }); function f() {}";
  assertEquals(fix(code), code);
});

const host = "async function f() { fetch('a'); }";

Deno.test("code is Workflow code if it imports @temporalio/workflow by value", () => {
  const imports = [
    'import { sleep } from "@temporalio/workflow"; sleep(1);',
    'import { sleep } from "npm:@temporalio/workflow@1.24.0"; sleep(1);',
    'import { sleep } from "npm:/@temporalio/workflow@^1"; sleep(1);',
    'import * as wf from "npm:@temporalio/workflow"; wf.sleep(1);',
    'import { defineQuery } from "@temporalio/workflow"; defineQuery("a");',
    'import { ApplicationFailure } from "@temporalio/workflow"; ApplicationFailure.a;',
  ];
  for (const code of imports) {
    assertEquals(
      lint(`${code} ${host}`).includes("no-host-api: fetch"),
      true,
      code,
    );
  }
});

Deno.test("other code is left alone", () => {
  const others: [code: string, filename?: string][] = [
    [""],
    ['import type { WorkflowInfo } from "@temporalio/workflow";'],
    ['import { type WorkflowInfo } from "@temporalio/workflow";'],
    ['import { WorkflowInfo } from "@temporalio/workflow"; let info: WorkflowInfo;'],
    ['import { WorkflowStream } from "@temporalio/workflow-streams/workflow"; new WorkflowStream();'],
    // Tests.
    ['import { sleep } from "@temporalio/workflow"; import { A } from "@temporalio/testing"; sleep(A);'],
    ['import { sleep } from "@temporalio/workflow"; sleep(1);', "a_test.ts"],
    [
      'import { sleep } from "@temporalio/workflow"; sleep(1);',
      "src/a.test.ts",
    ],
    // Activities, Clients and Workers that take definitions and errors from there.
    [
      'import { ApplicationFailure } from "@temporalio/workflow"; ApplicationFailure.a;',
      "/a/activities.ts",
    ],
    ['import { ActivityFailure } from "@temporalio/workflow"; import { log } from "@temporalio/activity"; log(ActivityFailure);'],
    ['import { defineSignal } from "@temporalio/workflow"; import { Client } from "@temporalio/client"; new Client(defineSignal("a"));'],
    // A program that is its own Workflow code, too.
    ['import { inWorkflowContext, sleep } from "@temporalio/workflow"; if (!inWorkflowContext()) sleep(1);'],
  ];
  for (const [code, filename] of others) {
    assertEquals(lint(`${code} ${host}`, filename), [], code);
  }
});

Deno.test("hostApis are globals that the sandbox does not have", () => {
  for (const name of hostApis) {
    assertEquals(name in globalThis, true, name);
    // `sandbox.ts` deletes this one.
    if (name === "queueMicrotask") continue;
    assertEquals(runInNewContext(`typeof ${name}`), "undefined", name);
  }
});
