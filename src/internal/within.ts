import type { Clock } from '../runtime/options.ts';
import { abortable } from './abort.ts';

/** The work did not end within its limit. */
export class TookTooLong extends Error {
  constructor(limitMs: number) {
    super(`not done within ${limitMs} ms`);
  }
}

/**
 * Waits for the work up to the limit, then aborts the work's signal and rejects with `TookTooLong`.
 * The caller's signal also aborts the work, and rejects with its reason. No timer remains.
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
