import { setTimeout as sleep } from 'node:timers/promises';

import { isKubernetesWorkerError } from '../../../src/index.ts';

/** Calls again after each retryable error, if `isRetried`. */
export async function retried<T>(isRetried: boolean, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isRetried || !isKubernetesWorkerError(error) || !error.retryable) throw error;
    }
    await sleep(200);
  }
}
