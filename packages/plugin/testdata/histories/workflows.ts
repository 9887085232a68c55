/**
 * Workflows whose Event Histories show what Workflow code decided. They run on
 * Node.js without the plugin and on Deno with it; see `histories.mjs`.
 *
 * @module
 */

import {
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  createNexusServiceClient,
  defineSignal,
  defineUpdate,
  deprecatePatch,
  executeChild,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
  uuid4,
  workflowInfo,
} from "@temporalio/workflow";

const { echo, refuse } = proxyActivities<Activities>({
  startToCloseTimeout: "1 minute",
  retry: { maximumAttempts: 1 },
});
const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: "1 minute",
  retry: { maximumAttempts: 1 },
});
const seen = proxyActivities<Record<string, () => Promise<void>>>({
  startToCloseTimeout: "1 minute",
  taskQueue: "nobody polls it",
});

interface Activities {
  echo(value: string): Promise<string>;
  refuse(): Promise<never>;
}

/**
 * Puts a value into the Event History where a replay compares it: into the name of
 * an Activity. Arguments and results are not compared.
 */
function see(value: unknown) {
  seen[`saw ${value}`]().catch(() => {});
}

/** Puts the message of a failure and of its causes into the Event History. */
async function seeFailure(promise: Promise<unknown>) {
  try {
    await promise;
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      see(`${cause.name}: ${cause.message}`);
    }
  }
}

/** Sees random numbers and times. */
export async function values() {
  for (const duration of [1, 20]) {
    see(uuid4());
    see(Math.random());
    see(Date.now());
    see(new Date().toISOString());
    await sleep(duration);
  }
  const date = new Date(0);
  for (const locale of [undefined, "sv", ["de", "sv"], [], "tlh", ["tlh"]]) {
    see([
      new Intl.NumberFormat(locale).format(1234.5),
      Intl.Collator(locale).compare("z", "ä"),
      date.toLocaleString(locale, { timeZone: "Asia/Tokyo" }),
      (1234.5).toLocaleString(locale),
      [1234.5].toLocaleString(),
      (1234n).toLocaleString(locale),
      "z".localeCompare("ä", locale),
      "I".toLocaleLowerCase(locale),
      new Intl.ListFormat(locale).format(["a", "b"]),
      new Intl.RelativeTimeFormat(locale).format(2, "day"),
    ].join("; "));
  }
}

/** Settles promises in many ways; each takes another number of microtasks. */
export async function order() {
  const after = async (count: number) => {
    for (; count > 0; count--) await null;
  };
  const thenable = { then: (resolve: () => void) => resolve() };
  class Own extends Promise<void> {}
  async function* generate() {
    yield after(1);
  }
  const ways: Record<string, () => PromiseLike<unknown>> = {
    all: () => Promise.all([after(1), Promise.resolve(), null]),
    allOfNothing: () => Promise.all([]),
    allOfThenables: () => Promise.all([thenable, new Own((f) => f())]),
    allSettled: () => Promise.allSettled([after(1), Promise.reject()]),
    any: () => Promise.any([Promise.reject(), after(1)]),
    async: async () => {},
    asyncReturn: async () => Promise.resolve(),
    finally: () => Promise.resolve().finally(() => after(1)),
    generator: async () => {
      for await (const _ of generate());
    },
    catch: () => Promise.reject().catch(() => {}),
    iterator: async () => {
      for await (const _ of [after(1), null]);
    },
    new: () => new Promise<void>((resolve) => resolve()),
    newOfPromise: () => new Promise((resolve) => resolve(Promise.resolve())),
    newOfThenable: () => new Promise((resolve) => resolve(thenable as never)),
    own: () => new Own((resolve) => resolve()),
    ownAll: () => Own.all([after(1)]),
    race: () => Promise.race([after(2), after(1)]),
    resolve: () => Promise.resolve(),
    resolveThenable: () => Promise.resolve(thenable),
    then: () => Promise.resolve().then(() => after(1)),
    throws: () =>
      new Promise(() => {
        throw new Error("caught");
      }).catch(() => {}),
  };
  const done = Object.entries(ways).map(async ([name, way]) => {
    await way();
    see(name);
  });
  for (let tick = 1; tick < 10; tick++) {
    await null;
    see(tick);
  }
  await Promise.all(done);
}

/** Uses syntax that the SDK has compiled, interleaved with microtasks. */
export async function syntax() {
  class Counter {
    static step: number;
    static {
      this.step = 2;
    }
    #count = 0;
    async *count(limit: number) {
      while (this.#count < limit) yield this.#count += Counter.step;
      return { ...{ count: this.#count }, limit };
    }
    async *twice(limit: number) {
      see((await (yield* this.count(limit))).count);
      yield* [Promise.resolve(9)];
    }
  }
  const counter = new Counter();
  const nothing: { to?: { see: number } } = {};
  const generators = async () => {
    for await (const count of counter.twice(6)) see(`generator ${count}`);
  };
  const promises = async () => {
    const later = async (name: string, ticks: number) => {
      for (; ticks > 0; ticks--) await null;
      return { ...{ name: "hidden" }, name };
    };
    for await (const { name } of [later("a", 3), later("b", 1)]) {
      see(`promise ${name} ${nothing?.to?.see ?? "nothing"}`);
    }
  };
  const abandoned = async () => {
    for await (const count of new Counter().count(6)) {
      see(`abandoned ${count}`);
      if (count > 2) break;
    }
  };
  const done = [generators(), promises(), abandoned()];
  for (let tick = 1; tick < 30; tick++) {
    await null;
    see(tick);
  }
  await Promise.all(done);
}

/** Runs Activities, local Activities and timers, and changes what can be searched. */
export async function operations() {
  const [first, second] = await Promise.all([echo("a"), local.echo("b")]);
  see(first + second);
  await seeFailure(refuse());
  await seeFailure(local.refuse());
  const quickest = await Promise.race([
    sleep("1 day").then(() => "day"),
    sleep(1).then(() => "millisecond"),
  ]);
  see(quickest);
  upsertSearchAttributes({ CustomKeywordField: ["keyword"] });
  upsertMemo({ memo: "memo" });
  see(JSON.stringify([workflowInfo().searchAttributes, workflowInfo().memo]));
}

/** Completes, fails, or waits for a Signal. */
export async function child(what: "completes" | "fails" | "waits") {
  let isSignaled = false;
  setHandler(signal, () => {
    isSignaled = true;
  });
  if (what === "fails") throw ApplicationFailure.nonRetryable("child");
  if (what === "waits") await condition(() => isSignaled);
  return what;
}

/** Starts, signals and cancels children. */
export async function parent() {
  see(await executeChild(child, { args: ["completes"] }));
  const waiting = await startChild(child, { args: ["waits"] });
  await waiting.signal(signal);
  see(await waiting.result());
  await seeFailure(executeChild(child, { args: ["fails"] }));
  const scope = new CancellationScope();
  const cancelled = scope.run(() => executeChild(child, { args: ["waits"] }));
  await sleep(1);
  scope.cancel();
  await seeFailure(cancelled);
}

export const signal = defineSignal("signal");
export const update = defineUpdate<string, [string]>("update");

/** Receives two Signals and an Update, and refuses another one. */
export async function messages() {
  let signals = 0;
  const updates: string[] = [];
  setHandler(signal, () => see(`signal ${++signals}`));
  setHandler(update, async (value) => {
    updates.push(await echo(value));
    return value;
  }, {
    validator: (value) => {
      if (value === "refused") throw new Error("refused");
    },
  });
  see(await condition(() => false, 1));
  await condition(() => signals === 2 && updates.length === 1);
  see(updates);
}

/** Has a patch that is new and one that is old. */
export async function patches() {
  if (patched("new")) see("new");
  deprecatePatch("old");
  await sleep(1);
  if (patched("new")) see("still new");
  see("end");
}

/** Continues as new once. */
export async function continues(round: number) {
  see(`round ${round} ${uuid4()}`);
  await sleep(1);
  if (round === 1) await continueAsNew<typeof continues>(2);
}

/** Cancels what it started, and is cancelled. */
export async function scopes() {
  await seeFailure(
    CancellationScope.withTimeout(1, () => sleep("1 day")),
  );
  const scope = new CancellationScope();
  const inner = scope.run(() =>
    Promise.all([
      sleep("2 days"),
      CancellationScope.nonCancellable(() => sleep(5)),
    ])
  );
  await sleep(1);
  scope.cancel();
  await seeFailure(inner);
  try {
    await sleep("3 days");
  } catch (error) {
    see(`cancelled: ${isCancellation(error)}`);
    await CancellationScope.nonCancellable(() => echo("cleanup"));
    throw error;
  }
}

/** Fails with a stack trace and a cause. */
export async function fails() {
  await sleep(1);
  try {
    JSON.parse("{");
  } catch (error) {
    see((error as Error).name);
    throw ApplicationFailure.create({
      message: "fails",
      nonRetryable: true,
      cause: error as Error,
    });
  }
}

export const nexusService = {
  name: "service",
  operations: { echo: { name: "echo" }, refuse: { name: "refuse" } },
};

/** Calls Nexus operations. */
export async function callsNexus(endpoint: string) {
  const client = createNexusServiceClient<
    // deno-lint-ignore no-explicit-any
    any
  >({ endpoint, service: nexusService });
  see(await client.executeOperation("echo", "a"));
  await seeFailure(client.executeOperation("refuse", "a"));
}
