/**
 * A plugin of `deno lint` that finds mistakes in Workflow code.
 *
 * @module
 */

import {
  ancestors,
  functionOf,
  hostApis,
  isInside,
  type Node,
  packageOf,
  unwrap,
  WorkflowCode,
} from "./workflow_code.ts";

type Report = (at: Pick<Node, "range">, message: string, fix?: Fix) => void;
type Fix = Deno.lint.Fix;

const changing =
  /^(?:add|clear|delete|fill|pop|push|set|shift|sort|splice|unshift)$/;
/** The specifier of a module of Activities. */
const activities =
  /^(?:[.#/]|@\/).*[/._-]activities(?:\/(?:index|mod))?(?:\.\w+)?$/;
const test = /(?:^|[\\/])test[._-]|[._-](?:test|spec)\.\w+$/;
const retried = "fails the Workflow Task, which Temporal retries";

function noHostApi(code: WorkflowCode, report: Report) {
  const globals = code.uses.get(undefined) ?? [];
  // Code that looks whether a global is there, or sets it, knows what it does.
  const known = globals.map(({ name, parent }) =>
    parent.operator === "typeof" ? name : parent.property?.name
  );
  for (const node of globals) {
    const { name } = node;
    if (!hostApis.includes(name) || known.includes(name)) continue;
    report(node, `Workflow code has no "${name}": a ReferenceError ${retried}`);
  }
}

function noHostImport(code: WorkflowCode, report: Report) {
  for (const node of code.dependencies) {
    const { value } = node.source;
    const isRefused = /^node:(?!(?:assert|url|util)$)/.test(value) ||
      /^(?:activity|client|worker)(?:\/|$)/.test(packageOf(node) ?? "");
    const what = isRefused
      ? `Workflow code cannot import "${value}": the Worker does not start`
      : `"${value}" is imported by value: its Activities run as Workflow code`;
    if (isRefused || activities.test(value)) report(node, what);
  }
}

function noFloatingPromise(code: WorkflowCode, report: Report) {
  for (const call of code.all("CallExpression")) {
    const name = code.started(call);
    const problem = call.parent.type === "ExpressionStatement"
      ? "the Workflow goes on, and can complete before it"
      : isCondition(call)
      ? "a promise is always true"
      : undefined;
    if (!name || !problem) continue;
    const fix: Fix = { range: [call.range[0], call.range[0]], text: "await " };
    const message = `Nothing awaits "${name}": ${problem}`;
    report(call, message, functionOf(call)?.async ? fix : undefined);
  }
}

/** Whether code only asks whether a value is true. */
function isCondition(node: Node): boolean {
  const { left, operator, test, type } = node.parent;
  if (type === "LogicalExpression" && operator !== "??") {
    return left === node || isCondition(node.parent);
  }
  return test === node || operator === "!";
}

function noThrowError(code: WorkflowCode, report: Report) {
  const keys = code.all("Property").map(({ key }) => key.name);
  if (keys.includes("failureExceptionTypes")) return;
  const isError = (type: Node | undefined): boolean => {
    const declared = code.resolve(type);
    if (declared) return isError(declared.by.superClass);
    return /^\w*Error$/.test(type?.name ?? "");
  };
  for (const node of code.all("ThrowStatement")) {
    const { callee } = unwrap(node.argument)!;
    const { body = [] } = node.parent;
    const before = unwrap(body[body.indexOf(node) - 1]?.expression);
    const isReached = code.sdkFunction(before) !== "continueAsNew";
    if (!isReached || !isError(callee) || code.isContained(node)) continue;
    report(node, `"${callee.name}" does not fail the Workflow: it ${retried}`);
  }
}

function requireTimeout(code: WorkflowCode, report: Report) {
  for (const call of code.calls(/^proxy(?:Local)?Activities$/)) {
    const [options] = call.arguments;
    const isSet = options?.properties?.some(({ key }: Node) =>
      !key || /^(?:start|schedule)ToCloseTimeout$/.test(key.name ?? key.value)
    );
    if (isSet || options && options.type !== "ObjectExpression") continue;
    const name = code.sdkFunction(call);
    report(
      options ?? call,
      `${name}() needs a Timeout: a TypeError ${retried}`,
    );
  }
}

function setHandlersFirst(code: WorkflowCode, report: Report) {
  const branch = /^(?:If|Switch|Conditional|Logical|For|While|Catch|Try)/;
  for (const { call, kind } of code.handlers) {
    const isLate = code.all("AwaitExpression").some((wait) => {
      if (functionOf(wait) !== functionOf(call)) return false;
      const around = ancestors(wait);
      const common = around.findIndex((up) => isInside(call, up));
      return wait.range[1] <= call.range[0] &&
        !around.slice(0, common + 1).some(({ type }) => branch.test(type));
    });
    // Signals wait for their handler, too, but nobody waits for a Signal.
    if (!isLate || kind !== "Query" && kind !== "Update") continue;
    const what = kind === "Query" ? "Queries fail" : "Updates fail";
    report(call, `This handler is set after an await: until then, ${what}`);
  }
}

function readOnlyHandlers(code: WorkflowCode, report: Report) {
  for (const { kind, function: handler } of code.handlers) {
    if (kind !== "Query" && kind !== "Update validator") continue;
    const name = kind === "Query" ? "Query handler" : kind;
    const all = (type: string) =>
      code.all(type).filter((node) => isInside(node, handler));
    const [start] = handler.range;
    const range: Node["range"] = [start, handler.body.range[0]];
    const what = kind === "Query" ? "each Query fails" : "it rejects nothing";
    const fix: Fix = { range: [start, start + "async ".length], text: "" };
    const isSure = all("AwaitExpression").length === 0;
    const message = `This ${name} is async: ${what}`;
    if (handler.async) report({ range }, message, isSure ? fix : undefined);
    for (const call of all("CallExpression")) {
      const started = code.started(call);
      if (!started) continue;
      report(call, `This ${name} starts "${started}": a replay does not`);
    }
  }
}

function noModuleState(code: WorkflowCode, report: Report) {
  // Interceptors and Workflow functions have only such variables in common.
  if (code.topLevel.some(({ name }) => name === "interceptors")) return;
  for (const declaration of code.topLevel) {
    const { type, callee } = declaration.by.init ?? declaration.by;
    const isCollection = /^(?:Array|Object)E/.test(type) ||
      /^(?:Weak)?(?:Map|Set)$|^Array$/.test(callee?.name ?? "");
    const changed = code.uses.get(declaration)?.find((use) => {
      const isItem = isCollection && use.parent.object === use;
      const target = isItem ? use.parent : use;
      const { left, callee, operator, type } = target.parent;
      const isCall = isItem && callee === target &&
        changing.test(target.property.name);
      const isSet = type === "AssignmentExpression" && left === target;
      return functionOf(use) &&
        (isSet || isCall || /^(?:\+\+|--|delete)$/.test(operator ?? ""));
    });
    const message =
      `"${declaration.name}" belongs to the module: each run of a Workflow changes its own copy`;
    if (changed) report(changed, message);
  }
}

const rules: Record<string, [check: typeof noHostApi, hint: string]> = {
  "no-floating-promise": [
    noFloatingPromise,
    "Await it, or write `void` before a statement that only starts it",
  ],
  "no-host-api": [
    noHostApi,
    "Use it in an Activity; for a UUID, call uuid4(), and for a timer, sleep()",
  ],
  "no-host-import": [
    noHostImport,
    "Import only its types, with `import type`, and use the rest in Activities, Clients and Workers",
  ],
  "no-module-state": [
    noModuleState,
    "Declare it in the Workflow function; to share it, use an Activity or another Workflow",
  ],
  "no-throw-error": [
    noThrowError,
    "To fail the Workflow or Update, throw an ApplicationFailure, or name the error in workflowFailureErrorTypes of the Worker",
  ],
  "read-only-handlers": [
    readOnlyHandlers,
    "Use only what the Workflow has in its variables, and return no promise",
  ],
  "require-timeout": [
    requireTimeout,
    "Set startToCloseTimeout, the longest time that an attempt may take, or scheduleToCloseTimeout",
  ],
  "set-handlers-first": [
    setHandlersFirst,
    "Set handlers at the beginning of the Workflow",
  ],
};

/** What is known of modules, for all rules; nothing of those without the SDK. */
const modules = new WeakMap<Node, WorkflowCode | undefined>();

/** Makes a rule for Workflow code. It checks a module when all nodes are known. */
function toRule([check, hint]: typeof rules[string]): Deno.lint.Rule {
  return {
    create(context) {
      const ast = context.sourceCode.ast as Deno.lint.Node as Node;
      const isFirst = !modules.has(ast);
      if (isFirst) {
        const isMeant = !test.test(context.filename) &&
          ast.body.some((node: Node) => packageOf(node) === "workflow");
        modules.set(ast, isMeant ? new WorkflowCode() : undefined);
      }
      const code = modules.get(ast);
      if (!code) return {};
      const report: Report = ({ range }, message, fix) =>
        context.report({ range, message, hint, ...fix && { fix: () => fix } });
      return {
        ...isFirst && { "*": (node: Node) => code.add(node) },
        "Program:exit": () => {
          if (code.isMeant(context.filename)) check(code, report);
        },
      };
    },
  };
}

/** The plugin. Its rules are those of `docs/lint.md`. */
const plugin: Deno.lint.Plugin = {
  name: "temporal",
  rules: Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [name, toRule(rule)]),
  ),
};

export default plugin;
