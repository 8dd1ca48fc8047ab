import type { ContainerOwner } from './container.ts';

/**
 * What a pass of the reaper would delete now.
 *
 * @public
 */
export interface ReapPlan {
  /** The containers, at most 1,000, oldest first. The pass also deletes their volumes. */
  readonly containers: readonly ReapableContainer[];
  /** The artifact volumes, at most 1,000, oldest first. */
  readonly volumes: readonly ReapableVolume[];
  /**
   * The pods of the worker, or of one that no longer exists, that belong to no container and no
   * volume.
   */
  readonly unknownPods: readonly UnknownPod[];
  /**
   * The config maps of other versions' agents that no pod mounts, older than a day. None without the
   * permission to list config maps.
   */
  readonly configMaps: readonly ReapableConfigMap[];
  /**
   * The archives, at most 1,000. Keys of archive stores without an archive are not listed. None
   * without an archive store.
   */
  readonly archives: readonly ReapableArchive[];
}

/**
 * A container that a pass of the reaper would delete.
 *
 * @public
 */
export interface ReapableContainer {
  /** The ID of the container. */
  readonly handle: string;
  /** The owner of the container. */
  readonly owner: ContainerOwner;
  /** The name of its pod, which may no longer exist. */
  readonly podName: string;
  /**
   * `marked`: its owner has finished, or an earlier pass has begun to delete it. `failed`: its
   * creation failed. `abandoned`: the lease of its creation has lapsed. `kept`: it was kept for
   * inspection, and its time has expired or the worker keeps too many.
   */
  readonly reason: 'marked' | 'failed' | 'abandoned' | 'kept';
}

/**
 * An artifact volume that a pass of the reaper would delete.
 *
 * @public
 */
export interface ReapableVolume {
  /** The ID of the volume. */
  readonly handle: string;
  /**
   * `marked`: `expireArtifact` was called, or an earlier pass has begun to delete it. `failed`: its
   * creation failed. `abandoned`: its creation did not end in time. `expired`: its time to live has
   * passed.
   */
  readonly reason: 'marked' | 'failed' | 'abandoned' | 'expired';
}

/**
 * An archive that a pass of the reaper would delete, with its bytes.
 *
 * @public
 */
export interface ReapableArchive {
  /** The ID of the archive. */
  readonly id: string;
  /** The name of the store. */
  readonly store: string;
  /**
   * `marked`: an earlier pass has begun to delete it, or its writer has failed. `abandoned`: the lease
   * of its writer has lapsed. `unreferenced`: no volume has it, and it was not used for 10 minutes.
   */
  readonly reason: 'marked' | 'abandoned' | 'unreferenced';
}

/**
 * The config map of an agent that no pod uses.
 *
 * @public
 */
export interface ReapableConfigMap {
  /** The name of the config map. */
  readonly name: string;
  /** When it was created, by the API server's clock. */
  readonly createdAt: Date;
}

/**
 * A pod of the installation whose container or volume does not exist.
 *
 * @public
 */
export interface UnknownPod {
  /** The name of the pod. */
  readonly podName: string;
  /** The handle in the pod's labels. */
  readonly handle: string;
}
