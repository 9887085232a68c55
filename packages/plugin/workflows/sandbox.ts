/* istanbul ignore file */

/**
 * Makes the sandbox of Workflow code on Deno like that of Node.js, from inside. It is
 * the first code of a bundle: it runs before the SDK, before Workflow code, and before
 * the SDK freezes the sandbox's globals.
 *
 * Each part names a gap, a way to see it, and when the part can be removed. For the
 * gaps of Deno, `sandbox_test.ts` fails once Deno has closed one.
 *
 * @module
 */

/** Globals of the sandbox that TypeScript does not know, or types otherwise. */
const sandbox = globalThis as {
  queueMicrotask?: unknown;
  __TEMPORAL_ACTIVATOR__?: {
    completions?: Record<string, Map<unknown, unknown> | undefined>;
    getStackTraces?: () => unknown;
    promiseStackStore?: {
      childToParent: Map<unknown, Set<unknown>>;
      promiseToStack: Map<unknown, StackTrace>;
    };
  };
};

/** What the SDK's stack trace queries answer for one promise. */
interface StackTrace {
  formatted: string;
  structured: object[];
}

// 1. Globals
//
// With V8 15, a `node:vm` context has `Temporal`, whose `Now` reads the real clock, and
// on Deno `queueMicrotask`. On Node.js 20 it has neither. To see it, run
// `runInNewContext("Temporal.Now.instant()")`. Everything else that V8 15 adds is
// deterministic: iterator and set methods, `DisposableStack`, `Float16Array` and so on.
// Remove `Temporal.Now` once the SDK overrides it as it does `Date`.

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

// The contexts of `thread.ts` have an ordinary global object. Frozen, it would end all
// Workflows of the thread. On Node.js, it cannot be. Remove this with those contexts.

for (const owner of [Object, Reflect]) {
  for (const name of ["freeze", "preventExtensions", "seal"]) {
    const native: unknown = Reflect.get(owner, name);
    if (typeof native !== "function") continue; // Reflect has only one of them
    Reflect.set(owner, name, (target: unknown) => {
      if (target === globalThis) {
        throw new TypeError(
          `Cannot "${name}" globalThis: other Workflows share it`,
        );
      }
      return native(target);
    });
  }
}

// 2. Time zone and locale
//
// The SDK replaces the clock of `Date`, but not its local time zone, and `Intl` reads
// the real clock if it is given no date. The default locale is the machine's, too. To
// see it, run a Workflow that returns `new Date(0).toLocaleString()` under two values
// of `TZ` and `LC_ALL`, on Deno or Node.js. Here, the local time zone is UTC, and the
// default locale is en-US. Remove this once the SDK does the same.

/** A date in UTC: Sun, 01 Nov 2026 10:00:00 GMT */
const utcString = /^(\w+), (\d+) (\w+) (\S+) (\S+) GMT$/;
const timeString = "$5 GMT+0000 (Coordinated Universal Time)";
const date = Date.prototype as Date & Record<string, unknown>;
Object.assign(date, {
  getTimezoneOffset(this: Date) {
    return this.getTime() - this.getTime(); // 0, or NaN for an invalid date
  },
  getYear(this: Date) {
    return this.getUTCFullYear() - 1900;
  },
  setYear(this: Date, year: number) {
    const isShort = Math.trunc(year) >= 0 && Math.trunc(year) <= 99;
    return this.setUTCFullYear(isShort ? 1900 + Math.trunc(year) : year);
  },
  toDateString(this: Date) {
    return this.toUTCString().replace(utcString, "$1 $3 $2 $4");
  },
  toString(this: Date) {
    return this.toUTCString().replace(utcString, `$1 $3 $2 $4 ${timeString}`);
  },
  toTimeString(this: Date) {
    return this.toUTCString().replace(utcString, timeString);
  },
});
for (const name of Object.getOwnPropertyNames(date)) {
  const local = name.replace(/^(get|set)UTC/, "$1");
  if (local !== name) date[local] = date[name];
}

const { parse } = Date;
// V8 takes a time zone as an offset after a time, or as a name after a number. A "-"
// right after a day is none.
const offset = /:(.*\+|.*[^\d:.]-|[\d:.]*-) *\d/;
const zoneName = /\d.*?(?<![a-z])(z|utc?|gmt|[ecmp][sd]t)(?![a-z])/i;
Date.parse = (text) => {
  // The time that these patterns take grows with the square of the length.
  if (`${text}`.length > 1000) return NaN;
  const withoutComments = `${text}`.replace(/\(.*?\)/g, "");
  if ([offset, zoneName].some((zone) => zone.test(withoutComments))) {
    return parse(text);
  }
  // V8 takes only "Z" after a time in ISO 8601, and only "UTC" after other times.
  const inUtc = ["Z", " UTC"].map((zone) => parse(withoutComments + zone));
  return inUtc.find((time) => !isNaN(time)) ?? parse(text);
};
globalThis.Date = date.constructor = new Proxy(Date, {
  construct(target, args, newTarget) {
    const [value] = args;
    const isText = typeof value === "string" || value instanceof String ||
      Array.isArray(value);
    if (args.length > 1) args = [target.UTC(...args as [number, number])];
    else if (isText) args = [target.parse(`${value}`)];
    return Reflect.construct(target, args, newTarget);
  },
});

type Locales = Intl.LocalesArgument | string[];

const isSupported = new Map<Locales, boolean>();

/**
 * Returns locales of which V8 never takes the default one: it does if none is given,
 * or none of them supported. It is slow with a list, so one name stays as it is.
 */
function withDefault(locales?: Locales): Locales {
  if (locales === undefined) return "en-US";
  if (typeof locales !== "string") return [locales, "en-US"].flat() as string[];
  if (!isSupported.has(locales)) {
    // Of all constructors, this one supports the fewest.
    const supported = Intl.Collator.supportedLocalesOf(locales);
    isSupported.set(locales, supported.length > 0);
  }
  return isSupported.get(locales) ? locales : [locales, "en-US"];
}

/** Arguments of `Intl.DateTimeFormat`, without the local time zone. */
const inUtc: ChangeArguments = (locales, options, ...others) => [
  withDefault(locales),
  { ...options, timeZone: options?.timeZone ?? "UTC" },
  ...others,
];

type ChangeArguments = (
  locales?: Locales,
  options?: Intl.DateTimeFormatOptions,
  ...others: unknown[]
) => unknown[];

/** Arguments of other constructors and methods, without the default locale. */
const inEnglish: ChangeArguments = (locales, ...others) => [
  withDefault(locales),
  ...others,
];

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Replaces methods whose arguments are a locale and options. */
function localize(prototype: object, change = inEnglish) {
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (!name.startsWith("toLocale")) continue;
    const native: Method = Reflect.get(prototype, name);
    const replacement: Method = function (...args) {
      return native.apply(this, change(...args as Parameters<typeof change>));
    };
    Reflect.set(prototype, name, replacement);
  }
}

localize(date, inUtc);
[String, Number, BigInt].forEach(({ prototype }) => localize(prototype));
const { localeCompare } = String.prototype;
String.prototype.localeCompare = function (
  that: string,
  ...args: Parameters<ChangeArguments>
) {
  return localeCompare.call(this, that, ...inEnglish(...args) as [string]);
};
for (const name of Object.getOwnPropertyNames(globalThis.Temporal ?? {})) {
  const { prototype } = Reflect.get(Temporal, name);
  if (prototype) localize(prototype, name === "Instant" ? inUtc : inEnglish);
}

const format = Intl.DateTimeFormat.prototype;
const { formatToParts } = format;
const { get } = Object.getOwnPropertyDescriptor(format, "format")!;
Object.defineProperties(format, {
  format: {
    get() {
      const native = get!.call(this);
      return (date = Date.now()) => native(date);
    },
  },
  formatToParts: {
    value(date = Date.now()) {
      return formatToParts.call(this, date);
    },
  },
});
for (const name of Object.getOwnPropertyNames(Intl)) {
  const type = Reflect.get(Intl, name);
  if (!type.supportedLocalesOf) continue; // not a constructor with a default locale
  const change = name === "DateTimeFormat" ? inUtc : inEnglish;
  type.prototype.constructor = new Proxy(type, {
    apply: (target, self, args) =>
      Reflect.apply(target, self, change(...args as [])),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, change(...args as []), newTarget),
  });
  Reflect.set(Intl, name, type.prototype.constructor);
}

// 3. Stack traces
//
// For an error of a `node:vm` context, Node.js calls the main context's
// `Error.prepareStackTrace`, where the SDK applies the source map; Deno calls the one of
// the error's own context, which is not set. To see it, read the stack trace of a
// failed Workflow: it names `workflow-bundle-….js`. Remove this once Deno does as
// Node.js does.

/** `Error` of the main context. */
const outer = URL.constructor("return Error")() as ErrorConstructor;
Error.prepareStackTrace = (_, sites) => sites[0].getFileName();
const bundle: unknown = new Error().stack;
Error.prepareStackTrace = (error, sites) => {
  // Node.js has no frames of the host's between those of Workflow code, and the SDK
  // cuts off the ones below, which it knows by their names there.
  const files = sites.map((site) => site.getFileName() ?? undefined);
  const isHost = (file?: string) => file !== undefined && file !== bundle;
  const end = files.findIndex((file, index) =>
    isHost(file) && !files.includes(bundle as string, index)
  );
  const frames = sites
    .filter((_, index) => !isHost(files[index]) && (end < 0 || index < end))
    // An error has as many frames as by default.
    .slice(0, error instanceof PromiseTrace ? Infinity : 10);
  const { prepareStackTrace: prepare = Error.prepareStackTrace } = outer;
  return prepare === Error.prepareStackTrace
    ? [error, ...frames.map((frame) => `    at ${frame}`)].join("\n")
    : prepare(error, frames);
};
// The host's frames take most of V8's default of 10, before functions that await.
Error.stackTraceLimit = 50;
// The plugin recognizes bundles with this code by this name, which minimizers keep.
Object.defineProperty(Error.prepareStackTrace, "name", {
  value: "prepareStackTraceOnDeno",
});

// 4. Stack trace queries
//
// The SDK learns where a Workflow waits by `promiseHooks` of `node:v8`, which on Deno
// never run for promises of a `node:vm` context. To see it, query `__stack_trace` of a
// Workflow that waits: the answer is empty. Remove this once they run. What is recorded
// here is less: not the promises of async functions and `then`, only those made by
// `new Promise`, such as the SDK's for Activities, timers, conditions and children.

const NativePromise = Promise;

type Executor = ConstructorParameters<typeof Promise<unknown>>[0];

/**
 * Records where a promise was made, while it is pending. It takes the place of
 * `Promise` where the SDK and the application call `new Promise`; elsewhere, such as
 * in `promise.constructor`, `Promise` stays what it is.
 */
function TrackedPromise(executor: Executor): Promise<unknown> {
  const target = new.target === (TrackedPromise as unknown)
    ? NativePromise
    : new.target!;
  const activator = sandbox.__TEMPORAL_ACTIVATOR__;
  const { childToParent, promiseToStack } = activator?.promiseStackStore ?? {};
  if (!childToParent || !promiseToStack || typeof executor !== "function") {
    return Reflect.construct(NativePromise, [executor], target);
  }
  const countChildren = () =>
    activator?.completions?.childWorkflowComplete?.size;
  const children = countChildren();
  let key: unknown = undefined;
  let isPending = true;
  const settles = (settle: (value?: unknown) => void) => (value?: unknown) => {
    isPending = false;
    childToParent.delete(key);
    promiseToStack.delete(key);
    settle(value);
  };
  const promise = Reflect.construct(NativePromise, [
    (resolve: () => void, reject: () => void) => {
      try {
        executor(settles(resolve), settles(reject));
      } catch (error) {
        settles(reject)(error);
      }
    },
  ], target) as Promise<unknown>;
  if (isPending) {
    // The SDK deletes the promise of a child Workflow, since on Node.js it finds the
    // promise that awaits it: it cannot delete another key.
    key = countChildren() === children ? promise : {};
    childToParent.set(key, new Set());
    promiseToStack.set(key, new PromiseTrace());
  }
  return promise;
}

/** Where a promise was made. Its text is made in the query. */
class PromiseTrace implements StackTrace {
  declare stack: string;

  constructor() {
    Error.captureStackTrace(this, TrackedPromise);
  }

  private frames() {
    const frame = /^ +at (?:(.+) \()?(.+):(\d+):(\d+)\)?$/gm;
    const sdk = sdkFolder();
    return [...this.stack.matchAll(frame)]
      .filter(([_line, _name, file]) => !sdk || !file.startsWith(sdk))
      .slice(0, 10);
  }

  get formatted() {
    return this.frames().map(([line]) => line).join("\n");
  }

  get structured() {
    return this.frames().map(([_, function_name, file_path, line, column]) => ({
      function_name,
      file_path,
      line: Number(line),
      column: Number(column),
      internal_code: false,
    }));
  }
}

let folder: string | undefined;

/** The folder of the SDK's code for Workflows: where the Activator's methods are. */
function sdkFolder(): string | undefined {
  if (folder) return folder;
  try {
    sandbox.__TEMPORAL_ACTIVATOR__?.getStackTraces?.call({});
  } catch (error) {
    // The Activator does not answer without its fields.
    folder = (error as Error).stack?.match(/\((.+[\\/]).+:\d+:\d+\)$/m)?.[1];
  }
  return folder;
}

// Only `new` differs: promises are native, and static methods such as `Promise.all`
// take no additional microtasks, as they would with a class of another kind.
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
Object.defineProperty(TrackedPromise, "name", { value: "Promise" });

export { TrackedPromise };
