import type { Container, ContainerMetadata, ContainerOwner, ContainerSpec } from './container.ts';
import type { ImageExplanation, ImageRequest } from './image.ts';
import type { AbortOptions } from './options.ts';
import type { Volume, VolumeMount } from './volume.ts';

/**
 * A container and its volumes.
 *
 * @public
 */
export interface ContainerWithMounts {
  /** The container, in which commands may run. */
  readonly container: Container;
  /** Every dir, input, output and cache, with its exact path in the container. */
  readonly mounts: readonly VolumeMount[];
}

/**
 * Options of `Worker.findOrCreateContainer`.
 *
 * @public
 */
export interface FindOrCreateContainerOptions extends AbortOptions {
  /** Describes the container in the pod's name and labels. @defaultValue `{ type: 'task' }` */
  readonly metadata?: ContainerMetadata | undefined;
  /** Receives progress notifications. It must not throw. @defaultValue none */
  readonly delegate?: StepDelegate | undefined;
}

/**
 * Receives progress notifications while a container is created, to show them to users.
 *
 * @public
 */
export interface StepDelegate {
  /** Called when the pod of this name exists or is being created. */
  startingPod(podName: string): void;
  /** Called when the transfer of an input into the container begins. */
  streamingInput(path: string, handle: string): void;
  /**
   * Called when another host, or another call, is creating the container, whose pod has this name.
   * The call waits for it.
   */
  waitingForAnotherHost?(podName: string): void;
}

/**
 * A new volume that belongs to no container, and when it expires.
 *
 * @public
 */
export interface ArtifactVolume {
  /** The empty volume. */
  readonly volume: Volume;
  /** When the reaper may delete the volume, by the database's clock. */
  readonly expiresAt: Date;
}

/**
 * Counts what one pass of the reaper has deleted.
 *
 * @public
 */
export interface ReapResult {
  /** The number of pods that this pass deleted. */
  readonly deletedPods: number;
  /** The number of containers whose rows this pass deleted. */
  readonly deletedContainers: number;
  /** The number of volumes whose rows this pass deleted. */
  readonly deletedVolumes: number;
}

/**
 * Creates and finds containers and volumes in one namespace of one cluster.
 *
 * Every object that a worker returns is a façade over the database and the cluster: it holds
 * nothing that must survive. Any number of instances of one name, in any number of programs, work
 * on the same containers and volumes.
 *
 * A lookup returns `undefined` if the object no longer exists. It rejects if the state is unknown.
 *
 * Each method rejects with `ClosedError` after `close()`, with `InvalidSpecError` before it does
 * anything if an argument is invalid, and with `RepositoryUnavailableError` if the database does
 * not answer.
 *
 * @public
 */
export interface Worker extends AsyncDisposable {
  /** The name of the worker: stable, and unique in the database. */
  readonly name: string;
  /**
   * Returns the container of this owner and its mounts. Creates it if the owner has none. Every
   * instance of the worker returns the same container for the same owner. Resolves when the inputs
   * are in place and commands may run.
   *
   * The signal stops the work. The next call for the owner completes a container that is half
   * created; otherwise the reaper deletes it.
   *
   * @example
   * ```ts
   * const { volume: source } = await worker.createVolumeForArtifact('main');
   * const { container, mounts } = await worker.findOrCreateContainer(
   *   { kind: 'build-step', key: '4711/test' },
   *   {
   *     image: 'node:24',
   *     dir: '/build',
   *     inputs: [{ artifact: source, path: 'source' }],
   *     outputs: { result: 'result' },
   *   },
   *   { metadata: { stepName: 'test', buildName: '4711' } },
   * );
   * const result = mounts.find(({ name }) => name === 'result')?.volume;
   * ```
   *
   * @throws InvalidSpecError if the specification is invalid, or if the worker's `ImageOptions` have no
   * image for it or refuse one; nothing was created
   * @throws ImagePullFailedError, PodUnschedulableError, PodStartTimeoutError, PodFailedError,
   * PodEvictedError, PodDeletedError, AgentUnavailableError or AgentIncompatibleError if the pod
   * cannot be used. The container has failed; the next call creates a new one.
   * @throws QuotaExceededError, AdmissionDeniedError or ForbiddenError if the API server refuses
   * the pod
   * @throws ContainerDisappearedError if the container was complete and its pod no longer exists.
   * `lookupContainer` with the error's `handle` returns what the database still holds.
   */
  findOrCreateContainer(
    owner: ContainerOwner,
    spec: ContainerSpec,
    options?: FindOrCreateContainerOptions,
  ): Promise<ContainerWithMounts>;
  /**
   * Explains which image a step gets by the worker's image options, and whether it is permitted. It
   * creates nothing, and asks neither the cluster nor a registry.
   *
   * @example
   * ```ts
   * const { image, rule, refusal, chain } = await worker.explainImage({
   *   resourceType: 'git',
   *   metadata: { type: 'get', team: 'main', pipelineName: 'release' },
   * });
   * console.log(refusal ?? `${image} by ${rule ?? 'no rule'}`);
   * for (const { source, rule: name, effect } of chain) console.log(source, name, effect);
   * ```
   *
   * @throws InvalidSpecError if the image is not a reference
   */
  explainImage(request: ImageRequest): Promise<ImageExplanation>;
  /**
   * Creates an empty volume that belongs to no container, as an upload needs it. It exists until
   * `expireArtifact`, or for `artifactTimeToLiveMs` (default 12 hours).
   *
   * @example
   * ```ts
   * import { createReadStream } from 'node:fs';
   *
   * const { volume, expiresAt } = await worker.createVolumeForArtifact('main');
   * await volume.streamIn('.', () => createReadStream('source.tar'));
   * console.log(`${volume.handle} expires at ${expiresAt.toISOString()}`);
   * ```
   *
   * @throws ImagePullFailedError, PodUnschedulableError, PodStartTimeoutError, PodFailedError,
   * PodEvictedError or PodDeletedError if the volume's pod cannot be used
   */
  createVolumeForArtifact(teamId: string, options?: AbortOptions): Promise<ArtifactVolume>;
  /**
   * Returns the container of this handle. Returns `undefined` if it was never created completely,
   * or if its owner has finished.
   *
   * The container is also returned if its pod no longer exists. Its properties and the stored
   * results of processes that ended (`run` and `attach` of their IDs) can then still be read;
   * everything else rejects with `ContainerDisappearedError`.
   *
   * @example
   * ```ts
   * const container = await worker.lookupContainer('3c1f1c0e-6d1e-4f2b-9d59-2f0f3f2c5a11');
   * const shell = await container?.run(
   *   { path: 'sh', tty: {} },
   *   { stdin: process.stdin, stdout: process.stdout },
   * );
   * ```
   */
  lookupContainer(handle: string, options?: AbortOptions): Promise<Container | undefined>;
  /**
   * Returns the volume of this handle: an artifact volume, or a volume of a container. Returns
   * `undefined` if it was never created completely, or no longer exists.
   *
   * @example
   * ```ts
   * const volume = await worker.lookupVolume('9b8f0c52-4f0b-4a0a-8a3a-7f6d3d0f2e10');
   * const report = await volume?.readFile('report.txt');
   * ```
   */
  lookupVolume(handle: string, options?: AbortOptions): Promise<Volume | undefined>;
  /**
   * Marks the owner's container for deletion: the reaper then deletes it together with its volumes.
   * A consumer of an output needs its own copy by then. Idempotent.
   *
   * @example
   * ```ts
   * await worker.ownerFinished({ kind: 'build-step', key: '4711/test' });
   * ```
   */
  ownerFinished(owner: ContainerOwner, options?: AbortOptions): Promise<void>;
  /**
   * Marks the artifact volume of this handle for deletion by the reaper. Idempotent.
   *
   * @example
   * ```ts
   * const { volume } = await worker.createVolumeForArtifact('main');
   * await worker.expireArtifact(volume.handle);
   * ```
   */
  expireArtifact(handle: string, options?: AbortOptions): Promise<void>;
  /**
   * Runs one pass of the reaper: deletes the pods, then the rows, of all containers and volumes
   * that are marked, failed, abandoned or expired. The pass continues after a failure. A later pass
   * completes what the signal, or a failure, has left.
   *
   * @example
   * ```ts
   * const { deletedPods, deletedVolumes } = await worker.reap();
   * ```
   *
   * @throws ReconcileError with all failures, after the pass
   */
  reap(options?: AbortOptions): Promise<ReapResult>;
  /**
   * Closes connections, watches and timers. It deletes nothing; commands continue in the cluster.
   * Calls that are creating a container or a volume reject with `ClosedError`. When `close()`
   * resolves, their leases are released, so that the next call of any host can continue at once.
   *
   * @example
   * ```ts
   * await worker.close();
   * ```
   */
  close(): Promise<void>;
  /**
   * Closes the worker, like `close()`.
   *
   * @example
   * ```ts
   * import { KubernetesWorker } from 'kubernetes-worker';
   *
   * await using worker = await KubernetesWorker.open({ name: 'ci', database: 'postgres://ci@db/ci' });
   * // Closes the worker at the end of this block.
   * ```
   */
  [Symbol.asyncDispose](): Promise<void>;
}
