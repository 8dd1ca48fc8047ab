import type { Clock } from '../runtime/options.ts';

/** The work was stopped because somebody else has the lease now. Internal: the caller looks again. */
export class LeaseLostError extends Error {}

/** How a lease is kept. */
export interface LeaseKeeping {
  /** `false`: it is somebody else's by now. */
  readonly renew: (signal: AbortSignal) => Promise<boolean>;
  readonly everyMs: number;
  /** How long it lasts from the last renewal that worked. */
  readonly durationMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** Does the work while renewing the lease; losing it stops the work. A renewal that merely fails is tried again at the next turn, until the lease has lapsed. */
export async function holdLease<T>(
  { renew, everyMs, durationMs, clock, signal }: LeaseKeeping,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const lost = new AbortController();
  const keep = async (): Promise<void> => {
    for (let renewedAt = clock.now(); ; ) {
      await clock.sleep(everyMs, { signal: done.signal });
      const askedAt = clock.now();
      const answer = await renew(done.signal).catch(() => 'unknown' as const);
      if (answer === true) renewedAt = askedAt;
      const held = answer !== false && clock.now() - renewedAt < durationMs;
      if (!held) lost.abort(new LeaseLostError('the lease is lost'));
    }
  };
  // Ends with the work: the abort of `done` is its only way out.
  const keeping = keep().catch(() => undefined);
  try {
    return await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]));
  } finally {
    done.abort();
    await keeping;
  }
}
