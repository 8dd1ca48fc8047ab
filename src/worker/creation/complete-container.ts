import { isKubernetesWorkerError } from '../../errors/error-code.ts';
import { IllegalTransitionError, LeaseLostError, RepositoryUnavailableError } from '../../errors/repository.ts';
import { within } from '../../internal/within.ts';
import type { Pod } from '../../kubernetes/cluster.ts';
import type { LaunchOptions } from '../../pods/pod-launcher.ts';
import { inStartPhases, type StartPhases } from '../../pods/start-phases.ts';
import type { Lease } from '../../repository/container-repository.ts';
import type { ContainerRecord } from '../../repository/records.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { ContainerEventFacts } from '../../runtime/worker-events.ts';
import { diagnosed } from '../notices/diagnosed.ts';
import {
  type ContainerCreationComponents,
  type ContainerOutcome,
  type Creation,
  type ResolvableRequest,
  releaseMs,
} from './container-creation.ts';
import { fillInputs } from './container-inputs.ts';

/**
 * Does all remaining work for a container. Marks the container failed if the error is about the
 * container, but not if the error affects only this host.
 */
export async function completeContainer(
  found: Creation,
  requested: ResolvableRequest,
  components: ContainerCreationComponents,
  signal: AbortSignal,
): Promise<ContainerOutcome> {
  const { containers, pods, logger, emit } = components;
  const { container, lease, generation } = found;
  const { handle, podName } = container;
  try {
    await launch(found, requested, components, { signal });
    await fillInputs(found, requested, components, { signal });
    const createdBy = await pods.retry(() => containers.markCreated(handle, lease.holder, { signal }), { signal });
    if (createdBy === generation) emit({ kind: 'container-created', ...eventFacts(container) });
    // The row is also `created` for a late statement of this holder if the next holder was faster.
    return { container: { ...container, state: 'created' }, created: createdBy === generation };
  } catch (error) {
    signal.throwIfAborted();
    if (isOvertaken(error) || error instanceof RepositoryUnavailableError) throw error;
    // Before the container is marked failed: the reaper then deletes its pod.
    const reported = await diagnosed(error, { pods, stderr: requested.stderr, signal });
    signal.throwIfAborted();
    logger.warn('container failed', { handle, podName, error: reported });
    await pods
      .retry(() => containers.markFailed(handle, lease.holder, { signal }), { signal })
      .then(() => emit({ kind: 'container-failed', ...eventFacts(container), code: codeOf(reported) }))
      .catch((cause: unknown) => logger.warn('container not marked failed', { handle, cause }));
    throw reported;
  }
}

/**
 * Whether another holder has the row, or the row has left `creating`, which only another holder or
 * the end of its owner causes.
 */
export function isOvertaken(error: unknown): boolean {
  return error instanceof LeaseLostError || error instanceof IllegalTransitionError;
}

/** Returns the facts of a container in its events. */
export function eventFacts({ handle, podName, owner }: ContainerRecord): ContainerEventFacts {
  return { handle, podName, owner };
}

function codeOf(error: unknown): string | undefined {
  return isKubernetesWorkerError(error) ? error.code : undefined;
}

async function launch(
  { container, volumes, lease, generation, progress }: Creation,
  { plan, metadata, images }: ResolvableRequest,
  components: ContainerCreationComponents,
  options: AbortOptions,
): Promise<void> {
  const { launcher, pods, hermetic, tracing } = components;
  const { podName, handle } = container;
  let { podUid } = container;
  const ground = plan.pod.hermetic === true ? await hermetic.prepare(options) : undefined;
  const places = volumes.map((volume) => ({ agentVolume: volume.handle, mountPath: volume.mountPath ?? '' }));
  if (podUid === undefined) {
    const request = { ...plan.pod, ...(await pods.retry(images, options)), volumes: places, metadata, podName, handle };
    progress.creatingPod();
    const waitingForQuota: LaunchOptions['waitingForQuota'] = (message, queued) =>
      progress.waitingForQuota(message, queued);
    podUid = await tracing.span(
      'pod.create',
      { podName, image: request.image },
      () => launcher.launch(request, { ...options, waitingForQuota }),
      options,
    );
    await recordPod({ ...container, podUid }, lease, components, options);
    options.signal?.throwIfAborted();
  } else {
    // An earlier holder launched it: a new pod under this name would lack the inputs of the first.
    await pods.requireAlive(podName, { ...options, uid: podUid });
  }
  const pod = { podName, handle, podUid };
  const wait = (phases: StartPhases): Promise<void> => {
    const observed = (seen: Pod): void => {
      progress.observe(seen);
      phases.observe(seen);
    };
    const volumesFailed = (message: string): void => progress.waitingForVolumes(message);
    return pods.whenAgentAnswers(pod, { ...options, observed, volumesFailed });
  };
  await tracing.span('pod.ready', { podName }, (span) => inStartPhases(span, wait, options), options);
  progress.agentReady();
  // Before any input: an input that an earlier holder still streams would overwrite this holder's
  // when it is committed.
  await pods.fence(container, generation, options);
  if (ground !== undefined) await hermetic.requireSealed(container, ground, options);
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
    // Tries at least once, even after an abort, because the pod exists.
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
