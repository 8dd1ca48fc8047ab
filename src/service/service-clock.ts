import { setTimeout } from 'node:timers/promises';

import type { AbortOptions, Clock } from '../index.ts';

/** The clock of this machine. A wait rejects with the signal's reason. */
export const serviceClock: Clock = {
  now: () => Date.now(),
  sleep: async (delayMs: number, { signal }: AbortOptions = {}) => {
    try {
      await setTimeout(delayMs, undefined, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
