import { addAbortListener } from 'node:events';

import type { AbortOptions, Clock } from '../runtime/options.ts';
import { Timer } from './timer.ts';

/** Returns the clock of this machine. */
export function systemClock(): Clock {
  return { now: () => Date.now(), sleep };
}

/** Resolves after a delay of any length. Rejects with the signal's reason. */
export async function sleep(delayMs: number, { signal }: AbortOptions = {}): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = new Timer(delayMs, resolve);
  using _listener =
    signal === undefined
      ? undefined
      : addAbortListener(signal, () => {
          timer.clear();
          reject(signal.reason as Error);
        });
  await promise;
}
