import type { LogLine } from '../cluster.ts';

const newline = 0x0a;
const space = 0x20;
/** Longer lines are split. */
const longestLineBytes = 1024 * 1024;

/**
 * Yields the lines of a log with timestamps. The rest without a line end is a line too: a container
 * may end in the middle of one.
 */
export async function* logLinesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<LogLine, void, undefined> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let openedAt: string | undefined;
  const take = (): LogLine => {
    const whole = Buffer.concat(parts);
    [parts, length] = [[], 0];
    if (openedAt !== undefined) return { at: openedAt, bytes: whole };
    const end = whole.indexOf(space);
    return { at: whole.toString('latin1', 0, Math.max(end, 0)), bytes: whole.subarray(end + 1) };
  };
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.byteLength; ) {
      const end = chunk.indexOf(newline, start) + 1;
      const piece = chunk.subarray(
        start,
        end === 0 ? Math.min(chunk.byteLength, start + longestLineBytes - length) : end,
      );
      start += piece.byteLength;
      parts.push(piece);
      length += piece.byteLength;
      if (end !== 0 && start === end) {
        yield take();
        openedAt = undefined;
      } else if (length >= longestLineBytes) {
        const part = take();
        openedAt = part.at;
        yield part;
      }
    }
  }
  if (length > 0) yield take();
}
