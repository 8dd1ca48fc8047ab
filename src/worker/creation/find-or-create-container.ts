import { ContainerSpecChangedError } from '../../errors/owner.ts';
import { ContainerDisappearedError, CreationLapsedError, LeaseLostError } from '../../errors/repository.ts';
import type { StepImages } from '../../images/step-images.ts';
import { abortable } from '../../internal/abort.ts';
import { keepLease } from '../../internal/lease-keeper.ts';
import { within } from '../../internal/within.ts';
import { mainContainerName } from '../../kubernetes/pod-spec/pod-spec.ts';
import { StartProgress } from '../../pods/start-progress.ts';
import type { Lease, NewContainer } from '../../repository/container-repository.ts';
import type { ContainerRecord } from '../../repository/records.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { StepProgress } from '../../runtime/step-progress.ts';
import { diagnosed } from '../notices/diagnosed.ts';
import { stepNotices } from '../notices/step-notices.ts';
import { completeContainer, eventFacts, isOvertaken } from './complete-container.ts';
import {
  type ContainerCreationComponents,
  type ContainerOutcome,
  type ContainerRequest,
  type Creation,
  type HeldContainer,
  type ResolvableRequest,
  releaseMs,
} from './container-creation.ts';
import { stepListener } from './step-listener.ts';

/** How often a call that waits for another holder polls the row. */
const pollMs = 200;
/**
 * Returns the one container of an owner, with any number of concurrent callers: its row is unique,
 * and a lease decides which caller does the work. A holder that dies is replaced, and the next
 * holder continues from the state that it finds: every step first checks what exists.
 */
export async function findOrCreateContainer(
  request: ContainerRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<ContainerOutcome> {
  const { clock, logger, pods } = components;
  const requested = { ...request, images: imagesOf(request, components, { signal }) };
  const listeners = [
    stepListener(requested.delegate, { logger, mask: pods.mask }, { signal }),
    stepNotices(requested.stderr, pods.mask, { signal }),
  ];
  const report = (event: StepProgress): void => {
    for (const listener of listeners) listener(event);
  };
  let progress: StartProgress | undefined;
  let hasLapsed = false;
  for (let awaitedHandle: string | undefined; ; ) {
    if (awaitedHandle !== undefined) await requireNotFinished(awaitedHandle, components, { hasLapsed, signal });
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
      await requirePod(container, requested, components, { signal });
      progress.ready();
      return { container, created: false };
    }
    if (found.leased) {
      const outcome = await create({ ...found, progress }, requested, components, { signal });
      if (outcome !== 'overtaken' && outcome !== 'lapsed') return outcome;
      hasLapsed = outcome === 'lapsed';
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
      // Resolved before the insert, so that a step whose images are refused leaves no row.
      await requested.images();
      // The lease of a new row begins with its insert.
      requestedAt = clock.now();
      return newContainer(requested, components);
    };
    const found = await containers.findOrInsert(workerName, owner, lease, make, takingOver);
    return { ...found, lease, requestedAt };
  };
  signal?.throwIfAborted();
  // Not aborted by the signal, because the statement may still take effect and its lease must then
  // be released.
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
 * owner as finished. After this call's lease has lapsed, the reaper may have deleted the container
 * instead, and only the caller can determine whether the owner has finished.
 */
async function requireNotFinished(
  handle: string,
  { containers, workerName }: ContainerCreationComponents,
  { hasLapsed, signal }: AbortOptions & { readonly hasLapsed: boolean },
): Promise<void> {
  const record = await containers.lookup(workerName, handle, { signal });
  if (record?.state === 'kept') throw new ContainerDisappearedError(handle, workerName);
  if (record !== undefined && record.state !== 'destroying') return;
  throw hasLapsed ? new CreationLapsedError(handle, workerName) : new ContainerDisappearedError(handle, workerName);
}

/**
 * Throws if no command can run in the pod of a created container any more. The container is not
 * recreated, because its outputs would be empty without an error.
 */
async function requirePod(
  { handle, podName, podUid }: ContainerRecord,
  { stderr }: ContainerRequest,
  { pods, workerName }: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const loss = await pods.findLoss(podName, { uid: podUid, signal });
  if (loss === undefined) return;
  throw await diagnosed(new ContainerDisappearedError(handle, workerName, { cause: loss }), { pods, stderr, signal });
}

function newContainer(
  { owner, plan, specDigest, metadata }: ContainerRequest,
  components: ContainerCreationComponents,
): NewContainer {
  const { workerName, newId, podName, podStore } = components;
  const handle = newId();
  const name = plan.podName ?? podName(handle, metadata);
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
      // The end of a process saves the caches only with it.
      ...(plan.taskCache && { taskCache: { job: plan.taskCache.job, step: plan.taskCache.step } }),
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
 * Completes the container under the lease. Returns `overtaken` if another holder continues or has
 * completed the work, and `lapsed` if the lease was renewed so long ago that the reaper may also have
 * ended the container.
 */
async function create(
  found: Creation,
  requested: ResolvableRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<ContainerOutcome | 'overtaken' | 'lapsed'> {
  const { containers, clock, leaseMs, emit, workerName } = components;
  const { container, lease, requestedAt, progress, generation } = found;
  const { handle } = container;
  let renewedAt = requestedAt;
  const renew = async (renewal: AbortSignal): Promise<boolean> => {
    const since = clock.now();
    const isHeld = await containers.renewLease(handle, lease, { signal: renewal });
    if (isHeld) renewedAt = since;
    return isHeld;
  };
  // The reaper leaves the container alone for another `leaseMs` after the lease has lapsed.
  const mayBeReaped = (): boolean => clock.now() - renewedAt > 2 * leaseMs;
  if (generation > 1) emit({ kind: 'container-taken-over', ...eventFacts(container) });
  const lost = (): Error => new LeaseLostError(handle);
  const terms = { lost, renew, everyMs: leaseMs / 3, durationMs: leaseMs, requestedAt, clock, signal };
  try {
    const created = await keepLease(terms, async (held) => await completeContainer(found, requested, components, held));
    progress.ready();
    return created;
  } catch (error) {
    await release(found, components);
    signal?.throwIfAborted();
    if (error instanceof ContainerDisappearedError && mayBeReaped())
      throw new CreationLapsedError(handle, workerName, { cause: error });
    if (!isOvertaken(error)) throw error;
    emit({ kind: 'lease-lost', ...eventFacts(container) });
    return mayBeReaped() ? 'lapsed' : 'overtaken';
  } finally {
    progress.end();
  }
}
