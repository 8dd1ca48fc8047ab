import { VolumeDisappearedError } from '../errors/repository.ts';
import type { EmitEvent } from '../events/emit-event.ts';
import type { BlessOutcome, CacheKey, CacheKind, CacheRepository } from '../repository/cache-repository.ts';
import type { VolumeRecord } from '../repository/records.ts';
import type { CacheObserver } from '../runtime/cache-report.ts';
import type {
  InitializeCacheOptions,
  InitializeStreamedCacheOptions,
  InvalidateCacheOptions,
  TaskCacheKey,
} from '../runtime/caches.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { TemporaryVolumeComponents } from '../stores/temporary-volume.ts';
import { archiveOf, type CacheArchives, withReference } from './cache-archives.ts';
import { type CacheSource, withCopy } from './cache-copies.ts';
import { resourceCacheKey, taskCacheKey } from './cache-keys.ts';
import { CacheTooLargeError, withinSize } from './cache-size.ts';

export interface CachesComponents extends TemporaryVolumeComponents {
  readonly caches: CacheRepository;
  /** All stores, by name. */
  readonly stores: ReadonlyMap<string, ArtifactStore>;
  /** How long a cache stays after its last use. */
  readonly timeToLiveMs: number;
  /** @defaultValue the worker has no archive store */
  readonly archives?: CacheArchives | undefined;
  /** The size of a cache in bytes. @defaultValue no limit */
  readonly maxKeyBytes?: number | undefined;
  readonly observer: CacheObserver;
  readonly emit: EmitEvent;
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
  readonly purpose?: string | undefined;
}

export interface KeepTaskCacheOptions extends InitializeCacheOptions {
  /** See `SaveOptions.purpose`. @defaultValue none */
  readonly purpose?: string | undefined;
}

const defaultGraceMs = 60 * 60 * 1000;

/** The task caches and the resource caches of a worker. */
export class Caches {
  readonly #components: CachesComponents;

  constructor(components: CachesComponents) {
    this.#components = components;
  }

  /** Whether new caches are kept in an archive store. */
  get haveStore(): boolean {
    return this.#components.archives?.store !== undefined;
  }

  /** Implements `VolumeCaches.initializeTaskCache`. */
  async keepTaskCache(
    volume: CacheSource,
    key: TaskCacheKey,
    { ttlMs, purpose, signal }: KeepTaskCacheOptions,
  ): Promise<void> {
    const { workerName } = this.#components;
    await this.#keep(volume, { key: taskCacheKey(workerName, key), replace: true, ttlMs, purpose }, { signal });
  }

  /** Implements `VolumeCaches.initializeResourceCache` and `initializeStreamedResourceCache`. */
  async keepResourceCache(
    volume: CacheSource,
    text: string,
    { ttlMs, source, signal }: InitializeCacheOptions & Partial<InitializeStreamedCacheOptions>,
  ): Promise<boolean> {
    const { workerName, caches } = this.#components;
    const key = resourceCacheKey(workerName, text);
    // Avoids a copy that would be discarded.
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

  /** Implements `WorkerCaches.invalidateResourceCache`. */
  async invalidateResourceCache(text: string, { graceMs, signal }: InvalidateCacheOptions): Promise<boolean> {
    const { workerName, caches } = this.#components;
    const key = resourceCacheKey(workerName, text);
    return (await caches.invalidate(key, { graceMs: graceMs ?? defaultGraceMs, signal })) > 0;
  }

  /** Records that a container was filled from a task cache. */
  filledFrom(cache: VolumeRecord, rawBytes: number): void {
    this.#moved('task', storeOf(cache), 'out', rawBytes);
  }

  /** Ends a cache that cannot be used, unless another volume has taken its place. */
  async dropTaskCache(key: TaskCacheKey, volume: string, options: AbortOptions): Promise<void> {
    const { workerName } = this.#components;
    await this.#drop(taskCacheKey(workerName, key), volume, options);
  }

  /** Returns the valid cache. Drops it instead if its bytes no longer exist. */
  async #find(key: CacheKey, options: AbortOptions): Promise<VolumeRecord | undefined> {
    const { caches, stores, store: usual, archives, observer } = this.#components;
    const { kind } = key;
    const found = await caches.find(key, options);
    if (found === undefined) {
      observer.lookedUp({ kind, store: archives?.store ?? usual.name, outcome: 'miss' });
      return undefined;
    }
    // Only loading an archive shows whether it exists. A store that this host lacks belongs to
    // other hosts.
    const store = found.archive === undefined ? stores.get(found.store) : undefined;
    const exists = store === undefined || (await store.exists(found.location, options));
    observer.lookedUp({ kind, store: storeOf(found), outcome: exists ? 'hit' : 'lost' });
    if (exists) return found;
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
    const { maxKeyBytes, reapSoon } = this.#components;
    const { handle, isArtifact } = volume;
    const keep = async (): Promise<boolean> => {
      if (isArtifact) await withinSize(maxKeyBytes, {}, async () => ({ rawBytes: knownSizeOf(volume) }));
      const inPlace = isArtifact ? await this.#bless(handle, request, { signal }) : 'in-use';
      if (inPlace !== 'in-use') return this.#isKept(handle, request, inPlace);
      return await this.#keepCopy(volume, request, { signal });
    };
    const isKept = await keep().catch((error: unknown) => {
      if (!(error instanceof CacheTooLargeError)) throw error;
      this.#notSaved(handle, request.key, error);
      return false;
    });
    // The volume of the previous cache, or the copy of a call that lost.
    reapSoon();
    return isKept;
  }

  #notSaved(handle: string, { kind }: CacheKey, { message }: CacheTooLargeError): void {
    const { emit, logger } = this.#components;
    logger.warn('cache not saved', { kind, volume: handle, message });
    emit({ kind: 'cache-not-saved', handle, cacheKind: kind, reason: 'too-large', message });
  }

  /** Blesses a reference to an archive of the content, or a copy in a pod. */
  async #keepCopy(volume: CacheSource, request: Request, { signal }: AbortOptions): Promise<boolean> {
    const { archives, caches, workerName, store, maxKeyBytes: maxBytes } = this.#components;
    const { key, purpose } = request;
    const bless = async (handle: string): Promise<boolean> =>
      this.#isKept(handle, request, await this.#bless(handle, request, { signal }));
    if (archives !== undefined) {
      const mayHaveChanged = key.kind === 'task';
      const current = mayHaveChanged && archives.store !== undefined ? await caches.find(key, { signal }) : undefined;
      const candidate = current?.archive;
      const archived = await archiveOf(volume, archives, { mayHaveChanged, candidate, purpose, maxBytes, signal });
      if (archived !== undefined) {
        const { archive, isNew } = archived;
        if (isNew) this.#moved(key.kind, archive.store, 'in', archive.rawBytes);
        // The lookup above has renewed its time to live.
        if (archive.id === candidate?.id) return true;
        return await withReference(volume, archive, { ...this.#components, archives }, { signal }, bless);
      }
    }
    if (volume.open === undefined) throw new VolumeDisappearedError(volume.handle, workerName);
    return await withCopy(volume.open, this.#components, { maxBytes, signal }, async (handle, rawBytes) => {
      this.#moved(key.kind, store.name, 'in', rawBytes);
      return await bless(handle);
    });
  }

  #moved(kind: CacheKind, store: string, direction: 'in' | 'out', rawBytes: number): void {
    this.#components.observer.moved({ kind, store, direction, rawBytes });
  }

  async #bless(volume: string, { key, replace, source, ttlMs }: Request, options: AbortOptions): Promise<BlessOutcome> {
    const { caches, retry, timeToLiveMs } = this.#components;
    const cache = { ...key, volume, timeToLiveMs: ttlMs ?? timeToLiveMs, replace, source };
    // Not aborted by the signal, because the statement may still take effect.
    return await retry(() => caches.bless(cache), options);
  }

  /** @throws VolumeDisappearedError - the volume to bless no longer exists */
  #isKept(volume: string, { source }: Request, outcome: BlessOutcome): boolean {
    // With a source, either the volume or the source may be the reason of the refusal.
    if (outcome === 'refused' && source === undefined)
      throw new VolumeDisappearedError(volume, this.#components.workerName);
    return outcome === 'blessed';
  }
}

function storeOf({ archive, store }: VolumeRecord): string {
  return archive?.store ?? store;
}

/** An artifact volume of unknown size has no content that was streamed in as a whole. */
function knownSizeOf({ archive, sizeBytes = 0 }: CacheSource): number {
  return archive?.rawBytes ?? sizeBytes;
}
