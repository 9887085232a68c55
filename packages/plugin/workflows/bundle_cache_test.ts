/** The cache of bundles: what makes one out of date. */

import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { describeInputs, readCache, writeCache } from "./bundle_cache.ts";

Deno.test.sanitizer({ ops: true, resources: true });

const config = { imports: { a: "./a.ts" }, tasks: { a: "echo" } };
const files = {
  "a.ts": `export const a = 1; import "./folder"; import "./link/b.ts";`,
  "folder/index.ts": "export {};",
  "one/b.ts": "export {};",
  "node_modules/.deno/b@1/node_modules/b/index.js": "exports.b = 1;",
  "deno.json": JSON.stringify(config),
};
const dependency = "node_modules/.deno/b@1/node_modules/b";

/** Whether a text in the cache is still up to date after a change. */
async function isUpToDateAfter(
  change: (folder: string) => void | Promise<void>,
  { text = files["a.ts"], started = Date.now() + 60_000 } = {},
): Promise<boolean> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
      await Deno.writeTextFile(join(folder, name), content);
    }
    await Deno.symlink(
      join(folder, dependency),
      join(folder, "node_modules/b"),
    );
    await Deno.symlink(join(folder, "one"), join(folder, "link"));
    const modules = [
      { path: join(folder, "a.ts"), text },
      { path: join(folder, dependency, "index.js") },
    ];
    const cache = join(folder, "cache", "file");
    const paths = [join(folder, "workflows")];
    writeCache(cache, "text", describeInputs(modules, started, paths));
    await change(folder);
    return readCache(cache)?.text === "text";
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const write = (name: string, text: string) => async (folder: string) => {
  const path = join(folder, name);
  await Deno.writeTextFile(path, text);
  // The clock of the file system may not have moved since the file was written.
  const time = Date.now() / 1000 + 1;
  await Deno.utime(path, time, time);
};

for (
  const [what, isUpToDate, change] of [
    ["no change", true, () => {}],
    ["a change of a time", true, write("a.ts", files["a.ts"])],
    ["a change of a module", false, write("a.ts", "export const a = 2;")],
    ["a change that keeps size and time", false, async (folder) => {
      const path = join(folder, "a.ts");
      const { ctime, mtime } = await Deno.stat(path);
      await Deno.writeTextFile(path, files["a.ts"].replace("1", "2"));
      await Deno.utime(path, mtime!, mtime!);
      // Deno tells the time of the change in seconds: let the old one be longer ago.
      const cache = join(folder, "cache", "file");
      const text = await Deno.readTextFile(cache);
      await Deno.writeTextFile(cache, text.replaceAll(`${+ctime!}`, "0"));
    }],
    ["a new module that precedes", false, write("folder.ts", "export {};")],
    ["a new entry that precedes", false, write("workflows.ts", "export {};")],
    ["a link to another folder", false, async (folder) => {
      await Deno.remove(join(folder, "link"));
      await Deno.mkdir(join(folder, "two"));
      await Deno.symlink(join(folder, "two"), join(folder, "link"));
    }],
    ["a module's end", false, (folder) => Deno.remove(join(folder, "a.ts"))],
    [
      "a patch of a package",
      false,
      write(`${dependency}/index.js`, "exports.b = 2;"),
    ],
    ["another version of a package", false, async (folder) => {
      const link = join(folder, "node_modules", "b");
      await Deno.remove(link);
      await Deno.mkdir(join(folder, "node_modules/.deno/b@2"));
      await Deno.symlink(join(folder, "node_modules/.deno/b@2"), link);
    }],
    [
      "a change of imports",
      false,
      write("deno.json", JSON.stringify({ ...config, imports: {} })),
    ],
    [
      "a change of tasks and permissions",
      true,
      write(
        "deno.json",
        JSON.stringify({ ...config, tasks: {}, permissions: { a: {} } }),
      ),
    ],
    ["a configuration file", false, write("package.json", "{}")],
    ["a lock file", false, write("deno.lock", "{}")],
    [
      "damage",
      false,
      (folder) => Deno.truncate(join(folder, "cache", "file"), 2),
    ],
  ] as [string, boolean, (folder: string) => void | Promise<void>][]
) {
  const verdict = isUpToDate ? "keeps" : "gives up";
  Deno.test(`the cache ${verdict} a bundle after ${what}`, async () => {
    assertEquals(await isUpToDateAfter(change), isUpToDate);
  });
}

Deno.test("the cache gives up a bundle of code that was saved while it was bundled", async () => {
  const text = "export const a = 0;";
  assertEquals(await isUpToDateAfter(() => {}, { text }), false);
  assertEquals(await isUpToDateAfter(() => {}, { started: 0 }), false);
});
