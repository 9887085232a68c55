/** TLS, client certificates and API keys. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import http2 from "node:http2";
import { join } from "node:path";
import { findPort } from "../../packages/cli/ports.ts";
import { run } from "../../packages/cli/processes.ts";
import {
  output,
  startDevServer,
  startWorker,
  temporaryFolder,
} from "./_programs.ts";

/** Makes a certificate authority, and certificates for a server and a client. */
async function makeCertificates(folder: string) {
  const openssl = async (command: string) =>
    await run(["openssl", ...command.split(" ")], {
      cwd: folder,
      signal: AbortSignal.timeout(10_000),
    });
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  await openssl(`req -x509 ${key} -subj /CN=ca -keyout ca.key -out ca.pem`);
  await Deno.writeTextFile(
    join(folder, "names"),
    "subjectAltName=DNS:localhost",
  );
  for (const name of ["server", "client"]) {
    await openssl(`req ${key} -subj /CN=${name} -keyout ${name}.key -out csr`);
    await openssl(
      `x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial ` +
        `-extfile names -out ${name}.pem`,
    );
  }
}

/**
 * Starts a proxy that requires TLS, a client certificate, and the API key "secret"
 * as metadata.
 */
function startTlsProxy(folder: string, port: number, server: string) {
  const read = (name: string) => Deno.readTextFileSync(join(folder, name));
  const inner = http2.connect(`http://${server}`);
  const proxy = http2.createSecureServer({
    key: read("server.key"),
    cert: read("server.pem"),
    ca: read("ca.pem"),
    requestCert: true,
    rejectUnauthorized: true,
  });
  proxy.on("stream", (stream: http2.ServerHttp2Stream, headers) => {
    if (headers.authorization !== "Bearer secret") {
      stream.respond({ ":status": 401 }, { endStream: true });
      return;
    }
    const request = inner.request({ ...headers, ":scheme": "http" });
    stream.pipe(request);
    let trailers = {};
    request.on("trailers", (received) => trailers = received);
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    request.on("response", (response) => {
      if (stream.destroyed) return;
      stream.respond(response, { waitForTrailers: true });
      request.pipe(stream);
    });
    // A call that one side gives up is no failure of the proxy.
    stream.on("error", () => request.close());
    request.on("error", () => stream.close());
  });
  proxy.listen(port, "127.0.0.1");
  return {
    [Symbol.dispose]() {
      proxy.close();
      inner.destroy();
    },
  };
}

Deno.test("worker and start connect with a client certificate and an API key", async () => {
  await using server = await startDevServer();
  await using folder = await temporaryFolder();
  await makeCertificates(folder.path);
  const port = findPort();
  using _proxy = startTlsProxy(folder.path, port, server.address);
  const data = (name: string) => Deno.readTextFile(join(folder.path, name));
  const env = {
    TEMPORAL_ADDRESS: `localhost:${port}`,
    TEMPORAL_API_KEY: "secret",
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: await data("ca.pem"),
    TEMPORAL_TLS_CLIENT_CERT_DATA: await data("client.pem"),
    TEMPORAL_TLS_CLIENT_KEY_DATA: await data("client.key"),
  };
  {
    await using _worker = await startWorker([], { env });
    const { code, stdout } = await output("start", [], { env });
    assertEquals([code, stdout], [0, "Result: Hello, Temporal!\n"]);
  }
  const mistakes: [Record<string, string>, string][] = [
    [{ ...env, TEMPORAL_API_KEY: "wrong" }, "401"],
    // What the server does then differs from time to time.
    [{
      ...env,
      TEMPORAL_TLS_CLIENT_CERT_DATA: "",
      TEMPORAL_TLS_CLIENT_KEY_DATA: "",
    }, ""],
    [
      { ...env, TEMPORAL_TLS_SERVER_CA_CERT_DATA: "" },
      "its certificate is not trusted",
    ],
    [
      { ...env, TEMPORAL_TLS_SERVER_NAME: "other" },
      "its certificate is for another name",
    ],
    [
      { TEMPORAL_ADDRESS: server.address, TEMPORAL_TLS: "true" },
      "it does not use TLS",
    ],
  ];
  await Promise.all(
    mistakes.flatMap(([env, reason]) =>
      (["worker", "start"] as const).map(async (program) => {
        const { code, stderr } = await output(program, [], { env });
        assertEquals([code, stderr.split("\n").length], [1, 2], stderr);
        const head =
          `Cannot connect to a Temporal Service at "${env.TEMPORAL_ADDRESS}": `;
        assertStringIncludes(stderr, head);
        assertStringIncludes(
          stderr,
          "; check the address, TLS and the API key\n",
        );
        // A Client tries again until it gives up.
        if (program === "worker") assertStringIncludes(stderr, reason);
      })
    ),
  );
});
