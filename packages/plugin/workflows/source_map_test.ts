/** Source maps of generated code. */

import { assertEquals } from "@std/assert";
import { compose, locate, type SourceMap, split } from "./source_map.ts";

const map: SourceMap = {
  version: 3,
  sources: ["a.ts"],
  sourcesContent: [""],
  names: [],
  mappings: "",
};

Deno.test("each line leads to a place: where its first mapping leads, or the one before", () => {
  // Line 2 has a mapping in column 4, to line 5; line 3 has none.
  const json = JSON.stringify({ ...map, mappings: ";IAIA;" });
  const { code, map: covered } = split(
    `first\n    await b\nc\n//# sourceMappingURL=data:application/json;base64,${
      btoa(json)
    }`,
  );
  assertEquals(covered.mappings, ";AAIA,IAAA;AAAA");
  for (const text of ["await", "b", "c\n"]) {
    const place = locate({ code, map: covered }, code.indexOf(text, 6));
    assertEquals(place, { source: "a.ts", line: 5 });
  }
});

Deno.test("code that was generated from generated code leads to its source", () => {
  const source = { ...map, mappings: "AAIA;AACA" };
  const generated = { ...map, sources: ["generated.js"], mappings: ";AACA" };
  const code = "first\nsecond";
  assertEquals(
    locate({ code, map: compose(generated, source) }, code.indexOf("second")),
    { source: "a.ts", line: 6 },
  );
});
