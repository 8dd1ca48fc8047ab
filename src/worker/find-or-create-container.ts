import { InvalidSpecError } from '../errors/caller.ts';
import { ContainerSpecChangedError } from '../errors/owner.ts';
import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
} from '../errors/repository.ts';
import type { StepImageResolver, StepImages } from '../images/step-images.ts';
import { abortable } from '../internal/abort.ts';
import { within } from '../internal/within.ts';
import { mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';
import type { PodLauncher } from '../pods/pod-launcher.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { StartProgress } from '../pods/start-progress.ts';
import type { ContainerRepository, FoundContainer, Lease, NewContainer } from '../repository/container-repository.ts';
import type { ContainerRecord, VolumeRecord } from '../repository/records.ts';
import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { StepDelegate } from '../runtime/worker.ts';
import type { ContainerVolumeStore } from '../stores/artifact-store.ts';
import type { ContainerPlan, PlannedMount } from './container-plan.ts';
import { InputProgress } from './input-progress.ts';
import { keepLease } from './lease-keeper.ts';
import { stepListener } from './step-listener.ts';
import { knownSizeOf, type StoredVolume } from './stored-volume.ts';

export interface ContainerCreationComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly images: Pick<StepImageResolver, 'resolve'>;
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  /** The store of containers' volumes. */
  readonly podStore: ContainerVolumeStore;
  readonly volume: (record: VolumeRecord) => Pick<StoredVolume, 'takeFrom'>;
  readonly podName: (handle: string, metadata: ContainerMetadata) => string;
  readonly newId: () => string;
  /** A working holder renews its lease. A holder that died is replaced after this time. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The container that a caller requests. */
export interface ContainerRequest {
  readonly owner: ContainerOwner;
  readonly plan: ContainerPlan;
  /** The digest of everything that determines the container. */
  readonly specDigest: string;
  readonly onSpecChange: 'reject' | 'keep';
  readonly metadata: ContainerMetadata;
  readonly delegate: StepDelegate | undefined;
}

/** A request, and its images. */
interface ResolvableRequest extends ContainerRequest {
  /**
   * Resolves the images at the first call. A container that exists is found without, so that a
   * policy that has changed does not keep its host from it.
   */
  readonly images: () => Promise<StepImages>;
}

/** How often a call that waits for another holder polls the row. */
const pollMs = 200;
/** How long a call that has ended may take to release its lease. */
const releaseMs = 2_000;

/** The owner's container, and whether this call completed its creation. */
export interface ContainerOutcome {
  readonly container: ContainerRecord;
  readonly created: boolean;
}

/** The container that was found, and the lease that the call requested. */
interface HeldContainer extends FoundContainer {
  readonly lease: Lease;
  /** When the lease was requested, by this host's clock. */
  readonly requestedAt: number;
}

/** A container that this call completes. */
interface Creation extends HeldContainer {
  readonly progress: StartProgress;
}

/**
 * Returns the one container of an owner, with any number of concurrent callers: its row is the
 * claim, and a lease decides which caller does the work. A holder that dies is replaced, and the
 * next holder continues from the state that it finds: every step first checks what exists.
 */
export async function findOrCreateContainer(
  request: ContainerRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<ContainerOutcome> {
  const { clock, logger } = components;
  const requested = { ...request, images: imagesOf(request, components, { signal }) };
  const report = stepListener(requested.delegate, logger, { signal });
  let progress: StartProgress | undefined;
  for (let awaitedHandle: string | undefined; ; ) {
    if (awaitedHandle !== undefined) await requireNotFinished(awaitedHandle, components, { signal });
    const found = await find(requested, components, { signal });
    const { container } = found;
    const { podName } = container;
    if (progress?.podName !== podName) progress = new StartProgress({ podName, clock, report });
    if (isOfAnotherSpec(container, requested)) {
      if (requested.onSpecChange === 'reject') throw new ContainerSpecChangedError(container.handle, requested.owner);
      if (found.leased) {
        await abandon(found, components, { signal });
        awaitedHandle = undefined;
        continue;
      }
    }
    if (container.state === 'created') {
      await requirePod(container, components, { signal });
      progress.ready();
      return { container, created: false };
    }
    if (found.leased) {
      const outcome = await create({ ...found, progress }, requested, components, { signal });
      if (outcome !== undefined) return outcome;
      progress = undefined;
    } else {
      if (awaitedHandle !== container.handle)
        logger.info('waiting for the host that creates the container', { handle: container.handle, podName });
      progress.waitingForAnotherHost();
    }
    awaitedHandle = container.handle;
    await clock.sleep(pollMs, { signal });
  }
}

/** A row from before digests were stored matches every specification. */
function isOfAnotherSpec({ specDigest }: ContainerRecord, requested: ContainerRequest): boolean {
  return specDigest !== undefined && specDigest !== requested.specDigest;
}

/**
 * Marks a container failed that an earlier holder has half created to another specification, which
 * this call does not have.
 */
async function abandon(
  found: HeldContainer,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const { containers, pods, logger } = components;
  const { handle, podName } = found.container;
  logger.info('abandoning a half-created container of another specification', { handle, podName });
  try {
    await pods.retry(() => containers.markFailed(handle, found.lease.holder, { signal }), { signal });
  } catch (error) {
    await release(found, components);
    if (!isOvertaken(error)) throw error;
  }
}

function imagesOf(
  { plan: { pod, resourceType }, metadata }: ContainerRequest,
  { images }: ContainerCreationComponents,
  options: AbortOptions,
): () => Promise<StepImages> {
  let resolved: Promise<StepImages> | undefined;
  return async () => {
    resolved ??= images.resolve(mainContainerName, { ...pod, resourceType }, metadata, options);
    try {
      return await resolved;
    } catch (error) {
      resolved = undefined;
      throw error;
    }
  };
}

/**
 * Returns the owner's container, leased to a new holder unless another holder has a lease. An abort
 * releases the lease.
 */
async function find(
  requested: ResolvableRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<HeldContainer> {
  const { containers, pods, clock, workerName, newId, leaseMs } = components;
  const { owner, specDigest, onSpecChange } = requested;
  const lease: Lease = { holder: newId(), durationMs: leaseMs };
  const takingOver = onSpecChange === 'reject' ? { specDigest } : {};
  const attempt = async (): Promise<HeldContainer> => {
    let requestedAt = clock.now();
    const make = async (): Promise<NewContainer> => {
      // Before the insert: a step whose images are refused leaves no row.
      await requested.images();
      // The lease of a new row begins with its insert.
      requestedAt = clock.now();
      return newContainer(requested, components);
    };
    const found = await containers.findOrInsert(workerName, owner, lease, make, takingOver);
    return { ...found, lease, requestedAt };
  };
  signal?.throwIfAborted();
  // Not aborted by the signal: the statement may still take effect, and then its lease has to be
  // released.
  const finding = pods.retry(attempt, { signal });
  try {
    return await abortable(finding, signal);
  } catch (error) {
    if (signal?.aborted === true) await releaseFound(finding, components);
    throw error;
  }
}

async function releaseFound(finding: Promise<HeldContainer>, components: ContainerCreationComponents): Promise<void> {
  const releaseWhenFound = async (): Promise<void> => {
    const found = await finding;
    if (found.leased) await release(found, components);
  };
  await within(releaseMs, components.clock, releaseWhenFound).catch(() => undefined);
}

/**
 * Releases the lease, so that the next call for the owner continues at once. A lease that cannot be
 * released expires.
 */
async function release(
  { container: { handle }, lease: { holder } }: HeldContainer,
  components: ContainerCreationComponents,
): Promise<void> {
  const { containers, clock, logger } = components;
  await within(releaseMs, clock, (signal) => containers.releaseLease(handle, holder, { signal })).catch(
    (error: unknown) => logger.warn('lease not released', { handle, error }),
  );
}

/**
 * Throws if the owner has finished in the meantime: no later call would mark a new container's
 * owner as finished.
 */
async function requireNotFinished(
  handle: string,
  { containers, workerName }: ContainerCreationComponents,
  options: AbortOptions,
): Promise<void> {
  const record = await containers.lookup(workerName, handle, options);
  if (record === undefined || record.state === 'destroying') throw new ContainerDisappearedError(handle, workerName);
}

/**
 * Throws if the pod of a created container no longer exists. The container is not created again,
 * because its outputs would be silently empty.
 */
async function requirePod(
  { handle, podName, podUid }: ContainerRecord,
  { pods, workerName }: ContainerCreationComponents,
  options: AbortOptions,
): Promise<void> {
  if (!(await pods.exists(podName, { ...options, uid: podUid })))
    throw new ContainerDisappearedError(handle, workerName);
}

function newContainer(
  { owner, plan, specDigest, metadata }: ContainerRequest,
  components: ContainerCreationComponents,
): NewContainer {
  const { workerName, newId, podName, podStore } = components;
  const handle = newId();
  const name = podName(handle, metadata);
  return {
    handle,
    workerName,
    owner,
    podName: name,
    metadata,
    specDigest,
    settings: {
      dir: plan.dir,
      user: plan.user,
      env: plan.environment,
      memoryBytes: plan.pod.limits.memoryBytes,
      sidecars: Object.fromEntries(
        plan.pod.sidecars.map((sidecar) => [sidecar.name, { memoryBytes: sidecar.limits?.memoryBytes }]),
      ),
    },
    volumes: plan.mounts.map(({ kind, mountPath, name: outputName }) => {
      const volume = newId();
      return {
        handle: volume,
        kind,
        mountPath,
        name: outputName,
        store: podStore.name,
        location: podStore.locateInContainer({ podName: name, handle }, volume),
      };
    }),
  };
}

/**
 * Completes the container under the lease. Returns `undefined` if another holder continues or has
 * completed the work.
 */
async function create(
  found: Creation,
  requested: ResolvableRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<ContainerOutcome | undefined> {
  const { containers, clock, leaseMs } = components;
  const { container, lease, requestedAt, progress } = found;
  const { handle } = container;
  const renew = (renewal: AbortSignal): Promise<boolean> => containers.renewLease(handle, lease, { signal: renewal });
  const terms = { handle, renew, everyMs: leaseMs / 3, durationMs: leaseMs, requestedAt, clock, signal };
  try {
    const created = await keepLease(terms, async (held) => await complete(found, requested, components, held));
    progress.ready();
    return created;
  } catch (error) {
    await release(found, components);
    signal?.throwIfAborted();
    if (isOvertaken(error)) return undefined;
    throw error;
  } finally {
    progress.end();
  }
}

/**
 * Whether another holder has the row, or the row has left `creating`, which only another holder or
 * the end of its owner causes.
 */
function isOvertaken(error: unknown): boolean {
  return error instanceof LeaseLostError || error instanceof IllegalTransitionError;
}

/**
 * Does all remaining work for a container. Marks the container failed if the error is about the
 * container, but not if the error only keeps this host from its work.
 */
async function complete(
  found: Creation,
  requested: ResolvableRequest,
  components: ContainerCreationComponents,
  signal: AbortSignal,
): Promise<ContainerOutcome> {
  const { containers, pods, logger } = components;
  const { container, lease, generation } = found;
  const { handle, podName } = container;
  try {
    await launch(found, requested, components, { signal });
    await materialise(found, requested, components, { signal });
    const createdBy = await pods.retry(() => containers.markCreated(handle, lease.holder, { signal }), { signal });
    // A late statement of this holder also finds the row `created` if the next holder was faster.
    return { container: { ...container, state: 'created' }, created: createdBy === generation };
  } catch (error) {
    signal.throwIfAborted();
    if (isOvertaken(error) || error instanceof RepositoryUnavailableError) throw error;
    logger.warn('container failed', { handle, podName, error });
    await pods
      .retry(() => containers.markFailed(handle, lease.holder, { signal }), { signal })
      .catch((cause: unknown) => logger.warn('container not marked failed', { handle, cause }));
    throw error;
  }
}

async function launch(
  { container, volumes, lease, generation, progress }: Creation,
  { plan, metadata, images }: ResolvableRequest,
  components: ContainerCreationComponents,
  options: AbortOptions,
): Promise<void> {
  const { launcher, pods } = components;
  const { podName, handle } = container;
  const places = volumes.map((volume) => ({ agentVolume: volume.handle, mountPath: volume.mountPath ?? '' }));
  if (container.podUid === undefined) {
    const request = { ...plan.pod, ...(await pods.retry(images, options)), volumes: places, metadata, podName, handle };
    progress.creatingPod();
    const waitingForQuota = (message: string): void => progress.waitingForQuota(message);
    const uid = await launcher.launch(request, { ...options, waitingForQuota });
    await recordPod({ ...container, podUid: uid }, lease, components, options);
    options.signal?.throwIfAborted();
  } else {
    // An earlier holder launched it: a new pod under this name would lack the inputs of the first.
    await pods.requireAlive(container.podName, { ...options, uid: container.podUid });
  }
  await pods.whenAgentAnswers(container, { ...options, observed: (pod) => progress.observe(pod) });
  progress.agentReady();
  // Before any input: an input that an earlier holder still streams would overwrite this holder's
  // when it is committed.
  await pods.fence(container, generation, options);
}

/**
 * Records the pod's uid in the row. Deletes a pod that no row refers to, because the reaper would
 * not find it.
 */
async function recordPod(
  { handle, podName, podUid: uid }: ContainerRecord & { readonly podUid: string },
  { holder }: Lease,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const { containers, pods, launcher, clock, workerName } = components;
  try {
    // Tried at least once, even after an abort: the pod exists.
    await pods.retry(() => containers.recordPod(handle, holder, uid), { signal });
  } catch (error) {
    const lookup = (late: AbortSignal): Promise<ContainerRecord | undefined> =>
      containers.lookup(workerName, handle, { signal: late });
    const row = await within(releaseMs, clock, lookup).catch(() => 'unknown' as const);
    const mayBeReferenced =
      row === 'unknown' || (row?.state === 'creating' && (row.podUid ?? uid) === uid) || row?.podUid === uid;
    if (!mayBeReferenced) await launcher.discard(podName, uid);
    throw error;
  }
}

/**
 * Streams in all inputs concurrently. The first failure aborts the others. An input that an earlier
 * holder completed is kept.
 */
async function materialise(
  { volumes, lease, generation, progress }: Creation,
  { plan }: ContainerRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const inputs = plan.mounts.filter(({ artifact }) => artifact !== undefined);
  const fill = async (mount: PlannedMount): Promise<void> => {
    const record = volumes.find((volume) => volume.mountPath === mount.mountPath);
    if (record === undefined)
      throw new InvalidSpecError(
        'spec',
        `the creation of this owner's container began without a volume at ${mount.mountPath}`,
      );
    if (mount.artifact === undefined || record.readyAt !== undefined) return;
    const { artifact, mountPath: path } = mount;
    const input = new InputProgress({
      input: { path, handle: artifact.handle, inputNumber: inputs.indexOf(mount) + 1, inputCount: inputs.length },
      estimatedBytes: knownSizeOf(artifact),
      clock: components.clock,
      report: (facts) => progress.streamingInput(facts),
    });
    input.begin();
    const { rawBytes } = await components.volume(record).takeFrom(artifact, {
      signal: either,
      lease: { holder: lease.holder, generation },
      progress: (bytes) => input.received(bytes),
    });
    input.complete(rawBytes);
  };
  const filling = plan.mounts.map(async (mount) => {
    try {
      await fill(mount);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(filling);
  await Promise.all(filling);
  if (inputs.length > 0) progress.inputsDone();
}
