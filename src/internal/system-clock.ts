import { setTimeout as delay } from 'node:timers/promises';

import type { Clock } from '../runtime/options.ts';

/** The time of this machine. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    sleep: async (delayMs, { signal } = {}) => {
      signal?.throwIfAborted();
      try {
        await delay(delayMs, undefined, { signal });
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
  };
}
