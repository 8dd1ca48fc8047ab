import { LeaseLostError } from '../errors/repository.ts';
import { within } from '../internal/within.ts';
import type { Clock } from '../runtime/options.ts';

/** How a lease is kept. */
export interface LeaseTerms {
  /** What it is for. */
  readonly handle: string;
  /** `false`: another holder has it. */
  readonly renew: (signal: AbortSignal) => Promise<boolean>;
  readonly everyMs: number;
  /** How long it lasts from the moment at which it was asked for. */
  readonly durationMs: number;
  /** When it was asked for, by the clock: before the request, whose answer may come late. */
  readonly askedAt: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/**
 * Does the work while renewing the lease. The work is stopped by `LeaseLostError` when another holder has the lease, and at
 * the latest when the lease ends by the local clock. A renewal that fails or hangs is given up and tried again at the next turn.
 */
export async function keepLease<T>(keeping: LeaseTerms, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal } = keeping;
  const done = new AbortController();
  const lost = new AbortController();
  // It ends with the work, whichever way that ends.
  const kept = keep(keeping, lost, done.signal).catch(() => undefined);
  try {
    return await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]));
  } finally {
    done.abort();
    await kept;
  }
}

async function keep(
  { handle, renew, everyMs, durationMs, askedAt, clock }: LeaseTerms,
  lost: AbortController,
  done: AbortSignal,
): Promise<void> {
  const lose = (): void => {
    lost.abort(new LeaseLostError(handle));
  };
  // A timer of its own, so that the lease ends in time whatever the renewals do.
  const expireAfter = (since: number): AbortController => {
    const renewed = new AbortController();
    const leftMs = Math.max(0, since + durationMs - clock.now());
    clock.sleep(leftMs, { signal: AbortSignal.any([renewed.signal, done]) }).then(lose, () => undefined);
    return renewed;
  };
  let expiry = expireAfter(askedAt);
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
