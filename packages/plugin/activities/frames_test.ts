/** How frames are found in what a process sends. */

import { assertEquals } from "@std/assert";
import { FrameReader, toFrame } from "./frames.ts";

Deno.test("FrameReader finds frames in parts of any size", () => {
  const contents = [0, 1, 5, 300, 70_000].map((length) =>
    Uint8Array.from({ length }, (_, index) => index)
  );
  const bytes = new Uint8Array(contents.flatMap((c) => [...toFrame(c)]));
  for (const size of [1, 3, 4, 1_000, 65_536, bytes.length]) {
    const reader = new FrameReader();
    const frames: Uint8Array[] = [];
    for (let offset = 0; offset < bytes.length; offset += size) {
      frames.push(...reader.read(bytes.slice(offset, offset + size)));
    }
    assertEquals(frames, contents);
  }
});

Deno.test("FrameReader keeps no chunk of which a frame has but a byte", () => {
  const reader = new FrameReader();
  const frame = toFrame(new Uint8Array([1, 2, 3]));
  for (const byte of frame.subarray(0, -1)) {
    const chunk = new Uint8Array(65_536).fill(byte);
    assertEquals([...reader.read(chunk.subarray(0, 1))], []);
    // What is overwritten has been copied.
    chunk.fill(9);
  }
  const last = reader.read(frame.subarray(-1));
  assertEquals([...last], [new Uint8Array([1, 2, 3])]);
});
