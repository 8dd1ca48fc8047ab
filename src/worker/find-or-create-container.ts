import { InvalidSpecError } from '../errors/caller.ts';
import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
} from '../errors/repository.ts';
import { abortable } from '../internal/abort.ts';
import { within } from '../internal/within.ts';
import type { PodLauncher } from '../pods/pod-launcher.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerRepository, FoundContainer, Lease, NewContainer } from '../repository/container-repository.ts';
import type { ContainerRecord, VolumeRecord } from '../repository/records.ts';
import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { StepDelegate } from '../runtime/worker.ts';
import type { ContainerVolumeStore } from '../stores/artifact-store.ts';
import type { ContainerPlan, PlannedMount } from './container-plan.ts';
import { keepLease } from './lease-keeper.ts';
import type { StoredVolume } from './stored-volume.ts';

/** What the making of a container needs. */
export interface ContainerMakerComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  /** The store in which the volumes of containers are. */
  readonly podStore: ContainerVolumeStore;
  readonly volume: (record: VolumeRecord) => Pick<StoredVolume, 'takeFrom'>;
  readonly podName: (handle: string, metadata: ContainerMetadata) => string;
  readonly newId: () => string;
  /** As long as a holder is busy it renews its lease; one that died is replaced after this time. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A container that somebody wants. */
export interface WantedContainer {
  readonly owner: ContainerOwner;
  readonly plan: ContainerPlan;
  readonly metadata: ContainerMetadata;
  readonly delegate: StepDelegate | undefined;
}

/** How often a call looks again that waits for another holder. */
const pollMs = 200;
/** How long a call that is over may take to release its lease. */
const releaseMs = 2_000;

/** A container that the caller may work on: what was found, and under which lease. */
interface HeldContainer extends FoundContainer {
  readonly lease: Lease;
  /** When the lease was asked for, by this host's clock. */
  readonly askedAt: number;
}

/**
 * The one container of an owner, whoever asks and however many at a time: its row is the claim, and a lease says who does the work. A holder that dies
 * is replaced, and the next one goes on where it was: every step finds out first what is there.
 */
export async function findOrCreateContainer(
  wanted: WantedContainer,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<ContainerRecord> {
  const { clock, logger } = components;
  for (let waitedFor: string | undefined; ; ) {
    if (waitedFor !== undefined) await requireWanted(waitedFor, components, { signal });
    const found = await find(wanted, components, { signal });
    const { container } = found;
    if (container.state === 'created') {
      await requirePod(container, components, { signal });
      return container;
    }
    if (found.leased) {
      const made = await make(found, wanted, components, { signal });
      if (made !== undefined) return made;
    } else if (waitedFor !== container.handle) {
      logger.info('waiting for the host that creates the container', {
        handle: container.handle,
        podName: container.podName,
      });
      wanted.delegate?.waitingForAnotherHost?.(container.podName);
    }
    waitedFor = container.handle;
    await clock.sleep(pollMs, { signal });
  }
}

/** The owner's container, with a lease of a new holder where no other has one. An abort meanwhile releases the lease. */
async function find(
  wanted: WantedContainer,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<HeldContainer> {
  const { containers, pods, clock, workerName, newId, leaseMs } = components;
  const lease: Lease = { holder: newId(), durationMs: leaseMs };
  const attempt = async (): Promise<HeldContainer> => {
    const askedAt = clock.now();
    const found = await containers.findOrInsert(workerName, wanted.owner, lease, () => describe(wanted, components));
    return { ...found, lease, askedAt };
  };
  signal?.throwIfAborted();
  // Not ended by the signal: the statement may be carried out all the same, and then its lease has to be released.
  const finding = pods.retry(attempt, { signal });
  try {
    return await abortable(finding, signal);
  } catch (error) {
    if (signal?.aborted === true) await releaseFound(finding, components);
    throw error;
  }
}

async function releaseFound(finding: Promise<HeldContainer>, components: ContainerMakerComponents): Promise<void> {
  const whenFound = async (): Promise<void> => {
    const found = await finding;
    if (found.leased) await release(found, components);
  };
  await within(releaseMs, components.clock, whenFound).catch(() => undefined);
}

/** Lets the next call for the owner continue at once. A lease that cannot be released ends by itself. */
async function release(
  { container: { handle }, lease: { holder } }: HeldContainer,
  components: ContainerMakerComponents,
): Promise<void> {
  const { containers, clock, logger } = components;
  await within(releaseMs, clock, (signal) => containers.releaseLease(handle, holder, { signal })).catch(
    (error: unknown) => logger.warn('lease not released', { handle, error }),
  );
}

/** Its owner may have finished meanwhile: then nobody would ever finish another one. */
async function requireWanted(
  handle: string,
  { containers, workerName }: ContainerMakerComponents,
  options: AbortOptions,
): Promise<void> {
  const record = await containers.lookup(workerName, handle, options);
  if (record === undefined || record.state === 'destroying') throw new ContainerDisappearedError(handle, workerName);
}

/** A created container whose pod is gone is never made again: its outputs would be silently empty. */
async function requirePod(
  { handle, podName, podUid }: ContainerRecord,
  { pods, workerName }: ContainerMakerComponents,
  options: AbortOptions,
): Promise<void> {
  if (!(await pods.exists(podName, { ...options, uid: podUid })))
    throw new ContainerDisappearedError(handle, workerName);
}

function describe({ owner, plan, metadata }: WantedContainer, components: ContainerMakerComponents): NewContainer {
  const { workerName, newId, podName, podStore } = components;
  const handle = newId();
  const name = podName(handle, metadata);
  return {
    handle,
    workerName,
    owner,
    podName: name,
    metadata,
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

/** `undefined`: another holder continues, or has ended already. */
async function make(
  found: HeldContainer,
  wanted: WantedContainer,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<ContainerRecord | undefined> {
  const { containers, clock, leaseMs } = components;
  const { container, lease, askedAt } = found;
  const { handle } = container;
  const renew = (renewal: AbortSignal): Promise<boolean> => containers.renewLease(handle, lease, { signal: renewal });
  const keeping = { handle, renew, everyMs: leaseMs / 3, durationMs: leaseMs, askedAt, clock, signal };
  try {
    return await keepLease(keeping, async (held) => await complete(found, wanted, components, held));
  } catch (error) {
    await release(found, components);
    signal?.throwIfAborted();
    if (isOvertaken(error)) return undefined;
    throw error;
  }
}

/** The row is another holder's, or has left `creating`, which only another holder or the end of its owner brings about. */
function isOvertaken(error: unknown): boolean {
  return error instanceof LeaseLostError || error instanceof IllegalTransitionError;
}

/** All that is left to do for a container. What is wrong with the container fails it; what keeps this host from working on it does not. */
async function complete(
  found: HeldContainer,
  wanted: WantedContainer,
  components: ContainerMakerComponents,
  signal: AbortSignal,
): Promise<ContainerRecord> {
  const { containers, pods, logger } = components;
  const { container, lease } = found;
  const { handle, podName } = container;
  try {
    await launch(found, wanted, components, { signal });
    await materialise(found, wanted, components, { signal });
    await pods.retry(() => containers.markCreated(handle, lease.holder, { signal }), { signal });
    return { ...container, state: 'created' };
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
  { container, volumes, lease, generation }: HeldContainer,
  { plan, metadata, delegate }: WantedContainer,
  components: ContainerMakerComponents,
  options: AbortOptions,
): Promise<void> {
  const { launcher, pods } = components;
  const { podName, handle } = container;
  const places = volumes.map((volume) => ({ agentVolume: volume.handle, mountPath: volume.mountPath ?? '' }));
  const request = { ...plan.pod, volumes: places, metadata, podName, handle };
  delegate?.startingPod(container.podName);
  if (container.podUid === undefined) {
    const uid = await launcher.launch(request, options);
    await recordPod({ ...container, podUid: uid }, lease, components, options);
    options.signal?.throwIfAborted();
  } else {
    // A former holder had it: another pod under this name would lack what that one has put into it.
    await pods.requireAlive(container.podName, { ...options, uid: container.podUid });
  }
  await pods.whenAgentAnswers(container, options);
  // Before any input: one that an earlier holder streams still would be committed over what this one has put there.
  await pods.fence(container, generation, options);
}

/** Puts the pod on record. A pod to which no row leads the reaper is deleted. */
async function recordPod(
  { handle, podName, podUid: uid }: ContainerRecord & { readonly podUid: string },
  { holder }: Lease,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const { containers, pods, launcher, clock, workerName } = components;
  try {
    // Tried at least once whatever the signal says: the pod is there.
    await pods.retry(() => containers.recordPod(handle, holder, uid), { signal });
  } catch (error) {
    const lookup = (late: AbortSignal): Promise<ContainerRecord | undefined> =>
      containers.lookup(workerName, handle, { signal: late });
    const row = await within(releaseMs, clock, lookup).catch(() => 'unknown' as const);
    const leads =
      row === 'unknown' || (row?.state === 'creating' && (row.podUid ?? uid) === uid) || row?.podUid === uid;
    if (!leads) await launcher.discard(podName, uid);
    throw error;
  }
}

/** All inputs at the same time; the first failure stops the others. One that a former holder completed stays as it is. */
async function materialise(
  { volumes, lease, generation }: HeldContainer,
  { plan, delegate }: WantedContainer,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const fill = async (mount: PlannedMount): Promise<void> => {
    const record = volumes.find((volume) => volume.mountPath === mount.mountPath);
    if (record === undefined)
      throw new InvalidSpecError(
        'spec',
        `the container of this owner was begun without a volume at ${mount.mountPath}`,
      );
    if (mount.artifact === undefined || record.readyAt !== undefined) return;
    delegate?.streamingInput(mount.mountPath, mount.artifact.handle);
    await components
      .volume(record)
      .takeFrom(mount.artifact, { signal: either, lease: { holder: lease.holder, generation } });
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
}
