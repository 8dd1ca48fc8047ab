/**
 * Returns a stream that must exist because the caller requested it. Throws a `TypeError` if it is
 * missing.
 */
export function requireStream<Stream>(stream: Stream | null | undefined): Stream {
  if (stream === null || stream === undefined) throw new TypeError('a requested pipe is missing');
  return stream;
}
