import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveContent, ArchiveReference, VolumeRecord } from './records.ts';
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
  /** Who writes it. */
  readonly lease: ArchiveLease;
  /**
   * What the archive is for. At most one archive of a worker that is `creating` or `ready` has a
   * claim, so that two hosts do not write the same content.
   *
   * @defaultValue the archive has no claim
   */
  readonly claim?: string | undefined;
}

/**
 * What `ArchiveRepository.begin` has found or inserted.
 *
 * @public
 */
export interface BegunArchive {
  /** The archive: with a claim it may be another one than the given. */
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
 * any kind whose row has the archive. Moves follow the rules of `ContainerRepository`: each is one
 * guarded statement by the database's clock.
 *
 * @public
 */
export interface ArchiveRepository {
  /**
   * Inserts the archive as `creating` with attempt 1. With a claim that another archive has: returns
   * that archive. If its lease has lapsed, the caller takes it over with the next attempt.
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
   * Returns `false` if the volume has another archive than expected, or is not `creating` or
   * `created`: the archive is then ready without a reference. Idempotent for the same holder.
   *
   * @throws LeaseLostError - the archive is not `creating`, or another holder has its lease
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
   * if the archive is not ready, or if the volume is as `commit` refuses it.
   */
  refer(id: string, volume: ArchivedVolume, options?: AbortOptions): Promise<boolean>;
  /**
   * Inserts an artifact volume that is `created` and has no place in a pod. With an archive, the
   * volume has its content and is ready; returns `undefined` if that archive is not ready.
   *
   * @throws WorkerNotRunningError
   */
  insertArtifact(
    volume: Omit<NewArtifactVolume, 'leaseMs'>,
    archiveId: string | undefined,
    options?: AbortOptions,
  ): Promise<VolumeRecord | undefined>;
  /** Records that the content of these volumes could not be saved. Skips volumes with an archive. */
  markUnsaved(handles: readonly string[], options?: AbortOptions): Promise<void>;
  /** Records a use of archives, for `findEvictable`. Ignores those that no longer exist. */
  touch(ids: readonly string[], options?: AbortOptions): Promise<void>;
  /** Returns the archives that exist, in any state. */
  lookup(ids: readonly string[], options?: AbortOptions): Promise<readonly ArchiveRecord[]>;
  /**
   * Returns the archives of the worker that are `destroying`, at most `limit`. Archives that are
   * `creating` with a lapsed lease, and those that were `ready` without a reference for `graceMs`,
   * become `destroying` first.
   */
  findDestroyable(
    workerName: string,
    limit: number,
    options: AbortOptions & { readonly graceMs: number },
  ): Promise<readonly ArchiveRecord[]>;
  /**
   * Marks archives of a store for deletion until they free at least this many bytes: those that are
   * ready without a reference first, then those whose only references are caches, in each group the
   * least recently used first. The volumes of such caches become `destroying` and refer to no archive.
   * Returns the archives, which are `destroying`.
   */
  evict(workerName: string, store: string, bytes: number, options?: AbortOptions): Promise<readonly ArchiveRecord[]>;
  /** Deletes those of at most 1,000 archives that are `destroying`. Returns their IDs. */
  deleteAll(ids: readonly string[], options?: AbortOptions): Promise<readonly string[]>;
}
