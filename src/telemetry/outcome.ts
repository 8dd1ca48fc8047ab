import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { AbortOptions } from '../runtime/options.ts';

/** Returns the outcome of failed work. It has few values, because it labels metrics. */
export function outcomeOf(error: unknown, { signal }: AbortOptions): string {
  if (signal?.aborted === true) return 'CANCELLED';
  return isKubernetesWorkerError(error) ? error.code.replace('KW_ERR_', '') : 'OTHER';
}
