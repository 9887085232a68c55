/**
 * Moves a source file from Node.js to Deno.
 *
 * @module
 */

import {
  type CallExpression,
  type Identifier,
  type ImportDeclaration,
  Node,
  type SourceFile,
  type StringLiteral,
  SyntaxKind,
} from "ts-morph";

/** What a module name means in an application. */
export interface Modules {
  /** Returns what Deno calls a module that a file names; undefined if it is missing. */
  rename(name: string, file: string): string | undefined;
  /** Whether a name is that of one of the application's CommonJS modules. */
  isCommonJs(name: string, file: string): boolean;
  /** The names that Deno cannot import from each CommonJS package. */
  hidden: Map<string, Set<string>>;
  /** Returns the name of the module that exports the plugin, as a file imports it. */
  plugins(file: string): string;
  /** Whether the application has a framework that serves HTTP. */
  isService: boolean;
}

/** What was changed, or what a person has to look at. */
export interface Finding {
  /** The file, in the application's folder. */
  path: string;
  /** The line in the moved file; undefined if it is about the whole file. */
  line?: number;
  /** What it is, in one line. */
  text: string;
}

/** Modules that serve HTTP. */
export const service =
  /^(?:(?:node:)?http2?|https|express|fastify|koa|hono|next|@nestjs\/core|@trpc\/server)$/;

/** Functions of the SDK's packages that take plugins. */
const pluggable =
  /^(?:Worker\.(?:create|runReplayHistory|runReplayHistories)|bundleWorkflowCode|TestWorkflowEnvironment\.create\w*)$/;

/** Moves a file; returns its new text. */
export function moveSource(
  source: SourceFile,
  path: string,
  modules: Modules,
  { changes, todo }: { changes: Finding[]; todo: Finding[] },
): string {
  const edits: { start: number; end: number; text: string }[] = [];
  const added = new Set<string>();
  const [quote = '"'] = source.getImportDeclarations()
    .map((one) => one.getModuleSpecifier().getText()[0]);
  const find = (list: Finding[], node: Node, text: string) =>
    list.push({ path, line: node.getStartLineNumber(), text });
  const edit = (node: Node, text: string, what: string) => {
    edits.push({ start: node.getStart(), end: node.getEnd(), text });
    find(changes, node, what);
  };
  const insert = (at: number, text: string) => {
    edits.push({ start: at, end: at, text });
  };
  const called = (node: CallExpression) => node.getExpression().getText();
  const isDeclared = (name: string) => source.getLocal(name) !== undefined;
  const add = (line: string) => added.add(line);

  for (const node of source.getDescendants()) {
    if (Node.isStringLiteral(node)) moveName(node);
    else if (Node.isCallExpression(node)) moveCall(node);
    else if (Node.isIdentifier(node)) moveGlobal(node);
    else if (Node.isImportDeclaration(node)) moveImport(node);
    else if (Node.isExportSpecifier(node)) {
      const isWritten = node.isTypeOnly() ||
        node.getExportDeclaration().isTypeOnly();
      const target = node.getNameNode().getSymbol()?.getAliasedSymbol();
      const declarations = target?.getDeclarations() ?? [];
      const isType = declarations.length > 0 &&
        declarations.every((one) =>
          Node.isInterfaceDeclaration(one) || Node.isTypeAliasDeclaration(one)
        );
      if (isType && !isWritten) {
        edit(node, `type ${node.getText()}`, "exports a type as a type");
      }
    } else if (
      Node.isEnumDeclaration(node) && !node.hasDeclareKeyword() ||
      Node.isParameterDeclaration(node) && node.isParameterProperty() ||
      Node.isImportEqualsDeclaration(node)
    ) {
      find(
        todo,
        node,
        "Node.js runs this syntax with --experimental-transform-types only",
      );
    } else if (Node.isDecorator(node)) {
      find(todo, node, "Node.js runs no decorators without a build");
    } else if (Node.isExportAssignment(node) && node.isExportEquals()) {
      find(todo, node, 'an ES module has no "export =": use "export default"');
    }
  }
  return apply();

  /** The name of a module, where it stands in an import. */
  function moveName(node: StringLiteral) {
    const parent = node.getParent();
    const isName = Node.isImportDeclaration(parent) ||
      Node.isExportDeclaration(parent) ||
      Node.isExternalModuleReference(parent) ||
      Node.isCallExpression(parent) &&
        parent.getExpression().getKind() === SyntaxKind.ImportKeyword ||
      Node.isLiteralTypeNode(parent) && Node.isImportTypeNode(
          parent.getParent(),
        );
    if (!isName) return;
    const name = node.getLiteralValue();
    const renamed = modules.rename(name, path);
    if (renamed === undefined) {
      find(todo, node, `there is no module "${name}": build or install it`);
      return;
    }
    const isJson = renamed.endsWith(".json") &&
      Node.isImportDeclaration(parent) && !parent.getAttributes();
    const attribute = isJson ? ' with { type: "json" }' : "";
    if (renamed === name && !isJson) return;
    const own = node.getText()[0];
    edit(node, own + renamed + own + attribute, `imports "${renamed}"`);
  }

  function moveCall(node: CallExpression) {
    const name = called(node);
    const [argument] = node.getArguments();
    if (name === "require.resolve" && Node.isStringLiteral(argument)) {
      const given = argument.getLiteralValue();
      const renamed = modules.rename(given, path) ?? given;
      add('import { fileURLToPath } from "node:url";');
      const text =
        `fileURLToPath(import.meta.resolve(${quote}${renamed}${quote}))`;
      edit(node, text, `resolves "${renamed}" as an ES module does`);
    } else if (name === "require" && !isDeclared("require")) {
      add('import { createRequire } from "node:module";');
      add("const require = createRequire(import.meta.url);");
      const isOwn = Node.isStringLiteral(argument) &&
        argument.getLiteralValue().startsWith(".");
      if (isOwn) find(todo, node, "require() of an own module: import it");
      else find(changes, node, "creates require()");
    } else if (pluggable.test(sdkName(name))) {
      plugIn(node, argument);
    } else if (
      /^Connection\.(?:connect|lazy)$/.test(sdkName(name)) && livesLong()
    ) {
      find(
        todo,
        node,
        "a long-lived Client needs a NativeConnection: " +
          "docs/gaps-process.md#9-connection-that-the-server-closes",
      );
    }
  }

  /** Returns what the SDK calls a function; empty if it is none of the SDK's. */
  function sdkName(name: string): string {
    const [, head, rest] = name.match(/^(\w+)(.*)$/) ?? [];
    if (!head) return "";
    for (const one of source.getImportDeclarations()) {
      const from = one.getModuleSpecifierValue();
      if (!/^@temporalio\/(?:client|testing|worker)$/.test(from)) continue;
      if (one.getNamespaceImport()?.getText() === head) return rest.slice(1);
      const named = one.getNamedImports()
        .find((one) =>
          (one.getAliasNode()?.getText() ?? one.getName()) === head
        );
      if (named) return named.getName() + rest;
    }
    return "";
  }

  /** Whether a Client may be idle while the program runs: it serves HTTP. */
  function livesLong(): boolean {
    return source.getImportDeclarations().some((one) =>
      service.test(one.getModuleSpecifierValue())
    ) || modules.isService && source.getExportSymbols().length > 0;
  }

  /** Passes the plugin to what creates a Worker, a bundle or an environment. */
  function plugIn(node: CallExpression, argument: Node | undefined) {
    if (node.getText().includes("denoPlugins")) return;
    while (
      Node.isAsExpression(argument) || Node.isSatisfiesExpression(argument)
    ) {
      argument = argument.getExpression();
    }
    // What changes these options, such as a coverage tool, keeps the plugins.
    if (Node.isCallExpression(argument)) {
      const [inner] = argument.getArguments();
      const isOptions = Node.isObjectLiteralExpression(inner) &&
        inner.getProperty("taskQueue") !== undefined;
      if (isOptions) argument = inner;
    }
    const isKnown = !argument || Node.isIdentifier(argument) ||
      Node.isObjectLiteralExpression(argument);
    if (!isKnown) {
      return find(todo, node, 'pass "plugins: denoPlugins" in these options');
    }
    add(`import { denoPlugins } from "${modules.plugins(path)}";`);
    find(changes, node, `passes the plugin to ${called(node)}()`);
    if (!argument) return insert(node.getEnd() - 1, "{ plugins: denoPlugins }");
    if (!Node.isObjectLiteralExpression(argument)) {
      const rest = `[...(${argument.getText()}.plugins ?? []), ...denoPlugins]`;
      insert(argument.getStart(), "{ ...");
      return insert(argument.getEnd(), `, plugins: ${rest} }`);
    }
    const given = argument.getProperty("plugins");
    if (Node.isShorthandPropertyAssignment(given)) {
      return insert(given.getEnd(), ": [...(plugins ?? []), ...denoPlugins]");
    }
    if (Node.isPropertyAssignment(given)) {
      const value = given.getInitializerOrThrow();
      if (Node.isArrayLiteralExpression(value)) {
        const last = value.getElements().at(-1);
        const text = last ? ", ...denoPlugins" : "...denoPlugins";
        return insert(last?.getEnd() ?? value.getStart() + 1, text);
      }
      insert(value.getStart(), "[...(");
      return insert(value.getEnd(), " ?? []), ...denoPlugins]");
    }
    const [first] = argument.getProperties();
    const space = first
      ? source.getFullText().slice(argument.getStart() + 1, first.getStart())
      : "";
    // Comments belong to the property that they precede.
    const isPlain = /^\s*$/.test(space);
    const text = `${isPlain ? space : " "}plugins: denoPlugins,`;
    insert(argument.getStart() + 1, first ? text : " plugins: denoPlugins ");
    if (argument.getProperties().some(Node.isSpreadAssignment)) {
      find(
        todo,
        argument,
        "if what is spread here has plugins, add denoPlugins there",
      );
    }
  }

  /** A variable of CommonJS modules. */
  function moveGlobal(node: Identifier) {
    const name = node.getText();
    const parent = node.getParent();
    const isMember = Node.isPropertyAccessExpression(parent) &&
      parent.getNameNode() === node;
    const isKey = Node.isPropertyAssignment(parent) &&
      parent.getNameNode() === node;
    if (isMember || isKey || isDeclared(name)) return;
    if (name === "__dirname" || name === "__filename") {
      const assert = path.endsWith("ts") ? "!" : "";
      const own = `import.meta.${name.slice(2)}`;
      edit(node, own + assert, `uses ${own} for ${name}`);
    } else if (
      name === "require" && parent?.getText() === "require.main" &&
      parent.getParentOrThrow().getText() === "require.main === module"
    ) {
      edit(
        parent.getParentOrThrow(),
        "process.argv[1] === import.meta.filename",
        "tells by its path whether it is the main module",
      );
    } else if (name === "module" && parent?.getText() === "module.exports") {
      find(todo, node, "an ES module has no module.exports: export it");
    }
  }

  /** An import of names that Deno does not find in a CommonJS module. */
  function moveImport(node: ImportDeclaration) {
    const name = node.getModuleSpecifierValue();
    const hidden = modules.hidden.get(modules.rename(name, path) ?? name);
    const isOwn = modules.isCommonJs(name, path);
    if (!isOwn && !hidden || node.isTypeOnly() || node.getDefaultImport()) {
      return;
    }
    const all = node.getNamedImports();
    const values = all.filter((one) =>
      !one.isTypeOnly() && (isOwn || hidden?.has(one.getName()))
    );
    if (values.length === 0) return;
    const whole = `${name.replace(/^.*\//, "").replace(/\W+/g, "_")}_module`;
    const rest = all.filter((one) => !values.includes(one));
    const kept = rest.length > 0
      ? `, { ${rest.map((one) => one.getText()).join(", ")} }`
      : "";
    const used = values.filter((one) => {
      const local = one.getAliasNode()?.getText() ?? one.getName();
      const uses = source.getDescendantsOfKind(SyntaxKind.Identifier)
        .filter((id) => id.getText() === local && id.getParent() !== one);
      const types = uses.filter(isInType);
      for (const id of types) {
        edits.push({
          start: id.getStart(),
          end: id.getEnd(),
          text: `${whole}.${one.getName()}`,
        });
      }
      return uses.length > types.length;
    });
    const names = used.map((one) =>
      one.getAliasNode()
        ? `${one.getName()}: ${one.getAliasNode()!.getText()}`
        : one.getName()
    );
    if (names.length > 0) add(`const { ${names.join(", ")} } = ${whole};`);
    const clause = node.getImportClauseOrThrow();
    edit(clause, whole + kept, `imports "${name}" as the CommonJS it is`);
  }

  function isInType(node: Node): boolean {
    const parent = node.getParent();
    return Node.isTypeReference(parent) || Node.isQualifiedName(parent);
  }

  /** Applies the edits, from the end of the file to its beginning. */
  function apply(): string {
    const lines = [...added].filter((line) => !isImported(line));
    const isImport = (line: string) => line.startsWith("import");
    const imports = lines.filter(isImport);
    const others = lines.filter((line) => !isImport(line));
    const statements = source.getStatements();
    const first = source.getImportDeclarations()[0] ?? statements[0];
    const last = source.getImportDeclarations().at(-1);
    if (imports.length > 0) {
      insert(
        first.getStart(),
        imports.map((line) => `${line.replaceAll('"', quote)}\n`).join(""),
      );
    }
    if (others.length > 0) {
      const text = others.join("\n");
      if (last) insert(last.getEnd(), `\n${text}`);
      else insert(first.getStart(), `${text}\n`);
    }
    for (const finding of [...changes, ...todo]) {
      if (finding.path !== path || !finding.line) continue;
      const { line } = finding;
      if (line >= first.getStartLineNumber()) finding.line += imports.length;
      if (line > (last ?? first).getEndLineNumber()) {
        finding.line += others.length;
      }
    }
    let text = source.getFullText();
    edits.sort((a, b) => b.start - a.start || b.end - a.end);
    for (const { start, end, text: own } of edits) {
      text = text.slice(0, start) + own + text.slice(end);
    }
    return text;
  }

  function isImported(line: string): boolean {
    const [, name, from] =
      line.match(/^import \{ (\w+) \} from "(?:node:)?(.*)";/) ??
        [];
    return source.getImportDeclarations().some((one) =>
      one.getModuleSpecifierValue().replace(/^node:/, "") === from &&
      one.getNamedImports().some((one) => one.getName() === name)
    );
  }
}
