/** What `deno doc --lint` says of the packages; JSR shows these docs. */

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../shared/project.ts";

Deno.test("each export of a package has a doc comment and public types", async () => {
  const modules: string[] = [];
  for (const { name } of Deno.readDirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    const { exports } = JSON.parse(
      await Deno.readTextFile(join(folder, "deno.json")),
    );
    const paths = typeof exports === "string"
      ? [exports]
      : Object.values<string>(exports);
    modules.push(...paths.map((path) => join(folder, path)));
  }
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...modules],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  const [, ...findings] = new TextDecoder().decode(stderr).split(
    /^(?=error\[)/m,
  );
  assertEquals(findings.filter((finding) => !isOfSdk(finding)), []);
});

/** Whether a type is called private that is public in one of the SDK's packages. */
function isOfSdk(finding: string): boolean {
  const [, type] = finding.match(/references private type '(\w+)'/) ?? [];
  const [, file] = finding.match(/--> (.*?):\d/) ?? [];
  const imports = Deno.readTextFileSync(file)
    .match(/^import [^;]* from "@temporalio\/[^;]*;/gm) ?? [];
  return imports.some((text) => text.match(/\w+/g)!.includes(type));
}
