import type { AbortOptions } from '../runtime/options.ts';
import type { VolumeRecord } from './records.ts';

/**
 * The kind of a cache. Keys of different kinds are different.
 *
 * @public
 */
export type CacheKind = 'task' | 'resource';

/**
 * What a cache of a worker is found by.
 *
 * @public
 */
export interface CacheKey {
  /** The name of the worker. */
  readonly workerName: string;
  /** The kind of the cache. */
  readonly kind: CacheKind;
  /** Identifies the cache among those of its worker and kind. Opaque to the repository. */
  readonly key: string;
}

/**
 * An artifact volume to bless: to make the cache of a key.
 *
 * @public
 */
export interface NewCache extends CacheKey {
  /** The handle of the volume, on the worker of the key. */
  readonly volume: string;
  /** How long the volume stays after it was last used. */
  readonly timeToLiveMs: number;
  /** Whether the volume replaces the valid cache of the key, which then expires. */
  readonly replace: boolean;
  /**
   * The handle of the volume that this one is a copy of, on any worker. It must be the valid cache
   * of the same kind and key there.
   *
   * @defaultValue the volume is not a copy of a cache
   */
  readonly source?: string | undefined;
}

/**
 * What `CacheRepository.bless` has done:
 *
 * - `blessed`: the volume is the valid cache of the key, by this call or by an earlier one.
 * - `lost`: another volume is the valid cache of the key.
 * - `in-use`: the volume is, or was, the cache of another key.
 * - `refused`: the volume is not live, or the source is not a valid cache of the key.
 *
 * @public
 */
export type BlessOutcome = 'blessed' | 'lost' | 'in-use' | 'refused';

/**
 * Options of `CacheRepository.invalidate`.
 *
 * @public
 */
export interface InvalidateOptions extends AbortOptions {
  /** The maximum time for which the volumes of the invalid caches stay, in milliseconds. */
  readonly graceMs: number;
}

/**
 * The limits of `CacheRepository.limit`.
 *
 * @public
 */
export interface CacheLimits {
  /** The size of all caches, in bytes of their raw archives. @defaultValue no limit */
  readonly maxBytes?: number | undefined;
  /** The number of caches. @defaultValue no limit */
  readonly maxCount?: number | undefined;
}

/**
 * Caches: artifact volumes that are found by a key. A worker has at most one valid cache for a key.
 * The row of a cache is deleted with the row of its volume. Every method is a single guarded
 * statement by the database's clock.
 *
 * A cache is valid until it is invalidated or replaced, and as long as its volume is `created` and
 * has not expired. A copy of a cache is valid only as long as its origin was not invalidated: the
 * volume that was first blessed with this content.
 *
 * @public
 */
export interface CacheRepository {
  /**
   * Makes an artifact volume the cache of a key. Of concurrent calls with `replace`, the last one
   * wins, and the volumes of all others become `destroying`. Of concurrent calls without it, the
   * first one wins. Idempotent.
   */
  bless(cache: NewCache, options?: AbortOptions): Promise<BlessOutcome>;
  /**
   * Returns the volume of the valid cache of the key, and renews its time to live. `undefined` if
   * there is none.
   */
  find(key: CacheKey, options?: AbortOptions): Promise<VolumeRecord | undefined>;
  /** Returns whether this volume, on any worker, is the valid cache of the key's kind and text. */
  isValid(key: Omit<CacheKey, 'workerName'>, volume: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Invalidates the cache of the key, and all copies whose origin it is, on every worker. Their
   * volumes expire after the grace. Returns the number of caches that became invalid.
   */
  invalidate(key: CacheKey, options: InvalidateOptions): Promise<number>;
  /**
   * Deletes the cache if this volume is the cache of the key, and moves the volume to `destroying`.
   * Returns whether it did.
   */
  drop(key: CacheKey, volume: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Deletes the caches of the worker that were least recently used, until the others are within the
   * limits. Their volumes are moved to `destroying`. Returns their number.
   */
  limit(workerName: string, limits: CacheLimits, options?: AbortOptions): Promise<number>;
  /**
   * Postpones the expiry of an artifact volume to at least this time from now. Returns `false` if no
   * such volume is live.
   */
  postponeExpiry(workerName: string, volume: string, durationMs: number, options?: AbortOptions): Promise<boolean>;
}
