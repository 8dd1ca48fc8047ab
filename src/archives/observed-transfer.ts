import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { ArchiveObserver, ArchiveReport } from '../telemetry/archive-metrics.ts';
import { outcomeOf } from '../telemetry/outcome.ts';

export interface ObservedTransfer extends AbortOptions {
  readonly store: string;
  readonly direction: ArchiveReport['direction'];
  readonly clock: Clock;
  readonly observer: ArchiveObserver;
}

/** The bytes that a transfer moved. `undefined`: none had to move. */
export type MovedBytes<T> = (result: T) => number | undefined;

/** Runs a transfer, and reports how it ended. */
export async function observed<T>(
  transfer: ObservedTransfer,
  work: () => Promise<T>,
  bytesOf: MovedBytes<T>,
): Promise<T> {
  const ended = beginObserved(transfer);
  try {
    const result = await work();
    const bytes = bytesOf(result);
    ended(bytes === undefined ? 'UNCHANGED' : 'OK', bytes ?? 0);
    return result;
  } catch (error) {
    ended(outcomeOf(error, transfer), 0);
    throw error;
  }
}

/** Begins a transfer that ends later. The returned function reports its end. */
export function beginObserved({
  store,
  direction,
  clock,
  observer,
}: ObservedTransfer): (outcome: string, bytes: number) => void {
  const startedAt = clock.now();
  return (outcome, bytes) => observer({ store, direction, outcome, bytes, durationMs: clock.now() - startedAt });
}
