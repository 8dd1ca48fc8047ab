import type { Writable } from 'node:stream';

import type { ArtifactVolume, WorkerArtifacts } from './artifacts.ts';
import type { WorkerCaches } from './caches.ts';
import type { CheckOptions, CheckReport } from './check.ts';
import type { Container, ContainerMetadata, ContainerOwner, ContainerSpec } from './container.ts';
import type { ContainerPage, ContainerQuery } from './container-query.ts';
import type { ImageExplanation, ImageRequest } from './image.ts';
import type { AbortOptions } from './options.ts';
import type { WorkerPlacement } from './placement.ts';
import type { ProcessPage, ProcessQuery } from './process-query.ts';
import type { ReapPlan } from './reap-plan.ts';
import type { ReapOptions, ReapResult } from './reap-result.ts';
import type { WorkerRetention } from './retention.ts';
import type { StepProgress } from './step-progress.ts';
import type { WorkerTokens } from './token-review.ts';
import type { Volume, VolumeMount } from './volume.ts';
import type { VolumePage, VolumeQuery } from './volume-query.ts';
import type { WorkerControllers } from './worker-controllers.ts';
import type { WorkerEvents } from './worker-events.ts';
import type { WorkerLifecycle } from './worker-lifecycle.ts';

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
  /**
   * Whether this call completed the creation of the container.
   *
   * `true` for at most one call per container: the one whose attempt moved it to `created`, even if
   * another host had begun it. `false` for every call that found the container complete, and for a
   * call that waited for another host. If the call that completed the creation was aborted, failed
   * afterwards or lost its host, no call of the container returns `true`.
   */
  readonly created: boolean;
}

/**
 * Options of `Worker.findOrCreateContainer`.
 *
 * @public
 */
export interface FindOrCreateContainerOptions extends AbortOptions {
  /** Describes the container in the pod's name and labels. @defaultValue `{ type: 'task' }` */
  readonly metadata?: ContainerMetadata | undefined;
  /** Receives the progress of the creation. @defaultValue none */
  readonly delegate?: StepDelegate | undefined;
  /**
   * Receives, as text for the users of a step, why the pod waits or has failed: one line if no node
   * accepts the pod, one if a quota has no room for it, and `PodError.diagnostics` if the call
   * rejects with a `PodError`. The library does not wait for the writable, and never ends it; a
   * writable that fails or is closed has no effect.
   *
   * @defaultValue nothing is written
   */
  readonly stderr?: Writable | undefined;
  /**
   * What to do if the owner has a container that was requested with another specification.
   *
   * `'reject'`: the call rejects with `ContainerSpecChangedError`. `'keep'`: the call returns the
   * existing container, as it is. One that another host is creating is awaited. One that no host
   * completes is not kept: it is marked failed, and the call creates a container to its own
   * specification.
   *
   * Specifications are compared by a digest of their effect, without metadata. An input counts by
   * its path and its artifact's handle. A container of a version without digests matches every
   * specification.
   *
   * @defaultValue `'reject'`
   */
  readonly onSpecChange?: 'reject' | 'keep' | undefined;
}

/**
 * Options of `Worker.ownerFinished`.
 *
 * @public
 */
export interface OwnerFinishedOptions extends AbortOptions {
  /**
   * Finishes only the container of this handle. A host that still holds the handle of an older
   * container then does not affect a newer one. A container that is kept (`keepForMs`) is finished
   * only by its handle.
   *
   * @defaultValue the owner's live container, whichever it is
   */
  readonly handle?: string | undefined;
  /**
   * Whether the owner has finished for good: a late host's `findOrCreateContainer` for it rejects
   * with `OwnerFinishedError`, for the worker's `finishedOwnerTtlMs`. Together with `handle`, it has
   * no effect while another container of the owner exists or is being created.
   *
   * @defaultValue false: the owner may be used again
   */
  readonly final?: boolean | undefined;
  /**
   * Keeps the container for this time, in milliseconds, so that a failed step can be inspected. Its
   * state becomes `kept`: the owner no longer has it, but its handle still finds it and its
   * volumes, commands may run in it, and its pod keeps its resources. A container that is still
   * being created is not kept. With `handle` of a kept container, the time starts again from now;
   * without `keepForMs`, the call ends it. The limits of the option `retention` apply: a longer
   * time is cut to `maxAgeMs`.
   *
   * @defaultValue the container is not kept
   */
  readonly keepForMs?: number | undefined;
  /**
   * Deletes the owner's pod at once instead of with the reaper's next pass, and does not wait for
   * its end. It is meant for a host that is about to exit. Commands, interactive sessions and
   * transfers in the pod end with it. The rows stay until the reaper. With `handle`, only the pod
   * of that container. Refused together with `keepForMs`.
   *
   * @defaultValue the reaper deletes the pod
   */
  readonly deletePod?: DeletePodNow | undefined;
}

/**
 * How `Worker.ownerFinished` deletes the owner's pod.
 *
 * @public
 */
export interface DeletePodNow {
  /**
   * How long commands have after TERM until they are killed, in seconds. With 0 the API server
   * removes the pod at once, while its node may still run it for a moment.
   *
   * @defaultValue the pod's own
   */
  readonly gracePeriodSeconds?: number | undefined;
}

/**
 * Receives the progress of the creation of a container, to show it to the users of a step.
 *
 * @public
 */
export interface StepDelegate {
  /**
   * Called with each event, in order. The creation continues when the method returns; a returned
   * promise is not awaited. An exception or a rejection has no effect on the step. The library logs
   * the first one of each call as a warning.
   *
   * @example
   * ```ts
   * import type { StepDelegate } from 'kubernetes-worker';
   *
   * const delegate: StepDelegate = {
   *   progress: (event) => {
   *     if (event.kind === 'unschedulable') console.log(`waiting for a node: ${event.message}`);
   *     else console.log(event.kind);
   *   },
   * };
   * ```
   */
  progress(event: StepProgress): void | Promise<void>;
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
export interface Worker
  extends AsyncDisposable,
    WorkerArtifacts,
    WorkerCaches,
    WorkerControllers,
    WorkerEvents,
    WorkerLifecycle,
    WorkerPlacement,
    WorkerRetention,
    WorkerTokens {
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
   * @throws ContainerSpecChangedError if the owner's live container was requested with another
   * specification, unless `onSpecChange` is `'keep'`; nothing was created or changed
   * @throws OwnerFinishedError if the owner has finished for good (`ownerFinished` with `final`)
   * @throws WorkerNotRunningError if the owner has no container, and the worker is landing, landed,
   * retiring or retired; nothing was created
   * @throws ImagePullFailedError, PodUnschedulableError, PodStartTimeoutError, PodFailedError,
   * PodEvictedError, PodDeletedError, AgentUnavailableError or AgentIncompatibleError if the pod
   * cannot be used. The container has failed; the next call creates a new one.
   * @throws QuotaExceededError, AdmissionDeniedError or ForbiddenError if the API server refuses
   * the pod
   * @throws ConflictError if another pod has the name `ContainerSpec.podName`
   * @throws CreationLapsedError if this host was suspended for so long that the container it was
   * creating has been deleted; call again if the owner still needs one
   * @throws ContainerDisappearedError if the container was complete, and its pod no longer exists, is
   * being deleted or has ended, such as by an eviction; its `cause` is the PodError. `lookupContainer`
   * with the error's `handle` returns what the database still holds. `ownerFinished` makes room for
   * another container.
   */
  findOrCreateContainer(
    owner: ContainerOwner,
    spec: ContainerSpec,
    options?: FindOrCreateContainerOptions,
  ): Promise<ContainerWithMounts>;
  /**
   * Explains which image a step gets by the worker's image options, and whether it is permitted.
   * Creates nothing, and sends no request to the cluster or a registry.
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
   * Creates an empty volume that belongs to no container, for example for an upload. It exists
   * until `expireArtifact`, or for `artifactTimeToLiveMs` (default 12 hours) after its last use. A
   * use is a transfer from or into it, including that of an input of a container.
   *
   * The volume has a pod of its own, unless an archive store keeps new artifacts
   * (`StoresOptions.artifacts`): it is then a row only, and its content goes to the store.
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
   * @throws WorkerNotRunningError if the worker is landing, landed, retiring or retired
   * @throws ImagePullFailedError, PodUnschedulableError, PodStartTimeoutError, PodFailedError,
   * PodEvictedError or PodDeletedError if the volume's pod cannot be used, with `diagnostics`
   */
  createVolumeForArtifact(teamId: string, options?: AbortOptions): Promise<ArtifactVolume>;
  /**
   * Returns the container of this handle. Returns `undefined` if it was never created completely,
   * or if its owner has finished and it is not kept (`OwnerFinishedOptions.keepForMs`).
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
   * Returns the container of this owner, like `lookupContainer` and with the same guarantees, for a
   * host that has restarted and no longer has the specification. Creates nothing. Returns
   * `undefined` if the owner has no container, if its container is not yet created completely, or
   * if the owner has finished.
   *
   * @example
   * ```ts
   * const container = await worker.findContainer({ kind: 'build-step', key: '4711/test' });
   * const task = await container?.attach('task', { stdout: process.stdout });
   * ```
   */
  findContainer(owner: ContainerOwner, options?: AbortOptions): Promise<Container | undefined>;
  /**
   * Returns a page of the worker's containers, in every state, oldest first. Reads the database
   * only: the pod of a listed container may no longer exist.
   *
   * A container that exists from the first page to the last is on exactly one page, even if others
   * are created and reaped in the meantime.
   *
   * @example
   * ```ts
   * for (let after: string | undefined; ; ) {
   *   const { containers, next } = await worker.listContainers({ ownerKind: 'build-step', after });
   *   for (const { handle, owner, state } of containers) console.log(handle, owner.key, state);
   *   if (next === undefined) break;
   *   after = next;
   * }
   * ```
   *
   * @throws InvalidSpecError if a field of the query is invalid
   */
  listContainers(query?: ContainerQuery, options?: AbortOptions): Promise<ContainerPage>;
  /**
   * Returns a page of the processes of the worker's containers, as `Container.listProcesses` returns
   * those of one: what the agents in the pods report, and the stored results. Containers that are
   * neither `created` nor `kept` have none. A process that exists from the first page to the last is
   * on exactly one page.
   *
   * Reads the database twice, and asks up to 8 pods at once. A page ends before its limit, with a
   * `next`, after 100 containers, or after 4 seconds. A pod that does not answer within 5 seconds
   * does not fail the call.
   *
   * @example
   * ```ts
   * // After a restart: continues what runs.
   * for (let after: string | undefined; ; ) {
   *   const { processes, next } = await worker.listProcesses({ ownerKind: 'build-step', after });
   *   for (const { container, process: known } of processes) {
   *     const found = known.state === 'running' ? await worker.lookupContainer(container.handle) : undefined;
   *     await found?.attach(known.id, { stdout: process.stdout });
   *   }
   *   if (next === undefined) break;
   *   after = next;
   * }
   * ```
   *
   * @throws InvalidSpecError if a field of the query is invalid
   */
  listProcesses(query?: ProcessQuery, options?: AbortOptions): Promise<ProcessPage>;
  /**
   * Returns a page of the worker's volumes, in every state, oldest first: those of containers and
   * artifact volumes. Reads the database only: the pod of a listed volume may no longer exist.
   *
   * A volume that exists from the first page to the last is on exactly one page, even if others are
   * created and reaped in the meantime.
   *
   * @example
   * ```ts
   * for (let after: string | undefined; ; ) {
   *   const { volumes, next } = await worker.listVolumes({ kind: 'artifact', after });
   *   for (const { handle, teamId, sizeBytes } of volumes) console.log(handle, teamId, sizeBytes);
   *   if (next === undefined) break;
   *   after = next;
   * }
   * ```
   *
   * @throws InvalidSpecError if a field of the query is invalid
   */
  listVolumes(query?: VolumeQuery, options?: AbortOptions): Promise<VolumePage>;
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
   * Idempotent. A transfer from or into one of the volumes that began before, in any host,
   * completes first: the reaper waits for it. A consumer of an output needs its own copy, or an
   * open stream, by then. An open stream that is not read keeps the pod for as long as its host
   * lives.
   *
   * The owner may be used again, unless the call is `final`: the next `findOrCreateContainer`
   * creates another container. A call that is creating the container at that time rejects with
   * `ContainerDisappearedError` or `OwnerFinishedError`, and its pod is deleted. When a `final`
   * call has resolved, no call returns a container of the owner, not even one that began before.
   *
   * With `deletePod`, the call also deletes the pod, after the mark. If the deletion fails, the
   * call rejects with the cluster's error, although the mark is set. Call it again, or leave the
   * pod to the reaper.
   *
   * @example
   * ```ts
   * const owner = { kind: 'build-step', key: '4711/test' };
   * const { container } = await worker.findOrCreateContainer(owner, { image: 'node:24' });
   * // The step has ended, and no host runs it again.
   * await worker.ownerFinished(owner, { handle: container.handle, final: true });
   * ```
   *
   * @throws InvalidSpecError if `keepForMs` is not a positive number, or together with `deletePod`
   * @throws ForbiddenError, UnauthorizedError, TooManyRequestsError or ApiUnavailableError if the pod
   * cannot be deleted (`deletePod`); the owner is marked
   */
  ownerFinished(owner: ContainerOwner, options?: OwnerFinishedOptions): Promise<void>;
  /**
   * Marks the artifact volume of this handle for deletion by the reaper. Idempotent. Transfers that
   * began before complete first.
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
   * that are marked, failed, abandoned, expired or no longer kept, the pods without a row, of this
   * worker or of one that no longer exists, and the config maps of other versions' agents that no pod
   * mounts and that are older than a day. A container or volume with a transfer under way stays until
   * a later pass. The pass continues after a failure; a pod that does not end delays no other. A later
   * pass completes what the signal, the budget or a failure has left.
   *
   * The pass begins with a list of the pods. If that fails, it changes nothing.
   *
   * @example
   * ```ts
   * const { deletedPods, deletedVolumes, complete } = await worker.reap({ budgetMs: 10_000 });
   * if (!complete) console.log(`${deletedPods} pods and ${deletedVolumes} volumes, the next pass continues`);
   * ```
   *
   * @throws ReconcileError with all failures, after the pass
   */
  reap(options?: ReapOptions): Promise<ReapResult>;
  /**
   * Returns what `reap` would delete now, and why. It changes nothing.
   *
   * @example
   * ```ts
   * const { containers, unknownPods } = await worker.planReap();
   * for (const { podName, owner, reason } of containers) console.log(podName, owner.key, reason);
   * console.log(`${unknownPods.length} pods without a container`);
   * ```
   *
   * @throws ForbiddenError, ApiUnavailableError or another `ClusterError` if pods cannot be listed
   */
  planReap(options?: AbortOptions): Promise<ReapPlan>;
  /**
   * Examines what the worker depends on: the API server and its version, each permission, whether
   * the namespace would accept a pod, the database, the clocks, and on request the start of a pod.
   * Leaves nothing behind. Each finding has advice. The signal stops the checks.
   *
   * @example
   * ```ts
   * const { ok, findings } = await worker.check({ startPod: true });
   * for (const { check, outcome, message, advice } of findings)
   *   console.log(`${outcome}: ${check}: ${message} ${advice ?? ''}`);
   * if (!ok) process.exitCode = 1;
   * ```
   */
  check(options?: CheckOptions): Promise<CheckReport>;
  /**
   * Closes connections, watches and timers. It deletes nothing; commands continue in the cluster.
   * Calls that are creating a container or a volume reject with `ClosedError`, as `check` does. When
   * `close()` resolves, their leases are released, so that the next call of any host can continue at
   * once.
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
