import type { AbortOptions } from '../runtime/options.ts';
import type { ReapableArchive } from '../runtime/reap-plan.ts';
import type { ArchiveContent, ArchiveReference, RawContent, VolumeRecord } from './records.ts';
import type { NewArtifactVolume } from './volume-repository.ts';

/**
 * The state of an archive: `creating` under a lease, `ready` for good, or `destroying`.
 *
 * @public
 */
export type ArchiveState = 'creating' | 'ready' | 'destroying';

/**
 * A row of an archive.
 *
 * @public
 */
export interface ArchiveRecord {
  /** A UUID. */
  readonly id: string;
  /** The name of the worker that reaps the archive. */
  readonly workerName: string;
  /** The name of the store. */
  readonly store: string;
  /** The state of the row. */
  readonly state: ArchiveState;
  /** The number of the last attempt to write it, from 1. Each attempt has a key of its own. */
  readonly attempt: number;
  /** The archive. `undefined` unless it is or was `ready`. */
  readonly reference: ArchiveReference | undefined;
  /** When the archive was last used, by the database's clock. */
  readonly lastUsedAt: Date;
}

/**
 * The holder of the lease of an archive that is being written.
 *
 * @public
 */
export interface ArchiveLease {
  /** The unique name of the holder. */
  readonly holder: string;
  /** How long the lease lasts from now, in milliseconds. */
  readonly durationMs: number;
}

/**
 * An archive to insert.
 *
 * @public
 */
export interface NewArchive {
  /** A UUID. */
  readonly id: string;
  /** The name of the worker that reaps the archive. */
  readonly workerName: string;
  /** The name of the store. */
  readonly store: string;
  /** The lease under which it is written. */
  readonly lease: ArchiveLease;
  /**
   * What the archive is for. At most one archive of a worker that is `creating` or `ready` has the
   * same purpose, so that two hosts do not write the same content.
   *
   * @defaultValue the archive has no purpose
   */
  readonly purpose?: string | undefined;
}

/**
 * What `ArchiveRepository.begin` has found or inserted.
 *
 * @public
 */
export interface BegunArchive {
  /** The archive. With a purpose, it may differ from the given one. */
  readonly archive: ArchiveRecord;
  /** Whether the caller holds the lease and writes the archive's current attempt. */
  readonly holds: boolean;
}

/**
 * A volume that an archive becomes the content of.
 *
 * @public
 */
export interface ArchivedVolume {
  /** The handle of the volume. */
  readonly handle: string;
  /**
   * The ID of the archive that the volume has now; `undefined`: none. The volume is left alone if it
   * has another one.
   */
  readonly replaces: string | undefined;
}

/**
 * Archives, and the volumes that refer to them. The number of references is the number of volumes of
 * any kind whose row has the archive. Only volumes of the archive's worker refer to it. Moves follow
 * the rules of `ContainerRepository`: each is one guarded statement by the database's clock.
 * `findDestroyable` and `evict` are two.
 *
 * @public
 */
export interface ArchiveRepository {
  /**
   * Inserts the archive as `creating` with attempt 1. If another archive has the purpose, returns
   * that archive. If its lease has lapsed, the caller takes it over with the next attempt.
   * Idempotent for the same ID and holder.
   */
  begin(archive: NewArchive, options?: AbortOptions): Promise<BegunArchive>;
  /**
   * Begins the next attempt of an archive, which has a new key, and renews its lease.
   *
   * @throws LeaseLostError - the archive is not `creating`, or another holder has its lease
   */
  nextAttempt(id: string, lease: ArchiveLease, options?: AbortOptions): Promise<ArchiveRecord>;
  /** Renews the lease. Returns `false` if the archive is not `creating` or has another holder. */
  renewLease(id: string, lease: ArchiveLease, options?: AbortOptions): Promise<boolean>;
  /**
   * Moves the archive from `creating` to `ready`, and makes it the content of the volume in the same
   * statement: the volume becomes ready with the digest and size of the archive, and is not unsaved.
   * Returns `false` if the volume has another archive than expected, has become ready with other
   * content since the attempt began, or is not `creating` or `created`: the archive is then ready
   * without a reference. Idempotent for the same holder.
   *
   * @throws LeaseLostError - the archive is not `creating`, another holder has its lease, or the key
   * is of an earlier attempt
   * @throws InvalidSpecError - of `key`: `archiveKey` does not return it for an attempt of this archive
   */
  commit(
    id: string,
    holder: string,
    content: ArchiveContent & { readonly key: string },
    volume: ArchivedVolume | undefined,
    options?: AbortOptions,
  ): Promise<boolean>;
  /** Moves the archive from `creating` to `destroying` if the holder has its lease. Idempotent. */
  abandon(id: string, holder: string, options?: AbortOptions): Promise<void>;
  /**
   * Makes a ready archive the content of a volume, as `commit` does. No bytes move. Returns `false`
   * if the archive is not ready, or if the volume has another archive than expected, is not `creating`
   * or `created`, or belongs to another worker.
   */
  refer(id: string, volume: ArchivedVolume, options?: AbortOptions): Promise<boolean>;
  /**
   * Inserts an artifact volume that is `created` and has no place in a pod. With an archive, the
   * volume has its content and is ready; returns `undefined` if that archive is not ready, or belongs
   * to another worker. The location is stored as it is given, `{}` for a volume without a place.
   *
   * @throws WorkerNotRunningError
   */
  insertArtifact(
    volume: Omit<NewArtifactVolume, 'leaseMs'>,
    archiveId: string | undefined,
    options?: AbortOptions,
  ): Promise<VolumeRecord | undefined>;
  /**
   * Records that the content of at most 1,000 volumes could not be saved. Skips volumes with an
   * archive.
   */
  markUnsaved(handles: readonly string[], options?: AbortOptions): Promise<void>;
  /**
   * Records a use of at most 1,000 archives, for `findDestroyable` and `evict`: of each at most once a
   * minute. Ignores those that no longer exist. Each reference and `CacheRepository.find` are uses as
   * well.
   */
  touch(ids: readonly string[], options?: AbortOptions): Promise<void>;
  /**
   * Returns the worker's ready archive in a store that has this content: of several, the one that
   * was used last. It may be deleted at any time, which `refer` and `insertArtifact` detect.
   *
   * @throws InvalidSpecError - of `digest` or `rawBytes`
   */
  findContent(
    workerName: string,
    store: string,
    content: RawContent,
    options?: AbortOptions,
  ): Promise<ArchiveReference | undefined>;
  /** Returns those of at most 1,000 archives that exist, in any state and order. */
  lookup(ids: readonly string[], options?: AbortOptions): Promise<readonly ArchiveRecord[]>;
  /**
   * Returns the archives of the worker that are `destroying`, at most `limit`. Archives that are
   * `creating` with a lapsed lease, and those that are `ready` without a reference and were not used
   * for `graceMs`, become `destroying` first: at most `limit` of each. Never returns an archive that a
   * volume refers to.
   */
  findDestroyable(
    workerName: string,
    limit: number,
    options: AbortOptions & { readonly graceMs: number },
  ): Promise<readonly ArchiveRecord[]>;
  /**
   * Returns the archives that `findDestroyable` would return now, at most `limit`, in any order, and
   * why. Moves none of them.
   */
  findReapable(
    workerName: string,
    limit: number,
    options: AbortOptions & { readonly graceMs: number },
  ): Promise<readonly ReapableArchive[]>;
  /**
   * Marks archives of a store for deletion until they free at least this many bytes: those that are
   * ready without a reference first, then those whose only references are caches, in each group the
   * least recently used first. The volumes of such caches become `destroying` and refer to no
   * archive. Leaves out archives that a live volume without a cache refers to, and those of a
   * volume with an open stream. Considers at most 1,000 archives of each group. Returns the
   * archives, which are `destroying`, the least recently used first. They free fewer bytes than
   * requested if there are no more archives, or if one was used in the meantime.
   */
  evict(workerName: string, store: string, bytes: number, options?: AbortOptions): Promise<readonly ArchiveRecord[]>;
  /** Deletes those of at most 1,000 archives that are `destroying`. Returns their IDs. */
  deleteAll(ids: readonly string[], options?: AbortOptions): Promise<readonly string[]>;
}
