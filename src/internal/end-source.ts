/** Ends a source that will not be read to its end. Ignores its errors. */
export function endSource(
  source: AsyncIterable<Uint8Array>,
  reason: unknown,
  iterator?: AsyncIterator<Uint8Array>,
): void {
  // An iterator with a pending `next` ends only after it; a stream ends at once.
  if (isStream(source)) {
    source.on('error', ignore);
    source.destroy(reason instanceof Error ? reason : undefined);
  }
  void iterator?.return?.().catch(ignore);
}

interface Destroyable {
  on(event: 'error', listener: () => void): unknown;
  destroy(error?: Error): unknown;
}

function isStream(source: object): source is Destroyable {
  return (
    'destroy' in source && typeof source.destroy === 'function' && 'on' in source && typeof source.on === 'function'
  );
}

function ignore(): void {
  // The reader rejects with its own error.
}
