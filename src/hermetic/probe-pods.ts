import { within } from '../internal/within.ts';
import type { PodLauncher } from '../pods/pod-launcher.ts';
import type { PodSupervisor, SupervisedPod } from '../pods/pod-supervisor.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

export interface ProbePodComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly launcher: Pick<PodLauncher, 'launch'>;
  readonly pods: Pick<PodSupervisor, 'retry' | 'whenAgentAnswers'>;
  readonly podName: (handle: string, metadata: ContainerMetadata) => string;
  readonly newId: () => string;
  /** An image that every node can pull. No program of it runs. */
  readonly image: string;
  /** Longer than the start of a pod may take. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The kind of the owners of pods that only probe the network. */
export const probeOwnerKind = 'kubernetes-worker/network-probe';
const metadata: ContainerMetadata = { type: 'network-probe' };
/** How long the database may take to record the end of a probe. */
const finishMs = 5_000;

/**
 * Runs work in a pod of its own. The pod's row stays `creating` under a lease, and its owner is
 * finished afterwards. The reaper deletes the pod, even if this host dies first.
 */
export async function inProbePod<T>(
  hermetic: boolean,
  components: ProbePodComponents,
  work: (pod: SupervisedPod) => Promise<T>,
  options: AbortOptions,
): Promise<T> {
  const { workerName, containers, launcher, pods, podName: nameOf, newId, leaseMs, image } = components;
  const handle = newId();
  const pod = { handle, podName: nameOf(handle, metadata) };
  const owner = { kind: probeOwnerKind, key: handle };
  const row = { ...pod, workerName, owner, metadata, settings: {}, volumes: [] };
  const lease = { holder: newId(), durationMs: leaseMs };
  await pods.retry(() => containers.findOrInsert(workerName, owner, lease, () => row), options);
  try {
    const spec = { image, volumes: [], limits: {}, sidecars: [], privileged: false, architecture: undefined };
    // A hermetic pod gets no token, whatever the worker's options are.
    const podOptions = { addCapabilities: [] };
    await launcher.launch({ ...pod, ...spec, podOptions, hermetic, metadata }, options);
    await pods.whenAgentAnswers(pod, options);
    return await work(pod);
  } finally {
    await finish(owner, components);
  }
}

/**
 * Without the caller's signal, because an aborted call also leaves a pod. If the statement fails,
 * the lease expires.
 */
async function finish(owner: ContainerOwner, components: ProbePodComponents): Promise<void> {
  const { workerName, containers, clock, logger } = components;
  await within(finishMs, clock, (signal) => containers.markOwnerFinished(workerName, owner, { signal })).catch(
    (error: unknown) => logger.warn('network probe not finished', { owner: owner.key, error }),
  );
}
