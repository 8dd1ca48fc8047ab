import type { Clock } from '../runtime/options.ts';

/** How something that must not expire during work is renewed. */
export interface Renewal {
  /** Called at intervals. A failure is ignored: the next interval calls it again. */
  readonly renew: (signal: AbortSignal) => Promise<unknown>;
  readonly everyMs: number;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** Runs the work, and calls `renew` at intervals until the work ends. */
export async function renewedDuring<T>({ renew, everyMs, clock }: Renewal, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const { signal } = done;
  const renewing = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(everyMs, { signal });
      await renew(signal).catch(() => undefined);
    }
  };
  // The rejection of the sleep ends the loop.
  const renewed = renewing().catch(() => undefined);
  try {
    return await work();
  } finally {
    done.abort();
    await renewed;
  }
}
