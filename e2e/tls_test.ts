/** The programs by TLS, with a client certificate and an API key. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import http2 from "node:http2";
import { join } from "node:path";
import { findPort, run } from "../dev/processes.ts";
import { devServer, runTask, task, temporaryFolder } from "./_programs.ts";

/** Makes a certificate authority, and by it a server's and a client's key. */
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
 * Lets those into a Temporal Server who come by TLS with a certificate of the
 * authority, and with the API key "secret".
 */
function startGate(folder: string, port: number, server: string) {
  const read = (name: string) => Deno.readTextFileSync(join(folder, name));
  const inner = http2.connect(`http://${server}`);
  const gate = http2.createSecureServer({
    key: read("server.key"),
    cert: read("server.pem"),
    ca: read("ca.pem"),
    requestCert: true,
    rejectUnauthorized: true,
  });
  gate.on("stream", (stream: http2.ServerHttp2Stream, headers) => {
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
    // A call that one side gives up is no failure of the gate.
    stream.on("error", () => request.close());
    request.on("error", () => stream.close());
  });
  gate.listen(port, "127.0.0.1");
  return {
    [Symbol.dispose]() {
      gate.close();
      inner.destroy();
    },
  };
}

Deno.test("both programs come in by client certificate and API key", async () => {
  await using server = await devServer();
  await using folder = await temporaryFolder();
  await makeCertificates(folder.path);
  const port = findPort(40_000);
  using _gate = startGate(folder.path, port, server.address);
  const data = (name: string) => Deno.readTextFile(join(folder.path, name));
  const env = {
    TEMPORAL_ADDRESS: `localhost:${port}`,
    TEMPORAL_API_KEY: "secret",
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: await data("ca.pem"),
    TEMPORAL_TLS_CLIENT_CERT_DATA: await data("client.pem"),
    TEMPORAL_TLS_CLIENT_KEY_DATA: await data("client.key"),
  };
  {
    await using worker = task("worker", [], { env });
    await worker.prints("Worker polls");
    const { code, stdout } = await runTask("start", [], { env });
    assertEquals([code, stdout], [0, "Result: Hello, Temporal!\n"]);
  }
  await Promise.all(
    [
      { ...env, TEMPORAL_API_KEY: "wrong" },
      {
        ...env,
        TEMPORAL_TLS_CLIENT_CERT_DATA: "",
        TEMPORAL_TLS_CLIENT_KEY_DATA: "",
      },
      { ...env, TEMPORAL_TLS_SERVER_CA_CERT_DATA: "" },
    ].flatMap((env) =>
      (["worker", "start"] as const).map(async (program) => {
        const { code, stderr } = await runTask(program, [], { env });
        assertEquals(code, 1);
        assertStringIncludes(stderr, `"localhost:${port}" (`);
      })
    ),
  );
});
