import type { Clock } from '../runtime/options.ts';

/** What a heartbeat watches and does. */
export interface HeartbeatOptions {
  /** How often the other end is asked for a sign of life, in milliseconds. */
  readonly intervalMs: number;
  /** After how much silence it is dead, in milliseconds; rounded up to whole intervals. */
  readonly deadAfterMs: number;
  /** How many bytes have come so far, of whatever kind. */
  readonly bytesRead: () => number;
  readonly ping: () => void;
  /** Called once at most. */
  readonly dead: (silentMs: number) => void;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * Pings at each interval, and tells when nothing at all has come for too long. Silence is counted in intervals and not read off the clock, so that a
 * changed clock or a machine that slept doesn't end a connection that lives.
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
