import type { AbortOptions } from './options.ts';
import type { Volume } from './volume.ts';

/**
 * The step that the caches of a container belong to. Builds of the same step share them.
 *
 * @public
 */
export interface TaskCacheStep {
  /** Identifies the job, in the host's own terms: 1 to 1,024 characters. */
  readonly job: string;
  /** Identifies the step in the job: 1 to 1,024 characters. */
  readonly step: string;
}

/**
 * What a task cache is found by, on its worker.
 *
 * @public
 */
export interface TaskCacheKey extends TaskCacheStep {
  /** The absolute path at which a container mounts the cache: `VolumeMount.mountPath`. */
  readonly path: string;
}

/**
 * The limits of a worker's caches. Sizes are those of raw archives.
 *
 * @public
 */
export interface CacheOptions {
  /**
   * The size of all caches in bytes. A pass of the reaper deletes those that were least recently used
   * until the others are within the limit.
   *
   * @defaultValue no limit
   */
  readonly maxBytes?: number | undefined;
  /**
   * The size of one cache in bytes. Larger content is not saved: the previous cache stays, and the
   * event `cache-not-saved` reports it.
   *
   * @defaultValue no limit
   */
  readonly maxKeyBytes?: number | undefined;
  /** The number of caches, enforced like `maxBytes`. @defaultValue no limit */
  readonly maxCount?: number | undefined;
}

/**
 * Options of the methods that make a volume a cache.
 *
 * @public
 */
export interface InitializeCacheOptions extends AbortOptions {
  /**
   * How long the cache stays after it was last found, or a container was last filled from it, in
   * milliseconds.
   *
   * @defaultValue `KubernetesWorkerOptions.cacheTimeToLiveMs`
   */
  readonly ttlMs?: number | undefined;
}

/**
 * Options of `VolumeCaches.initializeStreamedResourceCache`.
 *
 * @public
 */
export interface InitializeStreamedCacheOptions extends InitializeCacheOptions {
  /** The handle of the cache's volume, on any worker, that this volume is a copy of. */
  readonly source: string;
}

/**
 * Options of `WorkerCaches.invalidateResourceCache`.
 *
 * @public
 */
export interface InvalidateCacheOptions extends AbortOptions {
  /**
   * How long the volume of the cache stays for callers that have already found it, in milliseconds.
   *
   * @defaultValue 3,600,000 (1 hour)
   */
  readonly graceMs?: number | undefined;
}

/**
 * The part of a volume that makes it a cache.
 *
 * The bytes of a container's volume are copied into an artifact volume, which is the cache; the
 * container's volume stays as it is. An artifact volume becomes the cache itself, and no bytes
 * move. It then stays until it has been unused for the time to live of the cache. If it is already
 * the cache of another key, it is copied instead.
 *
 * @public
 */
export interface VolumeCaches {
  /**
   * Makes the content of this volume the task cache of the key. Containers that are created
   * afterwards with `ContainerSpec.taskCache` and a cache at this path begin with the content.
   *
   * The last call for a key wins. The reaper's next pass deletes the volume of the previous cache.
   * If several hosts finish at the same time, one cache remains.
   *
   * The signal stops the copy. The reaper deletes an incomplete copy, even after the host has died.
   *
   * @example
   * ```ts
   * const step = { job: 'main/release', step: 'build' };
   * const { mounts } = await worker.findOrCreateContainer(
   *   { kind: 'build-step', key: '4711/build' },
   *   { image: 'node:24', dir: '/build', caches: ['node_modules'], taskCache: step },
   * );
   * // Runs the step, and then, whatever its result:
   * for (const { kind, mountPath: path, volume } of mounts)
   *   if (kind === 'cache') await volume.initializeTaskCache({ ...step, path });
   * ```
   *
   * @throws InvalidSpecError if an argument is invalid
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   * @throws PodError, TransferError or ClusterError if the content cannot be copied; the cache before
   * it stays
   */
  initializeTaskCache(key: TaskCacheKey, options?: InitializeCacheOptions): Promise<void>;
  /**
   * Makes the content of this volume the resource cache of the key, a text of the host of 1 to
   * 1,024 characters. Resolves with `true` if it is the cache now, and with `false` if the key
   * already had a valid cache: the first call for a key wins. Nothing is copied in that case.
   *
   * The signal stops the copy, as in `initializeTaskCache`.
   *
   * @example
   * ```ts
   * const isFirst = await volume.initializeResourceCache('git https://git.example/app 4f1c2e');
   * console.log(isFirst ? 'cached' : 'was cached before');
   * ```
   *
   * @throws InvalidSpecError if an argument is invalid
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   * @throws PodError, TransferError or ClusterError if the content cannot be copied
   */
  initializeResourceCache(key: string, options?: InitializeCacheOptions): Promise<boolean>;
  /**
   * Makes this volume, a copy of a resource cache of another worker, the resource cache of its own
   * worker for the same key. Resolves with `false`, and caches nothing, if this worker has a valid
   * cache of the key, or if the source is no longer a valid cache of the key.
   *
   * An invalidation of the origin ends the cache as well. The origin is the cache that
   * `initializeResourceCache` has made; the source may itself be a copy of it.
   *
   * @example
   * ```ts
   * import { KubernetesWorker } from 'kubernetes-worker';
   *
   * const key = 'git https://git.example/app 4f1c2e';
   * await using other = await KubernetesWorker.open({ name: 'other', database: 'postgres://ci@db/ci' });
   * const source = await other.findResourceCache(key);
   * if (source !== undefined) {
   *   await volume.streamIn('.', () => source.streamOut('.'));
   *   await volume.initializeStreamedResourceCache(key, { source: source.handle });
   * }
   * ```
   *
   * @throws InvalidSpecError if an argument is invalid
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   * @throws PodError, TransferError or ClusterError if the content cannot be copied
   */
  initializeStreamedResourceCache(key: string, options: InitializeStreamedCacheOptions): Promise<boolean>;
}

/**
 * The part of a worker that finds and ends resource caches. Caches belong to a worker.
 *
 * @public
 */
export interface WorkerCaches {
  /**
   * Returns the volume of the valid resource cache of the key, for example as an input of a
   * container, and renews its time to live. `undefined` if there is none, or if its pod no longer
   * exists. Do not change its content: later callers receive the same volume.
   *
   * @example
   * ```ts
   * const cached = await worker.findResourceCache('git https://git.example/app 4f1c2e');
   * if (cached !== undefined) {
   *   await worker.findOrCreateContainer(
   *     { kind: 'build-step', key: '4711/test' },
   *     { image: 'node:24', dir: '/build', inputs: [{ artifact: cached, path: 'source' }] },
   *   );
   * }
   * ```
   *
   * @throws InvalidSpecError if the key is invalid
   */
  findResourceCache(key: string, options?: AbortOptions): Promise<Volume | undefined>;
  /**
   * Invalidates the resource cache of the key: it is no longer found, and another one may take its
   * place. Copies of it on other workers become invalid as well. Resolves with whether there was a
   * cache. The volumes stay for `graceMs`, so that calls that have already found them can complete.
   *
   * @example
   * ```ts
   * await worker.invalidateResourceCache('git https://git.example/app 4f1c2e');
   * ```
   *
   * @throws InvalidSpecError if an argument is invalid
   */
  invalidateResourceCache(key: string, options?: InvalidateCacheOptions): Promise<boolean>;
}
