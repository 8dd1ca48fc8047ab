import type { V1ContainerStatus, V1PodCondition } from '@kubernetes/client-node';

import { type Cause, findCause } from '../errors/causes.ts';
import type { PodError, PodFacts } from '../errors/pod.ts';
import { ImagePullFailedError, PodDeletedError, PodEvictedError, PodFailedError } from '../errors/pod.ts';
import type { Pod } from './cluster.ts';
import { lastTermination, mainContainerState } from './main-container-state.ts';

/** Since when, and why, no node takes a pod. */
export interface Unschedulable {
  readonly since: Date | undefined;
  readonly detail: string | undefined;
}

/**
 * What is wrong with a pod for good, as this one status shows it; `undefined`: nothing. What passes by itself, or is
 * final only when it comes again (`PodStart`), is nothing wrong; nor is a pod that waits for a node (`findUnschedulable`)
 * or for its config map (`findMissingConfigMap`), or a container that ended and comes back (`mainContainerState`).
 */
export function podProblem(pod: Pod): PodError | undefined {
  const problem = endOfPod(pod);
  if (problem !== undefined) return problem;
  for (const status of pod.status?.containerStatuses ?? []) {
    const trouble = containerTrouble(status);
    if (trouble?.cause.final === 'at once') return troubleError(pod, status, trouble);
  }
  return undefined;
}

/** What keeps a container from running, and what the table of causes says of it. */
export interface ContainerTrouble {
  readonly cause: Cause;
  readonly reason: string;
  readonly message: string | undefined;
}

/** `undefined`: the container runs, or is about to. */
export function containerTrouble(status: V1ContainerStatus): ContainerTrouble | undefined {
  if (status.state?.running !== undefined) return undefined;
  return waitingTrouble(status) ?? endTrouble(status);
}

/** The error of a container that does not start. */
export function troubleError(
  pod: Pod,
  status: V1ContainerStatus,
  { cause, reason, message }: ContainerTrouble,
): PodError {
  const facts = factsOf(pod, reason, `container ${status.name}${message === undefined ? '' : `: ${message}`}`);
  return cause.code === 'KW_ERR_IMAGE_PULL_FAILED'
    ? new ImagePullFailedError(facts, status.image, cause.retryable)
    : new PodFailedError(facts);
}

/** Since when no node takes the pod. `undefined`: it has one, or nobody has looked yet. */
export function findUnschedulable(pod: Pod): Unschedulable | undefined {
  const condition = findCondition(pod, 'PodScheduled');
  if (condition?.status !== 'False' || condition.reason !== 'Unschedulable') return undefined;
  return { since: condition.lastTransitionTime, detail: condition.message };
}

/**
 * The config map that a container waits for. Kubernetes says so only of one that gives environment variables; a pod with a *volume* of a missing config map
 * stays in `ContainerCreating` without a word (see `waitsForVolumesSince`).
 */
export function findMissingConfigMap(pod: Pod): string | undefined {
  for (const { state } of pod.status?.containerStatuses ?? []) {
    const name = missingConfigMap(state?.waiting?.message);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** Since when a pod that has a node waits for its volumes and its network. Some seconds of it are a reason to see whether its config map is there. */
export function waitsForVolumesSince(pod: Pod): Date | undefined {
  const condition = findCondition(pod, 'PodReadyToStartContainers');
  const isScheduled = findCondition(pod, 'PodScheduled')?.status === 'True';
  return isScheduled && condition?.status === 'False' ? condition.lastTransitionTime : undefined;
}

function endOfPod(pod: Pod): PodError | undefined {
  const { phase, reason, message } = pod.status ?? {};
  const disruption = findCondition(pod, 'DisruptionTarget');
  if (disruption?.status === 'True') return new PodEvictedError(factsOf(pod, disruption.reason, disruption.message));
  if (reason !== undefined && findCause('pod', { reason })?.code === 'KW_ERR_POD_EVICTED') {
    return new PodEvictedError(factsOf(pod, reason, message));
  }
  if (pod.metadata?.deletionTimestamp !== undefined) return new PodDeletedError(factsOf(pod, reason, message));
  if (phase === 'Failed' || phase === 'Succeeded')
    return new PodFailedError(factsOf(pod, reason ?? phase, message ?? describeTerminations(pod)));
  return undefined;
}

/** Waiting as such is nothing wrong, nor is the pause before a container is started again. */
const plainWaits = new Set(['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff']);

function waitingTrouble({ state, image }: V1ContainerStatus): ContainerTrouble | undefined {
  const { reason, message } = state?.waiting ?? {};
  if (reason === undefined || plainWaits.has(reason)) return undefined;
  const words = withoutNames(message ?? '', image);
  const cause = findCause('image', { reason, message: words }) ?? findCause('container', { reason, message });
  return cause === undefined ? undefined : { cause, reason, message };
}

/** An end of a run. Only where the runtime could not start it is the message the runtime's, and not the container's own. */
function endTrouble(status: V1ContainerStatus): ContainerTrouble | undefined {
  const termination = lastTermination(status);
  if (termination?.reason === undefined) return undefined;
  const { reason, exitCode, message = `exit code ${exitCode}` } = termination;
  const cause = findCause('container', { reason, message: runtimeReasons.has(reason) ? message : undefined });
  return cause === undefined ? undefined : { cause, reason, message };
}

const runtimeReasons = new Set(['StartError', 'ContainerCannotRun']);

/** The words alone: the names of images, and addresses, may have any word in them. */
function withoutNames(message: string, image: string): string {
  const words = (image === '' ? message : message.replaceAll(image, '')).replace(/"[^"\s]*"/g, '').split(' ');
  return words.map((word) => (word.includes('/') ? (word.endsWith(':') ? ':' : '') : word)).join(' ');
}

function missingConfigMap(message: string | undefined): string | undefined {
  return /configmap "([^"]+)" not found/.exec(message ?? '')?.[1];
}

function describeTerminations(pod: Pod): string | undefined {
  const parts = (pod.status?.containerStatuses ?? []).map((status) => {
    const termination = lastTermination(status);
    return termination === undefined
      ? undefined
      : `container ${status.name} ended with exit code ${termination.exitCode} (${termination.reason ?? 'no reason'})`;
  });
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? undefined : known.join(', ');
}

function findCondition(pod: Pod, type: string): V1PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

function factsOf(pod: Pod, reason: string | undefined, detail: string | undefined): PodFacts {
  const mayStillRun = mainContainerState(pod).kind === 'running';
  return { namespace: pod.metadata?.namespace ?? '', podName: pod.metadata?.name ?? '', reason, detail, mayStillRun };
}
