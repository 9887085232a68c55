/**
 * Runs the end-to-end tests and those of the packages, and the shop's check (the task
 * `e2e`), or the file that is named.
 *
 * @module
 */

import {
  abortable,
  interruption,
  runProgram,
} from "../packages/cli/program.ts";
import { locateServer } from "../packages/cli/servers/locate.ts";

const options = {
  "FILE": "Test file, or pattern in quotes (default: all)",
};

/** All tests; those that take longest start first. */
const all = [
  ...["shop", "registry", "drill", "create", "dev"]
    .map((name) => `tools/e2e/${name}_test.ts`),
  ...["tools/e2e/", "packages/"],
];

/** Most code of tests runs once: to optimize it, and to collect garbage, costs more. */
const v8Flags = "--no-opt,--min-semi-space-size=16";

/** The shop's check runs beside the tests, since it mostly waits. */
const checkShop = ["task", "--quiet", "--cwd", "examples/shop", "ok"];

await runProgram("deno task e2e", options, async ({ FILE }) => {
  const signal = interruption();
  const flags = [
    ...["-q", "--no-check", "--no-prompt", "--parallel", "-P=dev"],
    `--v8-flags=${v8Flags}`,
  ];
  const tests = new Deno.Command(Deno.execPath(), {
    args: ["test", ...flags, ...FILE ? [FILE] : all],
    env: {
      DENO_JOBS: "4",
      GOGC: "400", // the same for dev servers, which are in Go
      TEMPORAL_CLI: await locateServer("dev-server", signal),
      TEMPORAL_TEST_SERVER: await locateServer("test-server", signal),
    },
    signal,
  }).spawn();
  const shop = FILE
    ? undefined
    : new Deno.Command(Deno.execPath(), { args: checkShop, signal }).output();
  const { code } = await abortable(tests.status, signal);
  const checked = await shop;
  for (const output of checked ? [checked.stderr, checked.stdout] : []) {
    console.log(new TextDecoder().decode(output));
  }
  const exitCode = code || checked?.code;
  if (exitCode) Deno.exit(exitCode);
});
