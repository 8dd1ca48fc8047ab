import type { V1ContainerStatus, V1PodCondition } from '@kubernetes/client-node';

import { type Cause, findCause } from '../../errors/causes.ts';
import type { PodError, PodFacts } from '../../errors/pod.ts';
import { ImagePullFailedError, PodDeletedError, PodEvictedError, PodFailedError } from '../../errors/pod.ts';
import type { Pod } from '../cluster.ts';
import { containerStatuses, lastTermination, mainContainerState } from './main-container-state.ts';

/** Why no node accepts a pod, and since when. */
export interface Unschedulable {
  readonly since: Date | undefined;
  readonly detail: string | undefined;
}

/**
 * Returns the final problem of a pod in this one status, or `undefined`. Not a problem is a
 * condition that is temporary or final only when it repeats (`PodStart`), a pod that waits for a
 * node (`findUnschedulable`) or for its config map (`findMissingConfigMap`), and a container that
 * ended and is restarted (`mainContainerState`).
 */
export function podProblem(pod: Pod): PodError | undefined {
  const problem = endOfPod(pod);
  if (problem !== undefined) return problem;
  for (const status of containerStatuses(pod)) {
    const trouble = containerTrouble(status);
    if (trouble?.cause.final === 'at once') return troubleError(pod, status, trouble);
  }
  return undefined;
}

/** The reason why a container does not run, with its entry in the table of causes. */
export interface ContainerTrouble {
  readonly cause: Cause;
  readonly reason: string;
  readonly message: string | undefined;
}

/** Returns `undefined` if the container runs or is about to run. */
export function containerTrouble(status: V1ContainerStatus): ContainerTrouble | undefined {
  if (status.state?.running !== undefined) return undefined;
  return waitingTrouble(status) ?? endTrouble(status);
}

/** Returns the error of a container that does not start. */
export function troubleError(
  pod: Pod,
  status: V1ContainerStatus,
  { cause, reason, message }: ContainerTrouble,
): PodError {
  const detail = `container ${status.name}${message === undefined ? '' : `: ${message}`}`;
  const facts = { ...factsOf(pod, reason, detail), containerName: status.name };
  return cause.code === 'KW_ERR_IMAGE_PULL_FAILED'
    ? new ImagePullFailedError(facts, status.image, cause.retryable)
    : new PodFailedError(facts);
}

/**
 * Returns since when no node accepts the pod. Returns `undefined` if it has a node, or was not
 * scheduled yet.
 */
export function findUnschedulable(pod: Pod): Unschedulable | undefined {
  const condition = findCondition(pod, 'PodScheduled');
  if (condition?.status !== 'False' || condition.reason !== 'Unschedulable') return undefined;
  return { since: condition.lastTransitionTime, detail: condition.message };
}

/**
 * Returns the name of the config map that a container waits for. Kubernetes reports it only for a
 * config map of environment variables. A pod with a *volume* of a missing config map stays in
 * `ContainerCreating` without a message (see `waitsForVolumesSince`).
 */
export function findMissingConfigMap(pod: Pod): string | undefined {
  for (const { state } of pod.status?.containerStatuses ?? []) {
    const name = missingConfigMap(state?.waiting?.message);
    if (name !== undefined) return name;
  }
  return undefined;
}

/**
 * Returns since when a pod with a node waits for its volumes and its network. After some seconds
 * the caller checks whether its config map exists.
 */
export function waitsForVolumesSince(pod: Pod): Date | undefined {
  const condition = findCondition(pod, 'PodReadyToStartContainers');
  const isScheduled = findCondition(pod, 'PodScheduled')?.status === 'True';
  return isScheduled && condition?.status === 'False' ? condition.lastTransitionTime : undefined;
}

/** Whether all containers of the pod have ended, and none starts again. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded';
}

function endOfPod(pod: Pod): PodError | undefined {
  const { phase, reason, message } = pod.status ?? {};
  const disruption = findCondition(pod, 'DisruptionTarget');
  if (disruption?.status === 'True') return new PodEvictedError(factsOf(pod, disruption.reason, disruption.message));
  if (reason !== undefined && findCause('pod', { reason })?.code === 'KW_ERR_POD_EVICTED') {
    return new PodEvictedError(factsOf(pod, reason, message));
  }
  if (pod.metadata?.deletionTimestamp !== undefined) return new PodDeletedError(factsOf(pod, reason, message));
  if (hasEnded(pod)) return new PodFailedError(failureFacts(pod, reason ?? phase ?? '', message));
  return undefined;
}

/** Waiting is not a problem in itself, nor is the delay before a container is restarted. */
const plainWaits = new Set(['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff']);

function waitingTrouble({ state, image }: V1ContainerStatus): ContainerTrouble | undefined {
  const { reason, message } = state?.waiting ?? {};
  if (reason === undefined || plainWaits.has(reason)) return undefined;
  const words = withoutNames(message ?? '', image);
  const cause = findCause('image', { reason, message: words }) ?? findCause('container', { reason, message });
  return cause === undefined ? undefined : { cause, reason, message };
}

/**
 * Returns the problem of a run that ended. The message is the runtime's only if the runtime could
 * not start the container; otherwise it is the container's own.
 */
function endTrouble(status: V1ContainerStatus): ContainerTrouble | undefined {
  const termination = lastTermination(status);
  if (termination?.reason === undefined) return undefined;
  const { reason, exitCode, message = `exit code ${exitCode}` } = termination;
  const cause = findCause('container', { reason, message: runtimeReasons.has(reason) ? message : undefined });
  return cause === undefined ? undefined : { cause, reason, message };
}

const runtimeReasons = new Set(['StartError', 'ContainerCannotRun']);

/** Removes the names of images, and addresses, because they may contain any word. */
function withoutNames(message: string, image: string): string {
  const words = (image === '' ? message : message.replaceAll(image, '')).replace(/"[^"\s]*"/g, '').split(' ');
  return words.map((word) => (word.includes('/') ? (word.endsWith(':') ? ':' : '') : word)).join(' ');
}

function missingConfigMap(message: string | undefined): string | undefined {
  return /configmap "([^"]+)" not found/.exec(message ?? '')?.[1];
}

/** Returns the facts of a pod whose containers have ended. */
function failureFacts(pod: Pod, reason: string, message: string | undefined): PodFacts {
  const ends = containerStatuses(pod).flatMap((status) => {
    const { exitCode, reason: why = 'no reason' } = lastTermination(status) ?? {};
    return exitCode === undefined ? [] : [{ name: status.name, exitCode, why }];
  });
  const failed = ends.filter(({ exitCode }) => exitCode !== 0);
  const texts = (failed.length === 0 ? ends : failed).map(
    ({ name, exitCode, why }) => `container ${name} ended with exit code ${exitCode} (${why})`,
  );
  const facts = factsOf(pod, reason, message ?? (texts.length === 0 ? undefined : texts.join(', ')));
  return { ...facts, containerName: failed.length === 1 ? failed[0]?.name : undefined };
}

function findCondition(pod: Pod, type: string): V1PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

function factsOf(pod: Pod, reason: string | undefined, detail: string | undefined): PodFacts {
  const mayStillRun = mainContainerState(pod).kind === 'running';
  const { namespace = '', name: podName = '' } = pod.metadata ?? {};
  return { namespace, podName, reason, detail, mayStillRun, nodeName: pod.spec?.nodeName };
}
