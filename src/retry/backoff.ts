/** How long to wait between attempts. */
export interface Backoff {
  /** The wait before the first retry, in milliseconds. */
  readonly firstMs: number;
  /** The longest wait, in milliseconds. */
  readonly longestMs: number;
}

/** The waits between calls of a server that does not answer. */
export const callBackoff: Backoff = { firstMs: 100, longestMs: 5_000 };

/**
 * Returns the milliseconds to wait before retry number `retry` (the first is 0). The wait doubles
 * each time up to the longest, and a random part of up to half is subtracted, so that callers that
 * failed together do not retry together.
 *
 * @param random - in `[0, 1)`
 */
export function backoffMs(retry: number, { firstMs, longestMs }: Backoff, random: number = Math.random()): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(retry, 30));
  return Math.round(full / 2 + (full / 2) * random);
}
