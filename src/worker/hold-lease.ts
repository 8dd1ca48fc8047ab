import type { Clock } from '../runtime/options.ts';

/** The work was stopped because somebody else has the lease now. Internal: the caller looks again. */
export class LeaseLostError extends Error {}

/** How a lease is kept. */
export interface LeaseKeeping {
  /** `false`: it is somebody else's by now. */
  readonly renew: () => Promise<boolean>;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** Does the work while renewing the lease; losing it stops the work. A renewal that merely fails is tried again at the next turn. */
export async function holdLease<T>({ renew, everyMs, clock, signal }: LeaseKeeping, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const done = new AbortController();
  const lost = new AbortController();
  const keep = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(everyMs, { signal: done.signal });
      const held = await renew().catch(() => true);
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
