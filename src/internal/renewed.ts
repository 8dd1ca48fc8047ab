import type { Clock } from '../runtime/options.ts';

/** How often work that must not expire is renewed. */
export interface Renewal {
  /** Called at intervals. Its failure is retried at the next one. */
  readonly renew: (signal: AbortSignal) => Promise<unknown>;
  readonly everyMs: number;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** Runs the work, and renews it until it ends. */
export async function renewedDuring<T>({ renew, everyMs, clock }: Renewal, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const { signal } = done;
  const renewing = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(everyMs, { signal });
      await renew(signal).catch(() => undefined);
    }
  };
  // Ends with the rejection of the sleep.
  const renewed = renewing().catch(() => undefined);
  try {
    return await work();
  } finally {
    done.abort();
    await renewed;
  }
}
