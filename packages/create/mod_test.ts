/** What is created, where, and what is left if that fails. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { generate } from "./generate.ts";
import { createProject } from "./mod.ts";
import { projectFiles } from "./project.ts";

/** Gives a test an empty folder. */
function test(name: string, run: (folder: string) => Promise<void> | void) {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await run(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Returns the files in a folder, by their paths in it. */
function read(folder: string, prefix = ""): Record<string, string> {
  const entries = Array.from(Deno.readDirSync(join(folder, prefix)));
  return Object.assign(
    {},
    ...entries.map(({ name, isDirectory }) =>
      isDirectory ? read(folder, `${prefix}${name}/`) : {
        [prefix + name]: Deno.readTextFileSync(join(folder, prefix, name)),
      }
    ),
  );
}

/** Returns why a project is not created. */
function refusal(folder: string): string {
  try {
    createProject(folder);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("The project was created");
}

/** Runs the program with no permissions but these. */
async function run(args: string[], permissions: string[] = []) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "--no-prompt", ...permissions],
      import.meta.resolve("./mod.ts"),
      ...args,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code, stdout: out, stderr: error };
}

Deno.test("template.ts holds the tutorial's files", async () => {
  const text = await Deno.readTextFile(
    new URL("template.ts", import.meta.url),
  );
  assert(
    text === await generate(),
    'run "deno run -RW packages/create/generate.ts"',
  );
});

test("createProject() writes the tutorial's files as they are", (folder) => {
  createProject(folder);
  const files = read(folder);
  for (const [name, text] of Object.entries(files)) {
    if (
      [".dockerignore", "README.md", "deno.json", "deno.lock"].includes(name)
    ) {
      continue;
    }
    const own = new URL(`../../${name}`, import.meta.url);
    assertEquals(text, Deno.readTextFileSync(own));
  }
  assert(Object.keys(files).length <= 14);
  assert(files["deno.json"].split("\n").length <= 80);
});

test("createProject() creates the folder", (folder) => {
  createProject(join(folder, "new"));
  assertEquals(Object.keys(read(folder)).includes("new/deno.json"), true);
});

Deno.test("deno.json names the versions of a registry, and links to a checkout", () => {
  const config = (links?: string[]) =>
    JSON.parse(projectFiles({ version: "1.2.3", links })["deno.json"]);
  const { links, ...rest } = config(["../checkout/packages/plugin"]);
  assertEquals(rest, config());
  assertEquals(links, ["../checkout/packages/plugin"]);
  assertEquals(
    rest.imports["@temporal-on-deno/plugin"],
    "jsr:@temporal-on-deno/plugin@1.2.3",
  );
  assertEquals(
    rest.lint.plugins,
    ["jsr:@temporal-on-deno/plugin@1.2.3/lint"],
  );
});

Deno.test("deno.json says what each permission set is for", () => {
  const text = projectFiles({ version: "1.2.3" })["deno.json"];
  const { permissions, "// permissions": comments } = JSON.parse(text);
  assertEquals(
    Object.keys(comments),
    [...Object.keys(permissions), "a database"],
  );
});

test("createProject() refuses a folder that is not empty", (folder) => {
  Deno.writeTextFileSync(join(folder, "notes.txt"), "notes");
  assertEquals(
    refusal(folder),
    `Cannot create a project in "${folder}": it is not empty; name another folder`,
  );
  assertEquals(read(folder), { "notes.txt": "notes" });
});

test("createProject() refuses to write a project again", (folder) => {
  createProject(folder);
  assertStringIncludes(refusal(folder), "it is not empty");
});

test("createProject() refuses a file", (folder) => {
  const file = join(folder, "file");
  Deno.writeTextFileSync(file, "text");
  assertStringIncludes(refusal(file), ": it is not a folder");
  assertEquals(read(folder), { file: "text" });
});

test("createProject() refuses a folder in no folder", (folder) => {
  assertStringIncludes(
    refusal(join(folder, "missing", "new")),
    ": the folder above it does not exist",
  );
});

Deno.test("createProject() refuses a folder in the checkout", () => {
  assertStringIncludes(
    refusal(join(import.meta.dirname!, "new")),
    ": it is in the checkout",
  );
});

test("createProject() finds the checkout from a folder behind a link", (folder) => {
  Deno.mkdirSync(join(folder, "a", "b", "c"), { recursive: true });
  Deno.symlinkSync(join(folder, "a", "b", "c"), join(folder, "link"));
  createProject(join(folder, "link", "new"));
  const real = join(folder, "a/b/c/new");
  const { links } = JSON.parse(Deno.readTextFileSync(join(real, "deno.json")));
  for (const link of links) assert(Deno.statSync(join(real, link)).isDirectory);
});

test("createProject() refuses a link into the checkout", (folder) => {
  const link = join(folder, "link");
  Deno.symlinkSync(import.meta.dirname!, link);
  assertStringIncludes(refusal(join(link, "new")), ": it is in the checkout");
});

test("createProject() completes what an interrupted run has left", (folder) => {
  createProject(folder);
  const files = read(folder);
  Deno.removeSync(join(folder, "tests"), { recursive: true });
  Deno.removeSync(join(folder, "deno.json"));
  Deno.truncateSync(join(folder, "run_worker.ts"), 100);
  createProject(folder);
  assertEquals(read(folder), files);
});

test("createProject() leaves nothing behind if the disk is full", (folder) => {
  const { writeTextFileSync } = Deno;
  let count = 0;
  Deno.writeTextFileSync = (path, text) => {
    if (++count < 6) return writeTextFileSync(path, text);
    writeTextFileSync(path, text.slice(0, 10));
    throw new Error("No space left on device (os error 28)");
  };
  try {
    assertStringIncludes(
      refusal(join(folder, "new")),
      ": No space left on device",
    );
  } finally {
    Deno.writeTextFileSync = writeTextFileSync;
  }
  assertEquals(Array.from(Deno.readDirSync(folder)), []);
});

test("the program needs the permissions for the folder alone", async (folder) => {
  const path = join(folder, "my-app");
  const { code, stdout } = await run([path], [`-R=${path}`, `-W=${path}`]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, `Created a project in "${path}"\n`);
  assertStringIncludes(stdout, `Next:\n  cd ${path}\n  deno task demo\n`);
});

test("the program prints any name so that a shell and a terminal take it as text", async (folder) => {
  const path = join(folder, "it's $(x) \x1b[31m\u202e");
  const { code, stdout } = await run([path], ["-R", "-W"]);
  assertEquals(code, 0);
  const shown = join(folder, "it's $(x) ?[31m?");
  assertStringIncludes(stdout, `Created a project in "${shown}"\n`);
  assertStringIncludes(
    stdout,
    `  cd '${shown.replace("'", "'\\''")}'\n`,
  );
});

test("the program reports a failure in one line", async (folder) => {
  const { code, stderr } = await run([join(folder, "a", "b")], ["-R", "-W"]);
  assertEquals(code, 1);
  assertEquals(stderr.trim().split("\n").length, 1);
  const denied = await run([join(folder, "a")]);
  assertEquals(denied.code, 1);
  assertStringIncludes(denied.stderr, "allow both with -R and -W");
});

test("the program completes what Ctrl-C has left of an earlier run", async (folder) => {
  const path = join(folder, "my-app");
  // It waits in the middle of a file.
  const preload = `const { writeTextFileSync } = Deno;
    Deno.writeTextFileSync = (path, text) => {
      if (!path.endsWith("run_worker.ts")) return writeTextFileSync(path, text);
      writeTextFileSync(path, text.slice(0, 100));
      console.log("waiting");
      for (;;);
    };`;
  const interrupted = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "--no-prompt", "-R", "-W"],
      `--preload=data:text/javascript,${encodeURIComponent(preload)}`,
      import.meta.resolve("./mod.ts"),
      path,
    ],
    stdout: "piped",
  }).spawn();
  const reader = interrupted.stdout.getReader();
  await reader.read();
  interrupted.kill("SIGINT");
  assertEquals((await interrupted.status).signal, "SIGINT");
  await reader.cancel();
  assertEquals(read(path)["run_worker.ts"].length, 100);
  assertEquals((await run([path], ["-R", "-W"])).code, 0);
  const files = read(path);
  await Deno.remove(path, { recursive: true });
  createProject(path);
  assertEquals(read(path), files);
});

Deno.test("the program rejects a wrong command line", async () => {
  const wrong = {
    "": "Missing the name of the project's folder",
    "--force": 'Unknown option "--force"',
    "a b": 'Unexpected argument "b"',
  };
  for (const [line, message] of Object.entries(wrong)) {
    const { code, stderr } = await run(line.split(" ").filter(Boolean));
    assertEquals(code, 2);
    assertEquals(stderr.split("\n")[0], message);
  }
  const { code, stdout } = await run(["--help"]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "Usage: ");
});
