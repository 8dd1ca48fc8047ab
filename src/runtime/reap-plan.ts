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
  /** The pods of the worker that no container and no volume has. */
  readonly unknownPods: readonly UnknownPod[];
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
   * creation failed. `abandoned`: the lease of its creation has lapsed.
   */
  readonly reason: 'marked' | 'failed' | 'abandoned';
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
   * creation failed. `abandoned`: its creation did not end in time. `expired`: its time is over.
   */
  readonly reason: 'marked' | 'failed' | 'abandoned' | 'expired';
}

/**
 * A pod with the labels of the worker whose container or volume does not exist.
 *
 * @public
 */
export interface UnknownPod {
  /** The name of the pod. */
  readonly podName: string;
  /** The handle in the pod's labels. */
  readonly handle: string;
}
