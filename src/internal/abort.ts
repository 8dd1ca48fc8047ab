import { addAbortListener } from 'node:events';

/**
 * What the promise settles with, or the signal's reason, as it is, if that comes first. The work behind the promise goes on; what it fails with later is
 * ignored. The listener is removed on every path.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  promise.catch(() => undefined);
  signal.throwIfAborted();
  const { promise: aborted, resolve: abort } = Promise.withResolvers<void>();
  using _listener = addAbortListener(signal, () => {
    abort();
  });
  const first = await Promise.race([promise.then((value) => ({ value })), aborted]);
  if (first === undefined) throw signal.reason;
  return first.value;
}

/** The signal's reason as something to destroy a stream with: itself wherever it is an error. */
export function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
