import { VolumeDisappearedError } from '../errors/repository.ts';
import type { BlessOutcome, CacheKey, CacheRepository } from '../repository/cache-repository.ts';
import type { VolumeRecord } from '../repository/records.ts';
import type {
  InitializeCacheOptions,
  InitializeStreamedCacheOptions,
  InvalidateCacheOptions,
  TaskCacheKey,
} from '../runtime/caches.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { TemporaryVolumeComponents } from '../stores/temporary-volume.ts';
import { type CacheSource, withCopy } from './cache-copies.ts';
import { resourceCacheKey, taskCacheKey } from './cache-keys.ts';

export interface CachesComponents extends TemporaryVolumeComponents {
  readonly caches: CacheRepository;
  /** All stores, by name. */
  readonly stores: ReadonlyMap<string, ArtifactStore>;
  /** How long a cache stays after its last use. */
  readonly timeToLiveMs: number;
  /** Called when the reaper has something to do. */
  readonly reapSoon: () => void;
}

/** A volume to bless, and the terms. */
interface Request {
  readonly key: CacheKey;
  readonly replace: boolean;
  /** The handle of the cache's volume that this one is a copy of. */
  readonly source?: string | undefined;
  readonly ttlMs: number | undefined;
}

const defaultGraceMs = 60 * 60 * 1000;

/** The task caches and the resource caches of a worker. */
export class Caches {
  readonly #components: CachesComponents;

  constructor(components: CachesComponents) {
    this.#components = components;
  }

  /** As `VolumeCaches.initializeTaskCache`. */
  async keepTaskCache(
    volume: CacheSource,
    key: TaskCacheKey,
    { ttlMs, signal }: InitializeCacheOptions,
  ): Promise<void> {
    const { workerName } = this.#components;
    await this.#keep(volume, { key: taskCacheKey(workerName, key), replace: true, ttlMs }, { signal });
  }

  /** As `VolumeCaches.initializeResourceCache` and `initializeStreamedResourceCache`. */
  async keepResourceCache(
    volume: CacheSource,
    text: string,
    { ttlMs, source, signal }: InitializeCacheOptions & Partial<InitializeStreamedCacheOptions>,
  ): Promise<boolean> {
    const { workerName, caches } = this.#components;
    const key = resourceCacheKey(workerName, text);
    // Nothing is copied for nothing.
    const first = await this.#find(key, { signal });
    if (first !== undefined) return first.handle === volume.handle;
    if (source !== undefined && !(await caches.isValid(key, source, { signal }))) return false;
    return await this.#keep(volume, { key, replace: false, source, ttlMs }, { signal });
  }

  /** Returns the volume of the valid cache, and renews its time to live. */
  async findTaskCache(key: TaskCacheKey, options: AbortOptions): Promise<VolumeRecord | undefined> {
    const { workerName } = this.#components;
    return await this.#find(taskCacheKey(workerName, key), options);
  }

  /** Returns the volume of the valid cache, and renews its time to live. */
  async findResourceCache(key: string, options: AbortOptions): Promise<VolumeRecord | undefined> {
    const { workerName } = this.#components;
    return await this.#find(resourceCacheKey(workerName, key), options);
  }

  /** As `WorkerCaches.invalidateResourceCache`. */
  async invalidateResourceCache(text: string, { graceMs, signal }: InvalidateCacheOptions): Promise<boolean> {
    const { workerName, caches } = this.#components;
    const key = resourceCacheKey(workerName, text);
    return (await caches.invalidate(key, { graceMs: graceMs ?? defaultGraceMs, signal })) > 0;
  }

  /** Ends a cache that cannot be used, unless another volume has taken its place. */
  async dropTaskCache(key: TaskCacheKey, volume: string, options: AbortOptions): Promise<void> {
    const { workerName } = this.#components;
    await this.#drop(taskCacheKey(workerName, key), volume, options);
  }

  /** A cache whose bytes no longer exist is dropped. Until it is, nothing is concluded from its row. */
  async #find(key: CacheKey, options: AbortOptions): Promise<VolumeRecord | undefined> {
    const { caches, stores } = this.#components;
    const found = await caches.find(key, options);
    if (found === undefined) return undefined;
    // A store that this host lacks is one of other hosts.
    const store = stores.get(found.store);
    if (store === undefined || (await store.exists(found.location, options))) return found;
    await this.#drop(key, found.handle, options);
    return undefined;
  }

  async #drop(key: CacheKey, volume: string, options: AbortOptions): Promise<void> {
    const { caches, logger, reapSoon } = this.#components;
    logger.warn('cache dropped: its volume cannot be used', { kind: key.kind, volume });
    if (await caches.drop(key, volume, options)) reapSoon();
  }

  /** Blesses an artifact volume in place, and a copy of any other volume. */
  async #keep(volume: CacheSource, request: Request, { signal }: AbortOptions): Promise<boolean> {
    const { reapSoon } = this.#components;
    const inPlace = volume.isArtifact ? await this.#bless(volume.handle, request, { signal }) : 'in-use';
    const isKept =
      inPlace === 'in-use'
        ? await withCopy(volume, this.#components, { signal }, async (handle) => {
            return this.#isKept(handle, request, await this.#bless(handle, request, { signal }));
          })
        : this.#isKept(volume.handle, request, inPlace);
    // The volume before it, or the copy of a loser.
    reapSoon();
    return isKept;
  }

  async #bless(volume: string, { key, replace, source, ttlMs }: Request, options: AbortOptions): Promise<BlessOutcome> {
    const { caches, retry, timeToLiveMs } = this.#components;
    const cache = { ...key, volume, timeToLiveMs: ttlMs ?? timeToLiveMs, replace, source };
    // Not aborted by the signal: the statement may still take effect.
    return await retry(() => caches.bless(cache), options);
  }

  /** @throws VolumeDisappearedError - the volume to bless no longer exists */
  #isKept(volume: string, { source }: Request, outcome: BlessOutcome): boolean {
    // With a source, the refusal may be about either.
    if (outcome === 'refused' && source === undefined)
      throw new VolumeDisappearedError(volume, this.#components.workerName);
    return outcome === 'blessed';
  }
}
