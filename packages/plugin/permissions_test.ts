/** What the Worker's process gives up. */

import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { cacheFolder } from "./workflows/bundle.ts";

const project = dirname(dirname(dirname(cacheFolder)));
const data = join(project, "data");
/** What the SDK needs to be loaded. */
const sdkFlags = ["-R", "-E", "-S"];

for (
  const [title, flags, left] of [
    [
      "what was granted for the plugin alone is given up",
      [
        ...sdkFlags,
        `--allow-write=${cacheFolder},${data}`,
        "--allow-run=deno",
        "--allow-ffi=.",
      ],
      [false, false, false, true],
    ],
    [
      "a wider permission stays",
      [...sdkFlags, `--allow-write=${project}`, "--allow-run", "--allow-ffi"],
      [true, true, true, true],
    ],
    ["all permissions stay", ["--allow-all"], [true, true, true, true]],
  ] as const
) {
  Deno.test(`when a Worker runs, ${title}`, async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ..."run -q --no-prompt --no-check".split(" "),
        ...flags,
        import.meta.resolve("./activities/testdata/revokes.ts"),
        cacheFolder,
        data,
      ],
      cwd: project,
      stderr: "inherit",
    }).output();
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), left);
  });
}
