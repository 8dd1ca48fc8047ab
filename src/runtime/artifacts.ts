import type { AbortOptions } from './options.ts';
import type { Artifact, Volume } from './volume.ts';

/**
 * A volume that belongs to no container, and when it expires.
 *
 * @public
 */
export interface ArtifactVolume {
  /** The volume. */
  readonly volume: Volume;
  /** When the reaper may delete the volume, by the database's clock. */
  readonly expiresAt: Date;
}

/**
 * Options of `WorkerArtifacts.createArtifact`.
 *
 * @public
 */
export interface CreateArtifactOptions extends AbortOptions {
  /**
   * The team that the new volume belongs to.
   *
   * @defaultValue the team of the volume, or of the volume's container (`ContainerMetadata.team`)
   */
  readonly teamId?: string | undefined;
  /**
   * How long the new volume stays after its last use, in milliseconds. A use is a transfer from or
   * into it, including that of an input of a container.
   *
   * @defaultValue `KubernetesWorkerOptions.artifactTimeToLiveMs`
   */
  readonly ttlMs?: number | undefined;
  /**
   * The name of the store that keeps the new volume: `pod`, or a configured store of archives.
   *
   * @defaultValue the store of new artifacts (`StoresOptions.artifacts`)
   */
  readonly store?: string | undefined;
}

/**
 * Options of `WorkerArtifacts.copyArtifact`.
 *
 * @public
 */
export interface CopyArtifactOptions extends CreateArtifactOptions {
  /** The name of the store that keeps the copy: `pod`, or a configured store of archives. */
  readonly store: string;
}

/**
 * The part of a worker that keeps content longer than its container.
 *
 * @public
 */
export interface WorkerArtifacts {
  /**
   * Keeps the content that a volume has now, in a new artifact volume, which exists until
   * `expireArtifact` or until it was unused for `ttlMs`. The volume and its container stay as they
   * are: later changes of the volume do not change the artifact, and the artifact outlives the
   * container, its pod and its owner. A container that is kept (`OwnerFinishedOptions.keepForMs`)
   * still has its volumes.
   *
   * In the store `pod`, all bytes are copied into a small pod of their own. In a store of archives,
   * content that the store already has is only referred to: no bytes move.
   *
   * Until the call ends, the reaper leaves the volume alone. The signal stops the copy. The reaper
   * deletes an incomplete copy, even after the host has died.
   *
   * @example
   * ```ts
   * const owner = { kind: 'build-step', key: '4711/test' };
   * const { mounts } = await worker.findOrCreateContainer(owner, {
   *   image: 'node:24',
   *   dir: '/build',
   *   outputs: { report: 'report' },
   * });
   * // Runs the step, and then:
   * for (const { name, volume } of mounts)
   *   if (name === 'report') await worker.createArtifact(volume, { ttlMs: 7 * 24 * 60 * 60 * 1000 });
   * await worker.ownerFinished(owner);
   * ```
   *
   * @throws InvalidSpecError if an argument is invalid, or if the worker has no store of this name
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   * @throws WorkerNotRunningError if the worker is landing, landed, retiring or retired
   * @throws PodError, TransferError, ClusterError or `StoreUnavailableError` if the content cannot be
   * copied; nothing is kept
   */
  createArtifact(volume: Volume, options?: CreateArtifactOptions): Promise<ArtifactVolume>;
  /**
   * Copies an artifact, of this or another worker or of the host, into a new artifact volume in a
   * store: for example from a pod to a store of archives, or back. Content that the store already
   * has is only referred to. The artifact stays as it is: end it with `expireArtifact` when it is
   * no longer needed. The rest is as for `createArtifact`.
   *
   * @example
   * ```ts
   * const { volume: copy, expiresAt } = await worker.copyArtifact(volume, { store: 'pod' });
   * await worker.expireArtifact(volume.handle);
   * console.log(`${copy.handle} expires at ${expiresAt.toISOString()}`);
   * ```
   *
   * @throws InvalidSpecError if an argument is invalid, or if the worker has no store of this name
   * @throws VolumeDisappearedError if the artifact's pod or row no longer exists
   * @throws WorkerNotRunningError if the worker is landing, landed, retiring or retired
   * @throws PodError, TransferError, ClusterError or `StoreUnavailableError` if the content cannot be
   * copied; nothing is kept
   */
  copyArtifact(artifact: Artifact, options: CopyArtifactOptions): Promise<ArtifactVolume>;
}
