import type { CheckFinding } from '../runtime/check.ts';
import { ok, warning } from './finding.ts';

const check = 'clocks';
/** The API server reports whole seconds. A difference of this size confuses readers of logs. */
const tolerableMs = 5_000;

/** A clock that was read between two readings of this host's clock. */
export interface ClockReading {
  /** The name of the clock, for readers. */
  readonly name: string;
  readonly at: Date;
  readonly before: number;
  readonly after: number;
}

/** Returns a warning for each clock that differs from this host's, or one finding if none does. */
export function checkClocks(readings: readonly ClockReading[]): readonly CheckFinding[] {
  const findings = readings.flatMap((reading) => {
    const differenceMs = differenceOf(reading);
    if (Math.abs(differenceMs) <= tolerableMs) return [];
    const direction = differenceMs > 0 ? 'ahead of' : 'behind';
    return [
      warning(
        check,
        `The clock of ${reading.name} is ${Math.round(Math.abs(differenceMs) / 1000)} s ${direction} this host's.`,
        'Synchronize the clocks. Leases and expiry use the clock of the database alone, so nothing is lost.',
      ),
    ];
  });
  return findings.length > 0 ? findings : [ok(check, 'The clocks agree.')];
}

/** Returns how far the clock is ahead, in milliseconds; 0 if it was within the two readings. */
function differenceOf({ at, before, after }: ClockReading): number {
  if (at.getTime() < before) return at.getTime() - before;
  return Math.max(0, at.getTime() - after);
}
