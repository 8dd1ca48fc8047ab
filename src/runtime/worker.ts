import type { Container, ContainerMetadata, ContainerOwner, ContainerSpec } from './container.ts';
import type { AbortOptions } from './options.ts';
import type { Volume, VolumeMount } from './volume.ts';

/**
 * A container and what is mounted in it.
 *
 * @public
 */
export interface ContainerWithMounts {
  readonly container: Container;
  /** Every dir, input, output and cache, with the exact path in the container. */
  readonly mounts: readonly VolumeMount[];
}

/**
 * Options of `findOrCreateContainer`.
 *
 * @public
 */
export interface FindOrCreateContainerOptions extends AbortOptions {
  readonly metadata?: ContainerMetadata | undefined;
  /** Told what happens, for people. It must not throw. */
  readonly delegate?: StepDelegate | undefined;
}

/**
 * Told what happens while a container is made.
 *
 * @public
 */
export interface StepDelegate {
  /** The pod exists, or is being made, under this name. */
  startingPod(podName: string): void;
  /** An input's bytes begin to move into the container. */
  streamingInput(path: string, handle: string): void;
  /** Another host, or another call, creates the container, whose pod has this name: the call waits for it. */
  waitingForAnotherHost?(podName: string): void;
}

/**
 * A new volume for an artifact that comes from outside, and when it is thrown away.
 *
 * @public
 */
export interface ArtifactVolume {
  readonly volume: Volume;
  readonly expiresAt: Date;
}

/**
 * What one pass of the reaper did.
 *
 * @public
 */
export interface ReapResult {
  readonly deletedPods: number;
  readonly deletedContainers: number;
  readonly deletedVolumes: number;
}

/**
 * A place where containers run: one namespace of one cluster. Every object it gives is a façade over the database and the cluster: nothing that must survive
 * is kept in it, and any number of instances of the same name, in any number of programs, work on the same things.
 *
 * `undefined` means gone; a throw means that it is not known.
 *
 * @public
 */
export interface Worker extends AsyncDisposable {
  /** Stable and unique in the database. */
  readonly name: string;
  /**
   * The container of this owner, and its mounts: made if there is none, the same one otherwise, from whatever instance. Resolves when the
   * inputs are in place and commands may run. The signal stops the work; a container half made is finished by the next call for the owner, or reaped.
   *
   * @throws InvalidSpecError - before anything is made
   * @throws ImagePullFailedError, PodUnschedulableError, PodStartTimeoutError, PodFailedError, PodEvictedError, PodDeletedError, AgentUnavailableError, AgentIncompatibleError - the container is failed; the next call makes a new one
   * @throws ContainerDisappearedError - it was complete, and its pod is gone; `lookupContainer` of the error's `handle` gives what the database still has of it
   */
  findOrCreateContainer(
    owner: ContainerOwner,
    spec: ContainerSpec,
    options?: FindOrCreateContainerOptions,
  ): Promise<ContainerWithMounts>;
  /** A new empty volume that belongs to no container, as an upload needs it. It lives until `expireArtifact`, or for 12 hours. */
  createVolumeForArtifact(teamId: string, options?: AbortOptions): Promise<ArtifactVolume>;
  /**
   * The container of this handle that was made and whose owner has not finished; `undefined` where there is none. Also where its pod is gone: then `properties` and the
   * stored results of processes that ended (`run` and `attach` of their ids) can be read, and everything else rejects with `ContainerDisappearedError`.
   */
  lookupContainer(handle: string, options?: AbortOptions): Promise<Container | undefined>;
  lookupVolume(handle: string, options?: AbortOptions): Promise<Volume | undefined>;
  /** The owner needs its container no longer: it and its volumes are reaped, so whoever wants an output has to have it by then. Idempotent. */
  ownerFinished(owner: ContainerOwner, options?: AbortOptions): Promise<void>;
  /** Nobody wants the artifact volume of this handle any longer. Idempotent. */
  expireArtifact(handle: string, options?: AbortOptions): Promise<void>;
  /** One pass of the reaper, now: deletes the pods, then the rows, that nobody wants. It goes on after a failure and rejects with all of them at the end. */
  reap(options?: AbortOptions): Promise<ReapResult>;
  /**
   * Closes connections, watches and timers. Deletes nothing; what runs in the cluster runs on. A call that creates something rejects with `ClosedError`; what
   * it had begun is free for the next call, of whichever host, once this resolves.
   */
  close(): Promise<void>;
}
