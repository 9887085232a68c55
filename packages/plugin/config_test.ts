/** The configuration and the flags of the Worker's process. */

import { assertEquals } from "@std/assert";
import { parseFlags } from "./config.ts";

const config = "--config=/app/other.json";

for (
  const [line, flags] of [
    ["run -A main.ts", []],
    ["run -c other.json main.ts", [config]],
    ["run -c=other.json main.ts", [config]],
    ["run -cother.json main.ts", [config]],
    ["test -Aqc other.json", [config]],
    ["run --config other.json main.ts", [config]],
    ["run --config=/app/other.json main.ts", [config]],
    ["run -R=c --allow-env=c main.ts", []],
    [
      "run --import-map map.json --conditions c main.ts",
      ["--import-map=/app/map.json", "--conditions=c"],
    ],
    [
      "run --import-map=https://example.com/map.json main.ts",
      ["--import-map=https://example.com/map.json"],
    ],
    ["run --no-lock --cached-only main.ts", ["--no-lock"]],
  ] as [string, string[]][]
) {
  Deno.test(`parseFlags() reads "deno ${line}"`, () => {
    const args = ["deno", ...line.split(" "), "--config=argument", ""];
    assertEquals(parseFlags(args.join("\0"), 1, "/app"), flags);
  });
}
