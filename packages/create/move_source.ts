/**
 * Moves a source file from Node.js to Deno.
 *
 * @module
 */

import {
  type CallExpression,
  type Identifier,
  type ImportDeclaration,
  type ImportEqualsDeclaration,
  Node,
  type SourceFile,
  type StringLiteral,
  SyntaxKind,
} from "ts-morph";
import type { Application, Finding } from "./move_application.ts";
import {
  locate,
  packageName,
  relativeName,
  renameModule,
} from "./move_modules.ts";

/** Modules that serve HTTP. */
const service =
  /^(?:(?:node:)?http2?|https|express|fastify|koa|hono|next|@nestjs\/core|@trpc\/server)$/;

const sdk = /^@temporalio\/(?:client|testing|worker)$/;

/** Options of the SDK that name modules. */
const modulePath = /^(?:workflowsPath|\w+ConverterPath)$/;

/** Functions of the SDK's packages that take plugins. */
const pluggable =
  /^(?:Worker\.(?:create|runReplayHistory|runReplayHistories)|bundleWorkflowCode|TestWorkflowEnvironment\.create\w*)$/;

const spread = "if what is spread here has plugins, add denoPlugins there";
const transform =
  "Node.js runs this syntax with --experimental-transform-types only";

/** Returns text as a literal with these quotes. */
function literal(text: string, quote: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote;
}

/** Whether syntax is more than JavaScript with types. */
function needsTransform(node: Node): boolean {
  return Node.isEnumDeclaration(node) && !node.isAmbient() ||
    Node.isParameterDeclaration(node) && node.isParameterProperty() ||
    Node.isModuleDeclaration(node) && !node.isAmbient() &&
      node.getStatements().some((one) =>
        !Node.isInterfaceDeclaration(one) && !Node.isTypeAliasDeclaration(one)
      );
}

/**
 * Moves a file; returns its new text. It takes the names that Deno cannot import from
 * each CommonJS package, and the module that exports the plugin.
 */
export function moveSource(
  app: Application,
  source: SourceFile,
  { path, hidden, pluginFile }: {
    path: string;
    hidden: Map<string, Set<string>>;
    pluginFile: string;
  },
): string {
  const edits: { start: number; end: number; text: string }[] = [];
  const added = new Set<string>();
  const [quote = '"'] = source.getImportDeclarations()
    .map((one) => one.getModuleSpecifier().getText()[0]);
  const found = new Map<Finding, number>();
  const find = (list: Finding[]) => (node: Node, text: string) => {
    const finding = { path, line: node.getStartLineNumber(), text };
    found.set(finding, node.getStart());
    list.push(finding);
  };
  const note = find(app.changes);
  const look = find(app.todo);
  const edit = (node: Node, text: string, what: string) => {
    edits.push({ start: node.getStart(), end: node.getEnd(), text });
    note(node, what);
  };
  const insert = (at: number, text: string) => {
    edits.push({ start: at, end: at, text });
  };
  const called = (node: CallExpression) => node.getExpression().getText();
  const isGlobal = (node: Node) => !node.getSymbol()?.getDeclarations().length;
  const kinds = new Set<string>();
  // One line of a kind is enough, as the whole file needs it.
  const lookOnce = (node: Node, text: string) => {
    if (!kinds.has(text)) look(node, text);
    kinds.add(text);
  };
  const add = (line: string) => added.add(line);
  const rename = (name: string) => renameModule(app, name, path);
  const isService = [...app.declared].some((name) => service.test(name));

  source.getImportStringLiterals().forEach(moveName);
  for (const node of source.getDescendants()) {
    if (Node.isStringLiteral(node)) movePath(node);
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
    } else if (Node.isImportEqualsDeclaration(node)) moveImportEquals(node);
    else if (needsTransform(node)) lookOnce(node, transform);
    else if (
      Node.isVariableStatement(node) && /using$/.test(node.getDeclarationKind())
    ) {
      lookOnce(node, 'Node.js runs "using" since version 24 only');
    } else if (Node.isDecorator(node)) {
      lookOnce(node, "Node.js runs no decorators without a build");
    } else if (
      Node.isJsxOpeningElement(node) || Node.isJsxSelfClosingElement(node)
    ) {
      lookOnce(node, "Node.js runs no JSX without a build");
    } else if (Node.isExportAssignment(node) && node.isExportEquals()) {
      const value = node.getExpression().getText();
      edit(node, `export default ${value};`, "exports this as the default");
    } else if (Node.isPropertyAccessExpression(node)) {
      const call = node.getParentIfKind(SyntaxKind.CallExpression);
      const isCalled = call?.getExpression() === node;
      if (!isCalled && pluggable.test(sdkName(node.getText()))) {
        look(node, 'pass "plugins: denoPlugins" where this is called');
      }
    }
  }
  return apply();

  /** The name of a module, where it stands in an import. */
  function moveName(node: StringLiteral) {
    const parent = node.getParent();
    const isRequired = Node.isExternalModuleReference(parent) ||
      Node.isCallExpression(parent) && called(parent) === "require";
    if (isRequired) return;
    const name = node.getLiteralValue();
    const renamed = rename(name);
    if (renamed === undefined) {
      return look(node, `there is no module "${name}": build or install it`);
    }
    if (
      !/^\./.test(name) && locate(app, name, path) &&
      !app.declared.has(packageName(name))
    ) {
      lookOnce(
        node,
        "Node.js and tsc do not find names that only deno.json has: import " +
          'relative paths, or "#" names of "imports" in package.json',
      );
    }
    const isJson = renamed.endsWith(".json") &&
      Node.isImportDeclaration(parent) && !parent.getAttributes();
    const attribute = isJson ? ' with { type: "json" }' : "";
    if (renamed === name && !isJson) return;
    const own = node.getText()[0];
    const text = literal(renamed, own) + attribute;
    edit(node, text, `imports "${renamed}"`);
  }

  /** The path of a module, which an option of the SDK or a URL names. */
  function movePath(node: StringLiteral) {
    const call = node.getParent();
    const isUrl = Node.isNewExpression(call) &&
      call.getText().endsWith(", import.meta.url)");
    const isJoined = Node.isCallExpression(call) &&
      call.getArguments().length === 2 &&
      call.getArguments()[0].getText() === "__dirname" &&
      modulePath.test(
        call.getParentIfKind(SyntaxKind.PropertyAssignment)?.getName() ?? "",
      );
    if (/^(?:ts-node|tsx)(?:\/|$)/.test(node.getLiteralValue())) {
      look(node, "this runner may not load ES modules: run deno or node");
    }
    if (!isUrl && !isJoined) return;
    const name = node.getLiteralValue().replace(/^(?!\.)/, "./");
    const renamed = rename(name);
    if (!renamed || renamed === name || isUrl && !name.endsWith("js")) return;
    edit(node, literal(renamed, quote), `names "${renamed}"`);
  }

  function moveCall(node: CallExpression) {
    const name = called(node);
    const [argument] = node.getArguments();
    const isLiteral = Node.isStringLiteral(argument) ||
      Node.isNoSubstitutionTemplateLiteral(argument);
    const isLoaded = name === "import" || name === "require";
    if (isLoaded && isLiteral && sdk.test(argument.getLiteralText())) {
      look(node, 'pass "plugins: denoPlugins" to what this loads');
    }
    if (/^(?:import|require(?:\.resolve)?)$/.test(name) && !isLiteral) {
      look(node, "this name needs the ending of its file");
    }
    if (name === "require.resolve" && isLiteral) {
      const given = argument.getLiteralText();
      const renamed = rename(given) ?? given;
      add('import { fileURLToPath } from "node:url";');
      const text = `fileURLToPath(import.meta.resolve(${
        literal(renamed, quote)
      }))`;
      edit(node, text, `resolves "${renamed}" as an ES module does`);
    } else if (
      /^require(?:\.resolve)?$/.test(name) &&
      isGlobal(node.getFirstDescendantByKindOrThrow(SyntaxKind.Identifier))
    ) {
      add('import { createRequire } from "node:module";');
      add("const require = createRequire(import.meta.url);");
      const isOwn = isLiteral && argument.getLiteralText().startsWith(".");
      if (isOwn) look(node, "require() of an own module: import it");
      else note(node, "creates require()");
    } else if (pluggable.test(sdkName(name))) {
      plugIn(node, argument);
    } else if (
      /^Connection\.(?:connect|lazy)$/.test(sdkName(name)) && livesLong()
    ) {
      look(
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
      if (!sdk.test(from)) continue;
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
    ) || isService && source.getExportSymbols().length > 0;
  }

  /** Passes the plugin to what creates a Worker, a bundle or an environment. */
  function plugIn(node: CallExpression, argument: Node | undefined) {
    if (node.getText().includes("denoPlugins")) return;
    while (
      Node.isAsExpression(argument) || Node.isSatisfiesExpression(argument) ||
      Node.isTypeAssertion(argument)
    ) {
      argument = argument.getExpression();
    }
    // What changes these options, such as a coverage tool, keeps the plugins.
    if (Node.isCallExpression(argument)) {
      const inner = argument.getArguments().find((one) =>
        Node.isObjectLiteralExpression(one) && one.getProperty("taskQueue")
      );
      argument = inner ?? argument;
    }
    add(`import { denoPlugins } from "${relativeName(path, pluginFile)}";`);
    note(node, `passes the plugin to ${called(node)}()`);
    if (
      app.aliases.length > 0 && sdkName(called(node)) === "bundleWorkflowCode"
    ) {
      look(node, "webpack does not know the aliases: see docs/imports.md");
    }
    if (!argument) return insert(node.getEnd() - 1, "{ plugins: denoPlugins }");
    if (!Node.isObjectLiteralExpression(argument)) {
      const isName = Node.isIdentifier(argument) ||
        Node.isPropertyAccessExpression(argument);
      const own = `[...(${argument.getText()}.plugins ?? []), ...denoPlugins]`;
      insert(
        argument.getStart(),
        isName ? "{ ..." : "{ plugins: denoPlugins, ...",
      );
      insert(argument.getEnd(), isName ? `, plugins: ${own} }` : " }");
      if (!isName) look(argument, spread);
      return;
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
      look(argument, spread);
    }
  }

  /** A variable of CommonJS modules. */
  function moveGlobal(node: Identifier) {
    const name = node.getText();
    const parent = node.getParent();
    const isKey = (Node.isPropertyAccessExpression(parent) ||
      Node.isPropertyAssignment(parent)) && parent.getNameNode() === node;
    if (isKey || !isGlobal(node)) return;
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
    } else if (
      /^(?:module|exports)$/.test(name) &&
      parent?.getFirstChild() === node &&
      Node.isPropertyAccessExpression(parent) &&
      !/^require\.main [!=]==? module/.test(parent.getParent()?.getText() ?? "")
    ) {
      look(node, `an ES module has no "${parent.getText()}"`);
    }
  }

  /** An import of names that Deno does not find in a CommonJS module. */
  function moveImport(node: ImportDeclaration) {
    const name = node.getModuleSpecifierValue();
    const missing = hidden.get(rename(name) ?? name);
    const isOwn = app.commonJs.has(locate(app, name, path) ?? "");
    if (!isOwn && !missing || node.isTypeOnly() || node.getDefaultImport()) {
      return;
    }
    const all = node.getNamedImports();
    const values = all.filter((one) =>
      !one.isTypeOnly() && (isOwn || missing?.has(one.getName()))
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

  /** `import x = require("x")`, which only CommonJS modules may have. */
  function moveImportEquals(node: ImportEqualsDeclaration) {
    const reference = node.getModuleReference();
    const given = Node.isExternalModuleReference(reference) &&
      reference.getExpression();
    if (!given || !Node.isStringLiteral(given)) {
      return lookOnce(node, transform);
    }
    const name = given.getLiteralValue();
    const renamed = rename(name) ?? name;
    const text = app.texts.get(locate(app, name, path) ?? "");
    // A package is CommonJS, or this would have failed.
    const isDefault = text === undefined || /\bexport (?:=|default)/.test(text);
    const what = isDefault ? node.getName() : `* as ${node.getName()}`;
    const kind = node.isTypeOnly() ? "import type" : "import";
    const from = literal(renamed, quote);
    edit(node, `${kind} ${what} from ${from};`, `imports "${renamed}"`);
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
    let text = source.getFullText();
    const linesOf = (text: string) => text.split("\n").length - 1;
    for (const [finding, at] of found) {
      for (const { start, end, text: own } of edits) {
        if (start > at) continue;
        finding.line! += linesOf(own) - linesOf(text.slice(start, end));
      }
    }
    const [lineEnd = "\n"] = text.match(/\r?\n/) ?? [];
    edits.sort((a, b) => b.start - a.start || b.end - a.end);
    for (const { start, end, text: own } of edits) {
      const lines = own.replaceAll(/\r?\n/g, lineEnd);
      text = text.slice(0, start) + lines + text.slice(end);
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
