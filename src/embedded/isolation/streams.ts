/** A stream that exists because of the way its owner was made. */
export function requireStream<Stream>(stream: Stream | null | undefined): Stream {
  if (stream === null || stream === undefined) throw new TypeError('a pipe that was asked for is missing');
  return stream;
}
