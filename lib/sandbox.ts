/**
 * What Deno lacks as the home of a Workflow sandbox, mended from inside. It is the
 * first code of the bundle, so it comes before the SDK, the Workflows and the
 * moment when the SDK freezes the sandbox's globals.
 *
 * Each part names the gap, a way to see it, and when it can go; for each,
 * `tests/sandbox/sandbox_test.ts` fails once Deno no longer has the gap.
 *
 * @module
 */

/** What there is of the globals that TypeScript knows nothing of, or not so. */
const sandbox = globalThis as {
  queueMicrotask?: unknown;
  __TEMPORAL_ACTIVATOR__?: {
    promiseStackStore: {
      childToParent: Map<unknown, Set<unknown>>;
      promiseToStack: Map<unknown, Place>;
    };
  };
};

/** A place where a Workflow waits, as the SDK's stack trace queries tell it. */
interface Place {
  formatted: string;
  structured: object[];
}

// 1. Globals
//
// Deno gives a `node:vm` context `Temporal`, whose `Now` reads the real clock, and
// `queueMicrotask`, as of V8 15; Node.js 20 gives neither. See it: `node:vm`'s
// `runInNewContext("Temporal.Now.instant()")`. Of what else is new there, all is
// deterministic: iterator and set methods, `DisposableStack`, `Float16Array`,
// `Intl.DurationFormat`, base64, `Atomics.pause` and the like. The first part can
// go when the SDK overrides `Temporal.Now` as it does `Date`.

if ("Temporal" in globalThis) {
  const now = (zone: string = "UTC") =>
    Temporal.Instant.fromEpochMilliseconds(Date.now()).toZonedDateTimeISO(zone);
  Object.assign(Temporal.Now, {
    instant: () => now().toInstant(),
    plainDateISO: (zone?: string) => now(zone).toPlainDate(),
    plainDateTimeISO: (zone?: string) => now(zone).toPlainDateTime(),
    plainTimeISO: (zone?: string) => now(zone).toPlainTime(),
    timeZoneId: () => "UTC",
    zonedDateTimeISO: now,
  });
}
delete sandbox.queueMicrotask;

// 2. Stack traces
//
// For an error of a `node:vm` context, Node.js asks the main context's
// `Error.prepareStackTrace`, where the SDK applies the source map; Deno asks the
// context's own, which there is none of. See it: the stack of a failed Workflow
// names `workflow-bundle-….js`. It can go when Deno asks as Node.js does.

const outside = URL.constructor("return Error")() as ErrorConstructor;
Error.prepareStackTrace = (_, sites) => sites[0].getFileName();
const bundle: unknown = new Error().stack;
Error.prepareStackTrace = (error, sites) => {
  const inside = [bundle, null, undefined];
  const own = sites.filter((site) => inside.includes(site.getFileName()));
  return outside.prepareStackTrace!(error, own);
};
// Of the 10 frames that V8 would give, the SDK's and the runtime's take most:
// functions that await another's result would fall off the end.
Error.stackTraceLimit = 50;

// 3. Where a Workflow waits
//
// The SDK learns it by `promiseHooks` of `node:v8`, which on Deno never fire for
// promises of a `node:vm` context. See it: the query `__stack_trace` of a Workflow
// that waits is empty. It can go when they fire. What is seen here is less: not
// the promises of async functions and `then`, but those made by `new Promise`,
// such as the SDK's for Activities, timers and conditions. With child Workflows
// the SDK keeps them secret.

const NativePromise = Promise;

type Executor = ConstructorParameters<typeof Promise<unknown>>[0];

/** Notes where a promise was made, for as long as it is pending. */
function TrackedPromise(executor: Executor): Promise<unknown> {
  const target = new.target === (TrackedPromise as unknown)
    ? NativePromise
    : new.target!;
  const store = sandbox.__TEMPORAL_ACTIVATOR__?.promiseStackStore;
  if (!store || typeof executor !== "function") {
    return Reflect.construct(NativePromise, [executor], target);
  }
  let promise: Promise<unknown> | undefined = undefined;
  let pending = true;
  const settles = (settle: (value?: unknown) => void) => (value?: unknown) => {
    pending = false;
    store.childToParent.delete(promise);
    store.promiseToStack.delete(promise);
    settle(value);
  };
  promise = Reflect.construct(NativePromise, [
    (resolve: () => void, reject: () => void) => {
      try {
        executor(settles(resolve), settles(reject));
      } catch (error) {
        settles(reject)(error);
      }
    },
  ], target) as Promise<unknown>;
  if (pending) {
    store.childToParent.set(promise, new Set());
    store.promiseToStack.set(promise, describePlace());
  }
  return promise;
}

/** Its text is made when it is asked for, which is seldom. */
function describePlace(): Place {
  const trace = { stack: "" };
  Error.captureStackTrace(trace, TrackedPromise);
  const frame =
    /^ +at (?:(.+) \()?(?!.*[\\/]@temporalio[\\/])(.+):(\d+):(\d+)\)?$/gm;
  const frames = () => [...trace.stack.matchAll(frame)];
  return {
    get formatted() {
      return frames().map(([line]) => line).join("\n");
    },
    get structured() {
      return frames().map(([_, function_name, file_path, line, column]) => ({
        function_name,
        file_path,
        line: Number(line),
        column: Number(column),
        internal_code: false,
      }));
    },
  };
}

// Nobody but `new` is to notice: promises stay the native ones, and what makes one
// of others takes none of the steps that a foreign class would cost.
TrackedPromise.prototype = NativePromise.prototype;
Object.setPrototypeOf(TrackedPromise, NativePromise);
for (const name of Object.getOwnPropertyNames(NativePromise)) {
  const native: unknown = Reflect.get(NativePromise, name);
  if (typeof native !== "function" || name === "withResolvers") continue;
  Reflect.set(
    TrackedPromise,
    name,
    function (this: unknown, ...args: unknown[]) {
      const self = this === TrackedPromise ? NativePromise : this;
      return Reflect.apply(native, self, args);
    },
  );
}
globalThis.Promise = TrackedPromise as unknown as PromiseConstructor;
