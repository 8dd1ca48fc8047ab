import type { Clock } from '../runtime/options.ts';

/** Options of `keepAlive`. */
export interface HeartbeatOptions {
  /** The time between two pings, in milliseconds. */
  readonly intervalMs: number;
  /**
   * The silence after which the connection is dead, in milliseconds, rounded up to whole intervals.
   */
  readonly deadAfterMs: number;
  /** Returns how many bytes of any kind have arrived. */
  readonly bytesRead: () => number;
  readonly ping: () => void;
  /** Called at most once. */
  readonly dead: (silentMs: number) => void;
  readonly clock: Clock;
  /** Stops the heartbeat. */
  readonly signal: AbortSignal;
}

/**
 * Pings at each interval, and calls `dead` when no byte has arrived for too long. It counts silence
 * in intervals instead of reading the clock, so that a changed clock or a suspended machine does
 * not end a working connection.
 */
export async function keepAlive(options: HeartbeatOptions): Promise<void> {
  const { intervalMs, deadAfterMs, clock, signal } = options;
  let known = options.bytesRead();
  let silentMs = 0;
  while (!signal.aborted) {
    try {
      await clock.sleep(intervalMs, { signal });
    } catch {
      return;
    }
    const bytes = options.bytesRead();
    silentMs = bytes === known ? silentMs + intervalMs : 0;
    known = bytes;
    if (silentMs >= deadAfterMs) {
      options.dead(silentMs);
      return;
    }
    options.ping();
  }
}
