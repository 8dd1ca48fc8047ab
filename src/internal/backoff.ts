/** How long to wait between attempts. */
export interface Backoff {
  /** Before the first retry, in milliseconds. */
  readonly firstMs: number;
  /** The longest wait, in milliseconds. */
  readonly longestMs: number;
}

/**
 * Milliseconds to wait before retry number `retry` (the first is 0): doubles each time up to the longest, and takes a random half off, so that many who
 * failed together do not come back together.
 *
 * @param random - in `[0, 1)`
 */
export function backoffMs(retry: number, { firstMs, longestMs }: Backoff, random: number = Math.random()): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(retry, 30));
  return Math.round(full / 2 + (full / 2) * random);
}
