import { addAbortListener } from 'node:events';

/**
 * Settles like the promise, or rejects with the signal's own reason if the signal aborts first. The
 * work behind the promise continues; its later error is ignored. The listener is removed on every
 * path.
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

/** Returns the signal's reason as an error for `destroy`: the reason itself if it is an error. */
export function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
