export type StreamName = 'stdout' | 'stderr';

/** How many bytes at the end of a stream are searched for its last lines. */
export const tailBytes: number = 1024 * 1024;

const lineEnd = 10;

export interface TailOptions {
  /** The number of lines; `undefined`: everything passes. */
  readonly lines: number | undefined;
  /** The end of the stream when the client asked. */
  readonly endBytes: number;
}

/** Retains the last lines before an offset, and passes them and what follows. Holds `tailBytes` at most. */
export class TailBuffer {
  readonly #lines: number | undefined;
  readonly #endBytes: number;
  #held: Uint8Array[] | undefined = [];

  constructor({ lines, endBytes }: TailOptions) {
    this.#lines = lines;
    this.#endBytes = endBytes;
  }

  /** Returns what passes when these bytes at this offset arrive. */
  pass(bytes: Uint8Array, offset: number): readonly Uint8Array[] {
    if (this.#lines === undefined || this.#held === undefined) return [bytes];
    const before = bytes.subarray(0, Math.max(this.#endBytes - offset, 0));
    this.#held.push(before);
    if (offset + bytes.byteLength < this.#endBytes) return [];
    const last = lastLines(Buffer.concat(this.#held), this.#lines);
    this.#held = undefined;
    return [last, bytes.subarray(before.byteLength)];
  }
}

/** Returns the last lines of a text. A last line without an end counts. */
function lastLines(text: Buffer, count: number): Uint8Array {
  if (count === 0) return text.subarray(text.byteLength);
  let at = text.byteLength;
  if (text[at - 1] === lineEnd) at -= 1;
  for (let left = count; left > 0; left -= 1) {
    at = at === 0 ? -1 : text.lastIndexOf(lineEnd, at - 1);
    if (at < 0) return text;
  }
  return text.subarray(at + 1);
}
