/**
 * Workflow code: which modules are, what their names stand for, and what they start.
 *
 * @module
 */

/** A node of the syntax tree. `Deno.lint.Node` is too wide a union to search in. */
// deno-lint-ignore no-explicit-any
export type Node = Record<string, any> & {
  type: string;
  range: [number, number];
  parent: Node;
};

/** What declares a name, such as a `VariableDeclarator`. */
export type Declaration = { name: string; by: Node };

/** A function that handles messages; no kind if another module defines them. */
export type Handler = { kind?: string; call: Node; function: Node };

/** Globals of Deno and Node.js that the sandbox of Workflow code does not have. */
export const hostApis: string[] =
  `AbortSignal Blob BroadcastChannel Buffer CompressionStream CustomEvent DOMException
  DecompressionStream Deno Event EventSource EventTarget File FileReader FormData
  Headers MessageChannel ReadableStream Request Response TransformStream URLPattern
  WebSocket Worker WritableStream alert atob btoa caches clearInterval confirm crypto
  fetch localStorage navigator performance process prompt queueMicrotask
  sessionStorage setImmediate setInterval structuredClone`.split(/\s+/);

/** What the SDK exports for Activities and Clients, too. */
const anywhere = /^(?:define|is)|(?:Failure|Error|Type|Policy|Converter)$/;
const scopes = /^(?:Program|Block|For|Switch|Static|TSModuleB)/;
/** Files that hold Activities, or may. */
const others = /activit(?:y|ies)[^\\/]*(?:[\\/][^\\/]*)?$/;
const starting =
  /^(?:condition|continueAsNew|executeChild|scheduleActivity|sleep|startChild)$/;

/** Returns the nodes around a node, from the inside out. */
export function ancestors({ parent }: Node): Node[] {
  const nodes = [];
  for (; parent; { parent } = parent) nodes.push(parent);
  return nodes;
}

function isFunction(node: Node | undefined): boolean {
  return /^(?:Function|Arrow)/.test(node?.type ?? "");
}

/** Returns the function around a node. */
export function functionOf(node: Node): Node | undefined {
  return ancestors(node).find(isFunction);
}

/** Whether a node is in another one, or is that one. */
export function isInside(node: Node, outer: Node): boolean {
  return outer.range[0] <= node.range[0] && node.range[1] <= outer.range[1];
}

/** Removes what does not change which value an expression has. */
export function unwrap(node: Node | undefined): Node | undefined {
  const isWrapped = /^(?:Await|Chain|TS\w+)Expression$/.test(node?.type ?? "");
  return isWrapped ? unwrap(node!.expression ?? node!.argument) : node;
}

/** Returns the module of Temporal's that is imported, such as "worker". */
export function packageOf(node: Node | undefined): string | undefined {
  const [, name, path = ""] = `${node?.source?.value}`
    .match(/^(?:npm:\/?)?@temporalio\/([^/@]+)(?:@[^/]+)?(\/.+)?$/) ?? [];
  return name && name + path;
}

/** Whether an import or export of another module is one of values. */
function isOfValues(node: Node): boolean {
  const isType = ({ importKind, exportKind }: Node) =>
    [importKind, exportKind].includes("type");
  const [first, ...others] = node.specifiers ?? [];
  return !isType(node) && !(first && [first, ...others].every(isType));
}

/** Returns the node that declares a name. */
function declarationOf(name: Node): Node | undefined {
  let inner = name;
  for (let up = name.parent; up; up = up.parent) {
    const isPart = up.right !== inner &&
        /Pattern$|^(?:RestElement|TSParameterProperty)$/.test(up.type) ||
      up.parent?.type === "ObjectPattern" && up.value === inner;
    if (!isPart) {
      const { id, param, local, params = [], type } = up;
      const isDeclared = [id, param, local, ...params].includes(inner);
      return isDeclared && !/^(?:Export|TS(?!EnumD|ImportE|Module))/.test(type)
        ? up
        : undefined;
    }
    inner = up;
  }
}

/** Whether an identifier stands for a value: it is no type, key or label. */
function isValue(node: Node): boolean {
  const { computed, exported, initializer, object, source, type, value } =
    node.parent;
  if (type === "MemberExpression") return computed || object === node;
  if (/Property$|Definition$/.test(type)) return computed || value === node;
  if (type === "TSEnumMember") return initializer === node;
  if (
    /^Export/.test(type) &&
    (exported === node || source || node.parent.parent.source)
  ) {
    return false;
  }
  return !/^(?:TS|Import|Label|Break|Continue|Meta)/.test(type) ||
    /^TS(?:\w+Expression|TypeAssertion|ExportAssignment)$/.test(type);
}

/** A module of Workflow code. Before anything else, its nodes are added in order. */
export class WorkflowCode {
  readonly #nodes: Record<string, Node[]> = {};
  readonly #scopes = new Map<Node, Record<string, Declaration>>();
  #uses: Map<Declaration | undefined, Node[]> | undefined;

  /** Adds a node. */
  add(node: Node): void {
    (this.#nodes[node.type] ??= []).push(node);
    const by = node.type === "Identifier" ? declarationOf(node) : undefined;
    if (!by) return;
    const isInner = /^Catch|^(?:Function|Class)E/.test(by.type) ||
      isFunction(by) && by.id !== node;
    const pattern = by.parent?.kind === "var" ? /^Program/ : scopes;
    const scope = isInner ? by : ancestors(by)
      .find((up) => isFunction(up) || pattern.test(up.type))!;
    if (!this.#scopes.has(scope)) this.#scopes.set(scope, Object.create(null));
    this.#scopes.get(scope)![node.name] = { name: node.name, by };
  }

  /** The nodes of a type, in the order of the source code. */
  all(type: string): Node[] {
    return this.#nodes[type] ?? [];
  }

  /** What the module declares at its top level. */
  get topLevel(): Declaration[] {
    return Object.values(this.#scopes.get(this.all("Program")[0]) ?? {});
  }

  /** Returns what an identifier stands for; undefined for a global. */
  resolve(node: Node | undefined): Declaration | undefined {
    if (node?.type !== "Identifier") return;
    for (let { parent } = node; parent; { parent } = parent) {
      const declaration = this.#scopes.get(parent)?.[node.name];
      if (declaration) return declaration;
    }
  }

  /** Where the value of a name is used, by its declaration. */
  get uses(): Map<Declaration | undefined, Node[]> {
    return this.#uses ??= Map.groupBy(
      this.all("Identifier")
        .filter((node) => !declarationOf(node) && isValue(node)),
      (node) => this.resolve(node),
    );
  }

  /** The imports and exports of other modules, but for types, which Deno removes. */
  get dependencies(): Node[] {
    const used = [...this.uses.keys()].map((one) => one?.by.parent);
    return Object.keys(this.#nodes).filter((type) =>
      /^(?:Im|Ex)port/.test(type)
    )
      .flatMap((type) => this.all(type)).filter((node) =>
        typeof node.source?.value === "string" && isOfValues(node) &&
        (node.type !== "ImportDeclaration" || !node.specifiers[0] ||
          used.includes(node))
      );
  }

  /**
   * Whether this is Workflow code: it imports `@temporalio/workflow`, and is no test, and
   * no other program that only takes definitions or errors from there.
   */
  isMeant(filename: string): boolean {
    const packages = this.dependencies.map(packageOf);
    if (packages.includes("testing")) return false;
    const names = [...this.uses.keys()]
      .filter((one) => packageOf(one?.by.parent) === "workflow")
      .map((one): string => one!.by.imported?.name ?? "*");
    // A program that is its own Workflow code, too, asks where it runs.
    if (names.includes("inWorkflowContext")) return false;
    const isOther = others.test(filename) ||
      ["activity", "client", "worker"].some((name) => packages.includes(name));
    return names.some((name) => !isOther || !anywhere.test(name));
  }

  /** Returns the function of the SDK that a call calls. */
  sdkFunction(call: Node | undefined): string | undefined {
    if (call?.type !== "CallExpression") return;
    const { object, property } = call.callee;
    const { by } = this.resolve(object ?? call.callee) ?? {};
    if (packageOf(by?.parent) !== "workflow") return;
    return object ? property.name : by!.imported?.name;
  }

  /** Returns all calls of functions of the SDK. */
  calls(names: RegExp): Node[] {
    return this.all("CallExpression")
      .filter((call) => names.test(this.sdkFunction(call) ?? ""));
  }

  /** Returns the name of what a call starts, if it returns a promise. */
  started(call: Node): string | undefined {
    const own = this.sdkFunction(call);
    if (own) return starting.test(own) ? own : undefined;
    const { object, property, name } = call.callee;
    const { by } = this.resolve(object ?? call.callee) ?? {};
    const origin = this.sdkFunction(unwrap(by?.init ?? object)) ?? "";
    const isStarted = /^proxy(?:Local)?Activities$/.test(origin)
      ? !object === (by?.id.type === "ObjectPattern")
      : /^startChild$|^getExternalW/.test(origin) &&
        property?.name === "signal";
    return isStarted ? property?.name ?? name : undefined;
  }

  /** The handlers that the module sets. */
  get handlers(): Handler[] {
    const find = (node: Node | undefined) =>
      [node, this.resolve(node)?.by, this.resolve(node)?.by.init]
        .filter(isFunction) as Node[];
    return this.calls(/^setHandler$/).flatMap((call): Handler[] => {
      const [definition, handler, options] = call.arguments;
      const init = this.resolve(definition)?.by.init ?? definition;
      const kind = this.sdkFunction(unwrap(init))?.match(/^define(.+)/)?.[1];
      const validator = options?.properties
        ?.find(({ key }: Node) => key?.name === "validator")?.value;
      return [
        ...find(handler).map((it) => ({ kind, call, function: it })),
        ...find(validator)
          .map((it) => ({ kind: "Update validator", call, function: it })),
      ];
    });
  }

  /** Whether the module catches what a node throws, or no Workflow Task fails by it. */
  isContained(node: Node, seen: Node[] = []): boolean {
    let inner = node;
    for (const up of ancestors(node)) {
      const isCaught = up.handler && up.block === inner ||
        up.callee === inner && inner.property?.name === "catch";
      if (isCaught) return true;
      inner = up;
      if (!isFunction(up)) continue;
      const handler = this.handlers.find((one) => one.function === up);
      if (handler) return !/^(?:Signal|Update)$/.test(handler.kind ?? "");
      if (up.parent.arguments) continue;
      const name = this.resolve(up.id ?? up.parent.id);
      const uses = name && !seen.includes(up) && this.uses.get(name);
      return !!uses &&
        uses.every((use) => this.isContained(use, [...seen, up]));
    }
    return false;
  }
}
