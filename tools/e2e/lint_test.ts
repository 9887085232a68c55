/** What `deno lint` prints of the examples in `docs/lint.md` and `docs/mistakes.md`. */

import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import config from "../../deno.json" with { type: "json" };
import plugin from "../../packages/plugin/lint/mod.ts";
import { readProjectFile, root, temporaryFolder } from "./_programs.ts";

const tutorial = await readProjectFile("workflows.ts");

/** Code, and what `deno lint` prints of it. */
const example =
  /^In `workflows.ts`.*:\n\n```ts\n([^]*?)```\n\n```text\n([^]*?)\n?```/gm;

/** Makes a module of an example, which takes imports and Activities of the tutorial. */
function complete(code: string): string {
  if (code.includes("@temporalio/workflow")) return code;
  const names = ["defineQuery", "proxyActivities", "setHandler", "sleep"]
    .filter((name) => name === "proxyActivities" || code.includes(`${name}(`));
  const body = code.includes("export ")
    ? code
    : `export async function Example(name: string) {\n${code}}\n`;
  return tutorial.replace("proxyActivities", names.join(", "))
    .replace(/\/\*\* Greets[^]*/, body);
}

/** Returns the examples of a page: modules, and what is printed of them. */
async function readExamples(path: string) {
  const text = await readProjectFile(path);
  const examples = Array.from(
    text.matchAll(example),
    ([_, code, output]) => ({ code: complete(code), output }),
  );
  assertEquals(examples.length, text.match(/^```text$/gm)?.length);
  return examples;
}

/** Returns what `deno lint` prints of each module, with paths in the folder. */
async function lint(modules: string[]): Promise<string[]> {
  await using folder = await temporaryFolder();
  const plugins = config.lint.plugins
    .map((path) => pathToFileURL(join(root, path)).href);
  await Deno.writeTextFile(
    join(folder.path, "deno.json"),
    JSON.stringify({ lint: { ...config.lint, plugins } }),
  );
  const paths = modules
    .map((_, index) => join(folder.path, `${index}`, "workflows.ts"));
  for (const [index, path] of paths.entries()) {
    await Deno.mkdir(dirname(path));
    await Deno.writeTextFile(path, modules[index]);
  }
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["lint"],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(60_000),
  }).output();
  const blocks = new TextDecoder().decode(stderr).split(/\n\n+(?=error|Found)/);
  return paths.map((path) =>
    blocks.filter((text) => text.includes(path)).join("\n")
      .replaceAll(path, "workflows.ts")
  );
}

Deno.test("deno lint prints what docs/mistakes.md says", async () => {
  const examples = await readExamples("docs/mistakes.md");
  const outputs = await lint(examples.map(({ code }) => code));
  assertEquals(outputs, examples.map(({ output }) => output));
});

Deno.test("the rules of docs/lint.md report its examples", async () => {
  const examples = await readExamples("docs/lint.md");
  const outputs = await lint(examples.map(({ code }) => code));
  // Without the place, and without what other rules report.
  const messages = outputs.map((output) =>
    output.match(/^error\[temporal[^]*?= hint: .*/gm)
      ?.map((text) => text.replace(/\n[^]*?(?== hint)/, "\n  ")).join("\n")
  );
  assertEquals(messages, examples.map(({ output }) => output));
});

Deno.test("a comment allows what a rule reports", async () => {
  const code = complete(`
  // deno-lint-ignore temporal/no-floating-promise
  say_hello(name);
`);
  assertEquals(await lint([code]), [""]);
});

Deno.test("docs/lint.md has a part for each rule", async () => {
  const page = await readProjectFile("docs/lint.md");
  const parts = [...page.matchAll(/^## ([a-z-]+)$/gm)].map(([_, name]) => name);
  assertEquals(parts, Object.keys(plugin.rules));
});
