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

/** What the SDK exports for Activities and Clients, too. */
const anywhere = /^(?:define|is)|(?:Failure|Error|Type|Policy|Converter)$/;
const scopes = /^(?:Program|Block|For|Switch|Static|TSModuleB)/;
const test = /(?:^|[\\/])test[._-]|[._-](?:test|spec)\.\w+$/;
const starting =
  /^(?:condition|continueAsNew|executeChild|scheduleActivity|sleep|startChild)$/;

/** Returns the nodes around a node, from the inside out. */
export function ancestors({ parent }: Node): Node[] {
  return parent ? [parent, ...ancestors(parent)] : [];
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

/** Whether a path, or the specifier of a path, is of a module of Activities. */
export function isActivities(path: string): boolean {
  const [folder, file] = path.split(/[\\/]/).slice(-2);
  return /^(?:[.#/]|@\/|\w:)/.test(path) &&
    [folder, file].some((name) => /^activit(?:y|ies)(?![^._-])/.test(name));
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
  for (const up of ancestors(name)) {
    const isPart = up.right !== inner &&
        /Pattern$|^(?:RestElement|TSParameterProperty)$/.test(up.type) ||
      up.parent?.type === "ObjectPattern" && up.value === inner;
    if (!isPart) {
      const { id, param, local, params = [], type } = up;
      const isDeclared = [id, param, local, ...params].includes(inner);
      return isDeclared && !/^(?:Export|TSEnumM)/.test(type) ? up : undefined;
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

  #resolve(node: Node | undefined): Declaration | undefined {
    if (node?.type !== "Identifier") return;
    return ancestors(node).map((up) => this.#scopes.get(up)?.[node.name])
      .find((declaration) => declaration);
  }

  /** Returns the node that declares a name; undefined for a global. */
  declaration(name: Node | undefined): Node | undefined {
    return this.#resolve(name)?.by;
  }

  /** Where the value of a name is used, by its declaration. */
  get uses(): Map<Declaration | undefined, Node[]> {
    return this.#uses ??= Map.groupBy(
      this.all("Identifier")
        .filter((node) => !declarationOf(node) && isValue(node)),
      (node) => this.#resolve(node),
    );
  }

  /** The imports and exports of other modules, but for types, which Deno removes. */
  get dependencies(): Node[] {
    const used = [...this.uses.keys()].map((one) => one?.by.parent);
    return Object.values(this.#nodes).flat().filter((node) =>
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
    if (packages.includes("testing") || test.test(filename)) return false;
    const names = [...this.uses.keys()]
      .filter((one) => packageOf(one?.by.parent) === "workflow")
      .map((one): string => one!.by.imported?.name ?? "*");
    // A program that is its own Workflow code, too, asks where it runs.
    if (names.includes("inWorkflowContext")) return false;
    const isOther = isActivities(filename) ||
      ["activity", "client", "worker"].some((name) => packages.includes(name));
    return names.some((name) => !isOther || !anywhere.test(name));
  }

  /** Returns the function of the SDK that a call calls. */
  sdkFunction(call: Node | undefined): string | undefined {
    if (call?.type !== "CallExpression") return;
    const { object, property } = call.callee;
    const from = this.declaration(object ?? call.callee);
    if (packageOf(from?.parent) !== "workflow") return;
    return object ? property.name : from!.imported?.name;
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
    const declaration = this.declaration(object ?? call.callee);
    const origin = this.sdkFunction(unwrap(declaration?.init ?? object)) ?? "";
    const isStarted = /^proxy(?:Local)?Activities$/.test(origin)
      ? !object === (declaration?.id.type === "ObjectPattern")
      : /^startChild$|^getExternalW/.test(origin) &&
        property?.name === "signal";
    return isStarted ? property?.name ?? name : undefined;
  }

  /** The handlers that the module sets. */
  get handlers(): Handler[] {
    const find = (node: Node | undefined) =>
      [node, this.declaration(node), this.declaration(node)?.init]
        .filter(isFunction) as Node[];
    return this.calls(/^setHandler$/).flatMap((call): Handler[] => {
      const [definition, handler, options] = call.arguments;
      const init = this.declaration(definition)?.init ?? definition;
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
      const uses = this.uses.get(this.#resolve(up.id ?? up.parent.id)) ?? [];
      return !seen.includes(up) && uses.length > 0 &&
        uses.every((use) => this.isContained(use, [...seen, up]));
    }
    return false;
  }
}
