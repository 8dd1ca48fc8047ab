/** A key, and when it was last written, in milliseconds by the store's clock. */
export interface AgedKey {
  readonly modifiedAt: number;
}

/** How long a key is left alone. */
const minAgeMs = 24 * 60 * 60 * 1000;
/** How far the clocks of a store and of this host may differ. */
const maxSkewMs = 24 * 60 * 60 * 1000;

/**
 * Returns the keys of a complete list that are certainly older than a day, although the clocks of
 * the store and of this host may differ. The newest key of the list shows the store's clock: keys
 * are compared with it, or with this host's clock if that is earlier. So neither a host's clock
 * that is ahead nor a key with a time in the future makes young keys old. A store that is rarely
 * written has no new key: there, a key is old after a day plus `maxSkewMs` by this host's clock.
 */
export function oldKeys<Key extends AgedKey>(keys: readonly Key[], now: number): readonly Key[] {
  const newest = keys.reduce((latest, { modifiedAt }) => Math.max(latest, modifiedAt), Number.NEGATIVE_INFINITY);
  const storeNow = Math.min(newest, now);
  return keys.filter(({ modifiedAt }) => storeNow - modifiedAt >= minAgeMs || now - modifiedAt >= minAgeMs + maxSkewMs);
}
