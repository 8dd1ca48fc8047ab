import type { Clock } from '../runtime/options.ts';
import { within } from './within.ts';

/** How a lease is renewed. */
export interface LeaseTerms {
  /** Returns the error that the work is aborted with. */
  readonly lost: () => Error;
  /** Resolves with `false` if another holder has the lease. */
  readonly renew: (signal: AbortSignal) => Promise<boolean>;
  readonly everyMs: number;
  /** How long the lease lasts after it was requested. */
  readonly durationMs: number;
  /** The clock's time just before the request for the lease, because the response may be late. */
  readonly requestedAt: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs the work while it renews the lease. Aborts the work when another holder has the lease, or
 * when the lease expires by the local clock. A renewal that fails or hangs is aborted and retried
 * at the next interval.
 */
export async function keepLease<T>(terms: LeaseTerms, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal } = terms;
  const done = new AbortController();
  const lost = new AbortController();
  // The renewal ends with the work, whether that resolves or rejects.
  const kept = keep(terms, lost, done.signal).catch(() => undefined);
  try {
    return await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]));
  } finally {
    done.abort();
    await kept;
  }
}

async function keep(
  { lost: lostError, renew, everyMs, durationMs, requestedAt, clock }: LeaseTerms,
  lost: AbortController,
  done: AbortSignal,
): Promise<void> {
  const lose = (): void => {
    lost.abort(lostError());
  };
  // A separate timer, so that the lease expires on time even while a renewal hangs.
  const expireAfter = (since: number): AbortController => {
    const renewed = new AbortController();
    const leftMs = Math.max(0, since + durationMs - clock.now());
    clock.sleep(leftMs, { signal: AbortSignal.any([renewed.signal, done]) }).then(lose, () => undefined);
    return renewed;
  };
  let expiry = expireAfter(requestedAt);
  await clock.sleep(everyMs, { signal: done });
  while (!lost.signal.aborted) {
    const since = clock.now();
    const answer = await within(everyMs, clock, renew, done).catch(() => undefined);
    done.throwIfAborted();
    if (answer === false) lose();
    if (answer === true) {
      expiry.abort();
      expiry = expireAfter(since);
    }
    await clock.sleep(Math.max(0, since + everyMs - clock.now()), { signal: done });
  }
}
