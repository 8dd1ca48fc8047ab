import { InvalidSpecError } from '../errors/caller.ts';
import { ContainerDisappearedError } from '../errors/repository.ts';
import type { PodLauncher } from '../pods/pod-launcher.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerRepository, FoundContainer, Lease, NewContainer } from '../repository/container-repository.ts';
import type { ContainerRecord, VolumeRecord } from '../repository/records.ts';
import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { StepDelegate } from '../runtime/worker.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import { podLocation } from '../stores/pod-store.ts';
import { type ContainerPlan, describePod, type PlannedMount } from './container-plan.ts';
import { holdLease, LeaseLostError } from './hold-lease.ts';
import type { StoredVolume } from './stored-volume.ts';

/** What the making of a container needs. */
export interface ContainerMakerComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  /** The store in which the volumes of containers are: their own pod. */
  readonly podStore: ArtifactStore;
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

/** How often one looks that waits for another holder. */
const pollMs = 200;

/**
 * The one container of an owner, whoever asks and however many at a time: its row is the claim, and a lease says who does the work. A holder that dies
 * is replaced, and the next one goes on where it was: every step finds out first what is there.
 */
export async function findOrCreateContainer(
  wanted: WantedContainer,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<ContainerRecord> {
  const { containers, clock, workerName, newId, leaseMs } = components;
  const lease: Lease = { holder: newId(), durationMs: leaseMs };
  for (let waitedFor: string | undefined; ; ) {
    if (waitedFor !== undefined) await requireWanted(waitedFor, components, { signal });
    const found = await containers.findOrInsert(workerName, wanted.owner, lease, () => describe(wanted, components), { signal });
    if (found.container.state === 'created') {
      await requirePod(found.container, components, { signal });
      return found.container;
    }
    const made = found.leased ? await make(found, wanted, lease, components, { signal }) : undefined;
    if (made !== undefined) return made;
    waitedFor = found.container.handle;
    await clock.sleep(pollMs, { signal });
  }
}

/** Its owner may have finished meanwhile: then nobody would ever finish another one. */
async function requireWanted(handle: string, { containers, workerName }: ContainerMakerComponents, options: AbortOptions): Promise<void> {
  const record = await containers.lookup(workerName, handle, options);
  if (record === undefined || record.state === 'destroying') throw new ContainerDisappearedError(handle, workerName);
}

/** A created container whose pod is gone is never made again: its outputs would be silently empty. */
async function requirePod(
  { handle, podName, podUid }: ContainerRecord,
  { pods, workerName }: ContainerMakerComponents,
  options: AbortOptions,
): Promise<void> {
  if (!(await pods.exists(podName, { ...options, uid: podUid }))) throw new ContainerDisappearedError(handle, workerName);
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
      memoryBytes: plan.limits.memoryBytes,
      sidecars: Object.fromEntries(plan.sidecars.map((sidecar) => [sidecar.name, { memoryBytes: sidecar.limits?.memoryBytes }])),
    },
    volumes: plan.mounts.map(({ kind, mountPath, name: outputName }) => {
      const volume = newId();
      return { handle: volume, kind, mountPath, name: outputName, store: podStore.name, location: podLocation(name, handle, volume) };
    }),
  };
}

/** `undefined`: somebody else has the lease by now. */
async function make(
  found: FoundContainer,
  wanted: WantedContainer,
  lease: Lease,
  components: ContainerMakerComponents,
  options: AbortOptions,
): Promise<ContainerRecord | undefined> {
  const { containers, clock, logger, leaseMs } = components;
  const { container } = found;
  const renew = (signal: AbortSignal): Promise<boolean> => containers.renewLease(container.handle, lease, { signal });
  try {
    return await holdLease({ renew, everyMs: leaseMs / 3, durationMs: leaseMs, clock, signal: options.signal }, async (signal) => {
      await launch(found, wanted, components, { signal });
      await materialise(found.volumes, wanted, components, { signal });
      await containers.markCreated(container.handle, { signal });
      return { ...container, state: 'created' as const };
    });
  } catch (error) {
    // An abort leaves it as it is: the owner's next call goes on, or the reaper takes it when the lease has lapsed.
    options.signal?.throwIfAborted();
    if (error instanceof LeaseLostError) return undefined;
    logger.warn('container failed', { handle: container.handle, podName: container.podName, error });
    await containers
      .markFailed(container.handle)
      .catch((cause: unknown) => logger.warn('container not marked failed', { handle: container.handle, cause }));
    throw error;
  }
}

async function launch(
  { container, volumes }: FoundContainer,
  { plan, metadata, delegate }: WantedContainer,
  components: ContainerMakerComponents,
  options: AbortOptions,
): Promise<void> {
  const { launcher, pods, containers } = components;
  const places = volumes.map((volume) => ({ agentVolume: volume.handle, mountPath: volume.mountPath ?? '' }));
  const request = { ...describePod(plan, metadata, places), podName: container.podName, handle: container.handle };
  delegate?.startingPod(container.podName);
  if (container.podUid === undefined) {
    const uid = await launcher.launch(request, options);
    try {
      // Not ended by the signal: the pod is there, and has to be on record.
      await containers.recordPod(container.handle, uid);
    } catch (error) {
      // The row is gone, so nobody would ever delete this pod. In every other case the row still leads the reaper to it.
      if (error instanceof ContainerDisappearedError) await launcher.discard(container.podName, uid);
      throw error;
    }
    options.signal?.throwIfAborted();
  } else {
    // A former holder had it: another pod under this name would lack what that one has put into it.
    await pods.requireAlive(container.podName, { ...options, uid: container.podUid });
  }
  await pods.whenAgentAnswers(container, options);
}

/** All inputs at the same time; the first failure stops the others. One that a former holder completed stays as it is. */
async function materialise(
  volumes: readonly VolumeRecord[],
  { plan, delegate }: WantedContainer,
  components: ContainerMakerComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const fill = async (mount: PlannedMount): Promise<void> => {
    const record = volumes.find((volume) => volume.mountPath === mount.mountPath);
    if (record === undefined) throw new InvalidSpecError('spec', `the container of this owner was begun without a volume at ${mount.mountPath}`);
    if (mount.artifact === undefined || record.readyAt !== undefined) return;
    delegate?.streamingInput(mount.mountPath, mount.artifact.handle);
    await components.volume(record).takeFrom(mount.artifact, { signal: either });
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
