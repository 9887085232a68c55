/** Where Worker and starter take their settings from, and which wins. */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { loadSettings } from "../lib/settings.ts";
import {
  denoDir,
  devServer,
  runTask,
  task,
  temporaryFolder,
} from "./_programs.ts";

/** Loads settings with this environment and configuration file. */
async function load(
  { flags, env, toml }: {
    flags?: Parameters<typeof loadSettings>[0];
    env?: Record<string, string>;
    toml?: string;
  },
) {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "temporal.toml");
  if (toml !== undefined) await Deno.writeTextFile(file, toml);
  const before = Deno.env.toObject();
  const clean = Object.keys(before).filter((name) => /^TEMPORAL_/.test(name));
  clean.forEach((name) => Deno.env.delete(name));
  const set = {
    ...toml !== undefined && { TEMPORAL_CONFIG_FILE: file },
    ...env,
  };
  Object.entries(set).forEach(([name, value]) => Deno.env.set(name, value));
  try {
    return loadSettings(flags);
  } catch (error) {
    (error as Error).message = (error as Error).message.replace(file, "FILE");
    throw error;
  } finally {
    Object.keys(set).forEach((name) => Deno.env.delete(name));
    clean.forEach((name) => Deno.env.set(name, before[name]));
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

Deno.test("the tutorial's settings hold where nothing is set", async () => {
  const { address, namespace, taskQueue } = await load({ toml: "[profile]" });
  assertEquals(
    [address, namespace, taskQueue],
    ["localhost:7233", "default", "hello-task-queue"],
  );
});

Deno.test("a profile is read from the configuration file", async () => {
  assertEquals((await load({ toml })).address, "default.test:1");
  const prod = await load({ toml, flags: { profile: "prod" } });
  assertEquals([prod.address, prod.namespace], ["prod.test:2", "prod"]);
  const { apiKey, metadata, tls } = prod.security;
  assertEquals([apiKey, metadata, tls], ["secret", { team: "a" }, true]);
  const env = { TEMPORAL_PROFILE: "prod" };
  assertEquals((await load({ toml, env })).address, "prod.test:2");
});

Deno.test("the environment wins over the profile, and flags over both", async () => {
  const env = { TEMPORAL_ADDRESS: "env.test", TEMPORAL_NAMESPACE: "env" };
  const both = await load({ toml, env });
  assertEquals([both.address, both.namespace], ["env.test:7233", "env"]);
  const flags = { address: "flag.test:3", "task-queue": "flag" };
  const all = await load({ toml, env, flags });
  assertEquals(
    [all.address, all.namespace, all.taskQueue],
    ["flag.test:3", "env", "flag"],
  );
});

Deno.test("certificates are read from the files that are named", async () => {
  await using folder = await temporaryFolder();
  const pem = join(folder.path, "x.pem");
  await Deno.writeTextFile(pem, "PEM");
  const { security } = await load({
    env: {
      TEMPORAL_TLS_CLIENT_CERT_PATH: pem,
      TEMPORAL_TLS_CLIENT_KEY_DATA: "KEY",
      TEMPORAL_TLS_SERVER_NAME: "name.test",
    },
  });
  const text = JSON.stringify(
    security.tls,
    (_, value) =>
      value instanceof Uint8Array ? new TextDecoder().decode(value) : value,
  );
  assertEquals(JSON.parse(text), {
    serverNameOverride: "name.test",
    clientCertPair: { crt: "PEM", key: "KEY" },
  });
});

for (
  const [name, given, message] of [
    ["missing file", {
      env: { TEMPORAL_CONFIG_FILE: "/no/temporal.toml" },
    }, 'Cannot read "/no/temporal.toml" (TEMPORAL_CONFIG_FILE): no such file'],
    ["broken file", {
      toml: "\n[profile",
    }, '"FILE", line 2: Invalid TOML document: '],
    ["file without profiles", {
      toml: "",
      flags: { profile: "prod" },
    }, '"FILE": no [profile.NAME]'],
    ["missing profile", {
      toml,
      flags: { profile: "test" },
    }, "\"FILE\": Profile 'test' not found"],
    [
      "unknown key",
      {
        toml: '[profile.default]\nadress = "x"',
      },
      '"FILE": Validation error: key(s) unrecognized in profile.default: adress',
    ],
    ["certificate without a key", {
      env: { TEMPORAL_TLS_CLIENT_CERT_PATH: "/no.pem" },
    }, "TLS needs both client_cert_path and client_key_path, or neither"],
    ["missing certificate", {
      env: { TEMPORAL_TLS_SERVER_CA_CERT_PATH: "/no.pem" },
    }, 'Cannot read "/no.pem" (server_ca_cert_path): no such file'],
  ] as [string, Parameters<typeof load>[0], string][]
) {
  Deno.test(`a ${name} is told with file and key`, async () => {
    await assertRejects(() => load(given), UserError, message);
  });
}

Deno.test("both programs use the profile that the temporal CLI has written", async () => {
  await using server = await devServer();
  await using home = await temporaryFolder();
  const folder = join(home.path, ".config", "temporalio");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    join(folder, "temporal.toml"),
    `[profile.mine]\naddress = "${server.address}"\n`,
  );
  const env = {
    DENO_DIR: denoDir,
    HOME: home.path,
    XDG_CONFIG_HOME: "",
  };
  const args = ["--profile", "mine"];
  await using worker = task("worker", args, { env });
  await worker.prints(`at ${server.address}; `);
  const { stdout } = await runTask("start", args, { env });
  assertEquals(stdout, "Result: Hello, Temporal!\n");
});
