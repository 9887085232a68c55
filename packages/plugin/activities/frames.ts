/**
 * Frames on the pipes between processes: a length of four bytes, then the content.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** What a frame between the Worker's process and the launcher is about. */
export const Kind = {
  /** To the launcher: start a process. */
  start: 0,
  /** To the launcher: end a process and the programs that it has started. */
  kill: 1,
  /** In both directions: a part of what a process reads or writes on its channel. */
  data: 2,
  /** From the launcher: text that a process has printed. */
  stdout: 3,
  /** From the launcher: text that a process has printed on stderr. */
  stderr: 4,
  /** From the launcher: a process has ended, as {@linkcode EndNotice} in JSON. */
  ended: 5,
} as const;

/** How a process has ended; with `error`, it could not be started. */
export interface EndNotice {
  code: number | null;
  signal: string | null;
  error?: string;
}

/** Makes a frame of its parts. */
export function toFrame(...parts: Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(parts.reduce((sum, { length }) => sum + length, 0));
  return Buffer.concat([head, ...parts]);
}

/** Makes a frame between the Worker's process and the launcher. */
export function toLauncherFrame(
  kind: number,
  id: number,
  content: Uint8Array = new Uint8Array(),
): Uint8Array {
  const head = Buffer.alloc(5, kind);
  head.writeUInt32BE(id, 1);
  return toFrame(head, content);
}

/** Takes a frame between the Worker's process and the launcher apart. */
export function parseLauncherFrame(frame: Uint8Array) {
  const { buffer, byteOffset } = frame;
  const id = new DataView(buffer, byteOffset).getUint32(1);
  return { kind: frame[0], id, content: frame.subarray(5) };
}

/** Finds the frames in a stream of bytes. */
export class FrameReader {
  /**
   * A frame that is not complete yet. Its parts are copied: each may be a byte of a
   * large chunk, which would be kept with it.
   */
  #partial = new Uint8Array();
  #size = 0;
  #needed = 4;
  readonly #maxLength: number;

  /**
   * Reads frames of at most `maxLength` bytes: nobody has to keep more of a process
   * that writes garbage.
   */
  constructor(maxLength = 2 ** 28) {
    this.#maxLength = maxLength;
  }

  /**
   * Takes the next bytes, and yields the content of each frame that is complete.
   *
   * @throws {RangeError} if a frame is too long
   */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    const all = this.#size ? this.#append(chunk) : chunk;
    let bytes = all;
    while (bytes.length >= this.#needed) {
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (length > this.#maxLength) {
        throw new RangeError(`frame of ${length} bytes`);
      }
      this.#needed = 4 + length;
      if (bytes.length < this.#needed) break;
      yield bytes.subarray(4, this.#needed);
      bytes = bytes.subarray(this.#needed);
      this.#needed = 4;
    }
    if (bytes === chunk || bytes !== all) this.#partial = new Uint8Array(bytes);
    this.#size = bytes.length;
  }

  /** Returns what has been kept, and the next bytes. */
  #append(chunk: Uint8Array): Uint8Array {
    const size = this.#size + chunk.length;
    if (size > this.#partial.length) {
      const kept = this.#partial;
      this.#partial = new Uint8Array(Math.max(size, 2 * kept.length));
      this.#partial.set(kept);
    }
    this.#partial.set(chunk, this.#size);
    return this.#partial.subarray(0, size);
  }
}
