/** Settings in the user's folder, for a program that may not read it. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { temporaryFolder } from "../../tools/shared/project.ts";

const program = new URL("testdata/load_settings.ts", import.meta.url).pathname;

/** Files of the user's folder, and what the program may do besides. */
interface Setup {
  files?: Record<string, string>;
  permissions?: string[];
  env?: Record<string, string>;
  /** The name of the folder around it. */
  name?: string;
}

/** Loads settings in a process that may run Deno and read variables. */
async function load(
  { files, permissions = ["--allow-run=deno"], env, name = "config" }: Setup,
) {
  await using folder = await temporaryFolder();
  const home = join(folder.path, name);
  const user = join(home, "temporalio");
  await Deno.mkdir(files ? user : home, { recursive: true });
  for (const [name, text] of Object.entries(files ?? {})) {
    await Deno.writeTextFile(join(user, name), text.replaceAll("FOLDER", user));
  }
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "--no-prompt", "--no-check", "--allow-env"],
      ...permissions,
      program,
    ],
    clearEnv: true,
    env: {
      ...inherited(),
      ...Deno.build.os === "linux"
        ? { XDG_CONFIG_HOME: home }
        : { HOME: home, APPDATA: home },
      ...env,
    },
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout).replaceAll(user, "FOLDER");
  assertEquals(decoder.decode(stderr), "");
  return JSON.parse(text) as { result: unknown; run: boolean };
}

/** What Deno needs to start, and no settings. */
function inherited(): Record<string, string> {
  const names = ["DENO_DIR", "HOME", "PATH", "SystemRoot"];
  return Object.fromEntries(
    names.map((name) => [name, Deno.env.get(name)])
      .filter(([, value]) => value !== undefined),
  );
}

const ignore = Deno.build.os !== "linux";
const namespace = "mine";
const toml = `[profile.default]\nnamespace = "${namespace}"\n`;
const tls = `[profile.default.tls]
client_cert_path = "FOLDER/client.pem"
client_key_path = "FOLDER/client.key"
`;

/** Tests where the folder is known from one variable. */
function test(name: string, fn: () => Promise<void>) {
  Deno.test({ name, ignore, fn });
}

test("a profile and its certificates need no permission to read", async () => {
  const { result } = await load({
    files: {
      "temporal.toml": toml + tls,
      "client.pem": "CERTIFICATE",
      "client.key": "KEY",
    },
  });
  const clientCertPair = { crt: "CERTIFICATE", key: "KEY" };
  assertEquals(result, { tls: { clientCertPair }, namespace });
});

test("a user without a profile gets the defaults", async () => {
  const expected = { namespace: "default" };
  assertEquals((await load({})).result, expected);
  assertEquals((await load({ files: {} })).result, expected);
});

test("a path cannot become a flag, or the path of another folder", async () => {
  for (const name of ["a,b", "-A", "--allow-all", "a b\n", '"é', "../x"]) {
    const { result } = await load({ name, files: { "temporal.toml": toml } });
    assertEquals(result, { namespace }, name);
  }
});

test("a profile reads no file outside of its folder", async () => {
  const outside = tls.replaceAll("FOLDER/client", "FOLDER/../outside");
  const { result } = await load({ files: { "temporal.toml": toml + outside } });
  assertStringIncludes(
    String(result),
    'Cannot load settings: Requires read access to "',
  );
  assertStringIncludes(
    String(result),
    `; add it to "read" of the task's permissions in deno.json`,
  );
});

test("mistakes in a profile are reported as those in a file that is read", async () => {
  for (
    const [files, message] of [
      [{ "temporal.toml": "\n[profile" }, '"temporal.toml", line 2: '],
      [{ "temporal.toml": "" }, '"temporal.toml" has no [profile.NAME] table'],
      [
        { "temporal.toml": toml + tls },
        "ENOENT: no such file or directory, open 'FOLDER/client.pem'",
      ],
    ] as [Record<string, string>, string][]
  ) {
    for (const permissions of [["--allow-run=deno"], ["-R"]]) {
      const { result } = await load({ files, permissions });
      const expected = `Cannot load settings: ${message}`;
      assertEquals(String(result).slice(0, expected.length), expected);
    }
  }
});

test("a program that may not run Deno reports what it may not read", async () => {
  const files = { "temporal.toml": toml };
  const { result } = await load({ files, permissions: [] });
  assertStringIncludes(
    String(result),
    'Cannot load settings: Requires read access to "FOLDER/temporal.toml"',
  );
});

test("a Client gives up running Deno, a Worker and tests keep it", async () => {
  const files = { "temporal.toml": toml };
  assertEquals((await load({ files })).run, false);
  assertEquals((await load({})).run, false);
  const ffi = ["--allow-run=deno", "--allow-ffi=node_modules"];
  assertEquals((await load({ files, permissions: ffi })).run, true);
  const all = ["--allow-run"];
  assertEquals((await load({ files, permissions: all })).run, true);
});
