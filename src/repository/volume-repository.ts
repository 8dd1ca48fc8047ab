import type { AbortOptions } from '../runtime/options.ts';
import type { VolumePage, VolumeQuery } from '../runtime/volume-query.ts';
import type { VolumeRecord } from './records.ts';

/**
 * An artifact volume to insert.
 *
 * @public
 */
export interface NewArtifactVolume {
  /** The unique and stable ID of the volume. */
  readonly handle: string;
  /** The name of its worker. */
  readonly workerName: string;
  /** The team that the volume belongs to. `undefined` for a cache, which belongs to none. */
  readonly teamId: string | undefined;
  /** The artifact store of its bytes. */
  readonly store: string;
  /** Where in the store its bytes are. Opaque to the repository. */
  readonly location: Readonly<Record<string, string>>;
  /** The time from now, and from each later use, until the volume expires. */
  readonly timeToLiveMs: number;
  /** The time from now until the reaper may delete the row if it is still `creating`. */
  readonly leaseMs: number;
}

/**
 * The verified content of a volume.
 *
 * @public
 */
export interface VolumeContent {
  /** SHA-256 in hex. */
  readonly digest: string;
  /** The size of the raw archive in bytes. */
  readonly sizeBytes: number;
}

/**
 * Options of `VolumeRepository.markReady`.
 *
 * @public
 */
export interface MarkReadyOptions extends AbortOptions {
  /**
   * The holder of the lease of the volume's container. Required while that container is `creating`.
   * A holder whose lease has ended is refused, even if it ended with the creation.
   */
  readonly holder?: string | undefined;
}

/**
 * Volumes. Moves follow the rules of `ContainerRepository`; if the row no longer exists, they throw
 * `VolumeDisappearedError`.
 *
 * @public
 */
export interface VolumeRepository {
  /**
   * Inserts the volume as `creating`.
   *
   * @throws WorkerNotRunningError - the worker is not `running`; it may have stalled
   */
  insertArtifact(volume: NewArtifactVolume, options?: AbortOptions): Promise<VolumeRecord>;
  /** Moves the volume from `creating` to `created`, which ends the lease. Idempotent. */
  markCreated(handle: string, options?: AbortOptions): Promise<VolumeRecord>;
  /** Moves the volume from `creating` to `failed`. Idempotent. */
  markFailed(handle: string, options?: AbortOptions): Promise<void>;
  /** Returns the volume in any state, or `undefined` if it does not exist. */
  lookup(workerName: string, handle: string, options?: AbortOptions): Promise<VolumeRecord | undefined>;
  /**
   * Returns a page of the worker's volumes that match the query, in the order of their insertion. A
   * volume that exists from the first page to the last is on exactly one of them, even if others
   * are inserted and deleted in the meantime.
   *
   * @throws InvalidSpecError - a field of the query is invalid
   */
  list(workerName: string, query: VolumeQuery, options?: AbortOptions): Promise<VolumePage>;
  /**
   * Records that the volume's content is complete and verified. Legal while the volume is
   * `creating` or `created`. Without `content`, the digest and the size do not change.
   *
   * @throws LeaseLostError - the volume's container is `creating`, and another holder has its lease
   */
  markReady(handle: string, content: VolumeContent | undefined, options?: MarkReadyOptions): Promise<void>;
  /**
   * Sets the time to live of an artifact volume that is `created`: it expires this long from now, and
   * from each later use.
   */
  setTimeToLive(
    workerName: string,
    handle: string,
    timeToLiveMs: number,
    options?: AbortOptions,
  ): Promise<VolumeRecord>;
  /**
   * Moves an artifact volume to `destroying`. Returns `false` if no such artifact volume exists.
   * Idempotent.
   */
  expire(workerName: string, handle: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Returns the artifact volumes that the reaper has to delete: those that are `destroying`.
   * Volumes that are `failed`, expired, or `creating` with a lapsed lease become `destroying`
   * first: at most `limit` of them, in any order. Skips volumes with an open stream
   * (`VolumeStreamRepository`). Returns at most `limit`, oldest first.
   */
  findDestroyable(workerName: string, limit: number, options?: AbortOptions): Promise<readonly VolumeRecord[]>;
  /**
   * Deletes the row of a `destroying` artifact volume. Idempotent. Throws `IllegalTransitionError`
   * in any other state, and for a container's volume, which is deleted with its container.
   */
  delete(handle: string, options?: AbortOptions): Promise<void>;
  /**
   * Deletes those of at most 1,000 artifact volumes that are `destroying`, in one statement. Leaves
   * out volumes in any other state, volumes of containers, and rows that another statement has
   * locked. Returns the handles of the deleted volumes, in no particular order.
   */
  deleteAll(handles: readonly string[], options?: AbortOptions): Promise<readonly string[]>;
}
