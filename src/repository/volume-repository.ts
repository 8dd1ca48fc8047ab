import type { AbortOptions } from '../runtime/options.ts';
import type { VolumeRecord } from './records.ts';

/**
 * An artifact volume to be.
 *
 * @public
 */
export interface NewArtifactVolume {
  readonly handle: string;
  readonly workerName: string;
  readonly teamId: string;
  readonly store: string;
  readonly location: Readonly<Record<string, string>>;
  /** From now until it is thrown away. */
  readonly timeToLiveMs: number;
  /** From now until the row, if still `creating`, is thought abandoned. */
  readonly leaseMs: number;
}

/** @public */
export interface VolumeContent {
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** @public */
export interface MarkReadyOptions extends AbortOptions {
  /** Who holds the lease of the volume's container. Needed while that is `creating`. */
  readonly holder?: string | undefined;
}

/**
 * Volumes. Moves as in `ContainerRepository`; a row that is gone is `VolumeDisappearedError`.
 *
 * @public
 */
export interface VolumeRepository {
  /** Inserts it as `creating`. */
  insertArtifact(volume: NewArtifactVolume, options?: AbortOptions): Promise<VolumeRecord>;
  /** `creating` to `created`; that ends the lease. Idempotent. */
  markCreated(handle: string, options?: AbortOptions): Promise<VolumeRecord>;
  /** `creating` to `failed`. Idempotent. */
  markFailed(handle: string, options?: AbortOptions): Promise<void>;
  /** Whatever its state. */
  lookup(workerName: string, handle: string, options?: AbortOptions): Promise<VolumeRecord | undefined>;
  /**
   * Its content is complete and verified. Only while `creating` or `created`. Without `content`, digest and size stay what they were.
   *
   * @throws LeaseLostError - its container is `creating`, and the lease is not this holder's
   */
  markReady(handle: string, content: VolumeContent | undefined, options?: MarkReadyOptions): Promise<void>;
  /** An artifact volume to `destroying`. Idempotent; `false`: there is no such artifact volume. */
  expire(workerName: string, handle: string, options?: AbortOptions): Promise<boolean>;
  /** Artifact volumes that the reaper has to delete: `destroying`; `failed`, expired ones and `creating` ones with a lapsed lease become so first. At most `limit`, oldest first. */
  findDestroyable(workerName: string, limit: number, options?: AbortOptions): Promise<readonly VolumeRecord[]>;
  /** The row of a `destroying` artifact volume. Idempotent. `IllegalTransitionError` in any other state, and of a container's volume, which goes with its container. */
  delete(handle: string, options?: AbortOptions): Promise<void>;
}
