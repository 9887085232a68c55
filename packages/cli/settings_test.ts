/** Where settings come from, and which take precedence. */

import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { join } from "node:path";
import {
  isLong,
  random,
  randomInteger,
  randomOf,
  randomText,
  seed,
} from "../../tools/shared/random.ts";
import { readArguments } from "./arguments.ts";
import { UserError } from "./errors.ts";
import {
  loadSettings,
  type SettingsFlags,
  settingsOptions,
} from "./settings.ts";

Deno.test.sanitizer({ ops: true, resources: true });

/** What {@linkcode load} is given. */
interface Sources {
  flags?: SettingsFlags;
  env?: Record<string, string>;
  /** Contents of the configuration file. */
  toml?: string;
}

/** Loads settings from these sources alone. */
async function load({ flags, env, toml }: Sources) {
  const folder = Deno.makeTempDirSync();
  const file = join(folder, "temporal.toml");
  if (toml !== undefined) Deno.writeTextFileSync(file, toml);
  const before = Deno.env.toObject();
  const isSetting = (name: string) => /^(TEMPORAL_|HOME|XDG_|APP)/.test(name);
  const clear = () =>
    Object.keys(Deno.env.toObject()).filter(isSetting)
      .forEach((name) => Deno.env.delete(name));
  const set = (values: Record<string, string>) =>
    Object.entries(values).forEach(([name, value]) =>
      Deno.env.set(name, value)
    );
  clear();
  set({ HOME: folder, APPDATA: folder, ...env });
  if (toml !== undefined) set({ TEMPORAL_CONFIG_FILE: file });
  try {
    return await loadSettings({ "task-queue": "queue", ...flags });
  } catch (error) {
    (error as Error).message = (error as Error).message.replace(file, "FILE");
    throw error;
  } finally {
    clear();
    set(before);
    Deno.removeSync(folder, { recursive: true });
  }
}

const toml = `
[profile.default]
address = "default.test:1"
[profile.prod]
address = "prod.test:2"
namespace = "prod"
api_key = "secret"
[profile.prod.grpc_meta]
team = "a"
`;

/** Loads settings and returns what is compared most. */
async function loadNames(sources: Sources) {
  const { connectionOptions, namespace, taskQueue } = await load(sources);
  return [connectionOptions.address, namespace, taskQueue];
}

Deno.test("loadSettings() has defaults", async () => {
  assertEquals(await loadNames({}), ["localhost:7233", "default", "queue"]);
});

Deno.test("loadSettings() reads a profile from the configuration file", async () => {
  assertEquals((await loadNames({ toml }))[0], "default.test:1");
  const flags = { profile: "prod" };
  const { connectionOptions, namespace } = await load({ toml, flags });
  const { address, apiKey, metadata, tls } = connectionOptions;
  assertEquals([address, namespace], ["prod.test:2", "prod"]);
  assertEquals([apiKey, metadata, tls], ["secret", { team: "a" }, true]);
  const env = { TEMPORAL_PROFILE: "prod" };
  assertEquals((await loadNames({ toml, env }))[0], "prod.test:2");
});

Deno.test("loadSettings() prefers the environment to the profile, and flags to both", async () => {
  const env = { TEMPORAL_ADDRESS: "env.test", TEMPORAL_NAMESPACE: "env" };
  assertEquals(await loadNames({ toml, env }), [
    "env.test:7233",
    "env",
    "queue",
  ]);
  const flags = { address: "flag.test:3", "task-queue": "flag" };
  const all = await loadNames({ toml, env, flags });
  assertEquals(all, ["flag.test:3", "env", "flag"]);
});

Deno.test("loadSettings() takes an empty variable for one that is not set", async () => {
  const env = { TEMPORAL_ADDRESS: "", TEMPORAL_TLS: "", TEMPORAL_PROFILE: "" };
  assertEquals((await loadNames({ env }))[0], "localhost:7233");
});

Deno.test("loadSettings() reads gRPC metadata from the environment", async () => {
  const env = { TEMPORAL_GRPC_META_MY_TEAM: "a" };
  assertEquals((await load({ env })).connectionOptions.metadata, {
    "my-team": "a",
  });
});

Deno.test("loadSettings() reads certificates from files", async () => {
  const file = Deno.makeTempFileSync();
  Deno.writeTextFileSync(file, "PEM");
  const { tls } = (await load({
    env: {
      TEMPORAL_TLS_CLIENT_CERT_PATH: file,
      TEMPORAL_TLS_CLIENT_KEY_DATA: "KEY",
      TEMPORAL_TLS_SERVER_NAME: "name.test",
    },
  })).connectionOptions;
  Deno.removeSync(file);
  const text = JSON.stringify(
    tls,
    (_, value) =>
      value instanceof Uint8Array ? new TextDecoder().decode(value) : value,
  );
  assertEquals(JSON.parse(text), {
    serverNameOverride: "name.test",
    clientCertPair: { crt: "PEM", key: "KEY" },
  });
});

for (
  const [address, complete] of [
    ["host.test", "host.test:7233"],
    ["host.test:1", "host.test:1"],
    ["[::1]", "[::1]:7233"],
    ["[::1]:65535", "[::1]:65535"],
  ]
) {
  Deno.test(`loadSettings() accepts the address ${address}`, async () => {
    assertEquals((await loadNames({ flags: { address } }))[0], complete);
  });
}

for (
  const address of [
    "::1",
    "[::1",
    "127.0.0.1:99999",
    "127.0.0.1:0",
    "127.0.0.1:",
    "exämple:1",
    "http://x",
    "a b",
    "user@host",
    "x".repeat(100_000),
  ]
) {
  Deno.test(`loadSettings() rejects the address ${address.slice(0, 30)}`, async () => {
    const load = () => loadNames({ flags: { address } });
    const message = `Cannot use address "${
      address.slice(0, 300)
    }": write HOST:`;
    const error = await assertRejects(load, UserError, message);
    const { length } = error.message;
    assertEquals(length < 400, true);
  });
}

for (
  const [name, sources, message] of [
    [
      "a missing file",
      { env: { TEMPORAL_CONFIG_FILE: "/no/temporal.toml" } },
      '"/no/temporal.toml" does not exist',
    ],
    ["a broken file", { toml: "\n[profile" }, '"FILE", line 2: Invalid TOML'],
    [
      "a file without profiles",
      { toml: "", flags: { profile: "prod" } },
      '"FILE" has no [profile.NAME] table',
    ],
    [
      "a missing profile",
      { toml, flags: { profile: "test" } },
      "Profile 'test' not found",
    ],
    [
      "a certificate without a key",
      { env: { TEMPORAL_TLS_CLIENT_CERT_DATA: "PEM" } },
      "TLS needs both a client certificate and its key",
    ],
    [
      "a missing certificate",
      { env: { TEMPORAL_TLS_SERVER_CA_CERT_PATH: "/no.pem" } },
      "ENOENT: no such file or directory, open '/no.pem'",
    ],
  ] as [string, Sources, string][]
) {
  Deno.test(`loadSettings() rejects ${name}`, async () => {
    const { message: actual } = await assertRejects(
      () => load(sources),
      UserError,
    );
    const expected = `Cannot load settings: ${message}`;
    assertEquals(actual.slice(0, expected.length), expected);
  });
}

Deno.test(`settings of any kind load, or fail in one line (SEED=${seed})`, async () => {
  const words = [
    "",
    "-",
    "--",
    "=",
    "[",
    "]",
    ":",
    ".",
    "\n",
    '"',
    "1",
    "\x1b",
  ];
  const text = () =>
    random() < 0.3 ? randomText().replaceAll("\0", "") : Array.from(
      { length: randomInteger(6) },
      () => randomOf([...words, "localhost", "7233", "::1", "default"]),
    ).join("");
  const names = ["ADDRESS", "NAMESPACE", "TLS", "TLS_CLIENT_CERT_PATH"];
  const keys = ["address", "namespace", "tls", "api_key", "grpc_meta", "codec"];
  let failures = 0;
  const count = isLong ? 20_000 : 500;
  for (let number = 0; number < count; number++) {
    const args = Array.from(
      { length: randomInteger(4) },
      () =>
        randomOf(["--address", "--namespace", "--profile", "--x"]) +
        randomOf(["", "="]) + text(),
    );
    const env = Object.fromEntries(
      names.filter(() => random() < 0.3).map((
        name,
      ) => [`TEMPORAL_${name}`, text()]),
    );
    const lines = keys.filter(() => random() < 0.4)
      .map((key) => `${key} = ${randomOf(["true", "1", text()])}`);
    const toml = random() < 0.5
      ? undefined
      : [randomOf(["[profile.default]", text()]), ...lines].join("\n");
    try {
      const flags = readArguments(args, settingsOptions("queue"));
      const { connectionOptions } = await load({ flags, env, toml });
      assertMatch(connectionOptions.address, /^[^:]+:\d+$|^\[[^\]]+\]:\d+$/);
    } catch (error) {
      assertInstanceOf(error, UserError, `${number}: ${error}`);
      assertEquals(error.message.includes("\n    at "), false);
      failures++;
    }
  }
  assertEquals(failures > 0 && failures < count, true, `${failures} failures`);
});
