import type { Clock } from '../runtime/options.ts';
import { abortable } from './abort.ts';

/** The work was given up because it took too long. */
export class TookTooLong extends Error {
  constructor(limitMs: number) {
    super(`not done within ${limitMs} ms`);
  }
}

/**
 * Waits for work, but not longer than the limit: then the work's signal is aborted, and this rejects with `TookTooLong`. The caller's
 * signal stops both as well. No timer is left behind.
 */
export async function within<T>(
  limitMs: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const [late, done] = [new AbortController(), new AbortController()];
  clock.sleep(limitMs, { signal: done.signal }).then(
    () => late.abort(new TookTooLong(limitMs)),
    () => undefined,
  );
  try {
    const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    return await abortable(work(either), either);
  } finally {
    done.abort();
  }
}
