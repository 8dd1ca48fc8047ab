/** Describes a lookup of a cache, for metrics. */
export interface CacheLookup {
  readonly kind: 'task' | 'resource';
  /** The name of the store of the cache; for a `miss`, that of new caches. */
  readonly store: string;
  /** `lost`: a cache was found that cannot be used. */
  readonly outcome: 'hit' | 'miss' | 'lost';
}

/** Describes bytes that have moved into or out of a cache, for metrics. */
export interface CacheTransferReport {
  readonly kind: 'task' | 'resource';
  readonly store: string;
  readonly direction: 'in' | 'out';
  readonly rawBytes: number;
}

/** Receives each lookup and each transfer once. */
export interface CacheObserver {
  readonly lookedUp: (lookup: CacheLookup) => void;
  readonly moved: (transfer: CacheTransferReport) => void;
}
