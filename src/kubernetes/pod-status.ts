import type { V1ContainerStatus, V1PodCondition } from '@kubernetes/client-node';

import type { PodError, PodFacts } from '../errors/pod.ts';
import { ImagePullFailedError, PodDeletedError, PodEvictedError, PodFailedError } from '../errors/pod.ts';
import type { Pod } from './cluster.ts';
import { lastTermination, mainContainerState } from './main-container-state.ts';

/** What it depends on whether something is a problem already. */
export interface PodProblemOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How long after its start a pod may have troubles that often pass, like a first failed pull, in milliseconds. */
  readonly graceMs: number;
}

/** Since when, and why, no node takes a pod. */
export interface Unschedulable {
  readonly since: Date | undefined;
  readonly detail: string | undefined;
}

/**
 * What is wrong with a pod for good; `undefined`: nothing, as far as can be seen. A container that ended and comes back is nothing wrong
 * (`mainContainerState` tells), nor is a pod that waits for a node (`findUnschedulable`) or for its config map (`findMissingConfigMap`).
 */
export function podProblem(pod: Pod, options: PodProblemOptions): PodError | undefined {
  return endOfPod(pod) ?? firstContainerProblem(pod, options);
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

/** Pods that are put out by their node, or that it didn't take after all: another pod may do better. */
const evictionReasons = /^(Evicted|NodeLost|Shutdown|NodeShutdown|Terminated|Preempting|NodeAffinity|UnexpectedAdmissionError|OutOf\w+)$/;
const imageReasons = new Set(['ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError', 'RegistryUnavailable']);
const containerReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreCreateHookError',
  'PreStartHookError',
  'PostStartHookError',
]);
const startReasons = new Set(['StartError', 'ContainerCannotRun']);

function endOfPod(pod: Pod): PodError | undefined {
  const { phase, reason, message } = pod.status ?? {};
  const disruption = findCondition(pod, 'DisruptionTarget');
  if (disruption?.status === 'True') return new PodEvictedError(factsOf(pod, disruption.reason, disruption.message));
  if (reason !== undefined && evictionReasons.test(reason)) return new PodEvictedError(factsOf(pod, reason, message));
  if (pod.metadata?.deletionTimestamp !== undefined) return new PodDeletedError(factsOf(pod, reason, message));
  if (phase === 'Failed' || phase === 'Succeeded') return new PodFailedError(factsOf(pod, reason ?? phase, message ?? describeTerminations(pod)));
  return undefined;
}

function firstContainerProblem(pod: Pod, options: PodProblemOptions): PodError | undefined {
  for (const status of pod.status?.containerStatuses ?? []) {
    const problem = waitingProblem(pod, status, options) ?? startProblem(pod, status);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function waitingProblem(pod: Pod, status: V1ContainerStatus, options: PodProblemOptions): PodError | undefined {
  const { reason, message } = status.state?.waiting ?? {};
  if (reason === undefined) return undefined;
  const facts = factsOf(pod, reason, `container ${status.name}${message === undefined ? '' : `: ${message}`}`);
  if (imageReasons.has(reason) || (reason === 'ErrImagePull' && isOver(pod, options))) return new ImagePullFailedError(facts, status.image);
  if (!containerReasons.has(reason) || missingConfigMap(message) !== undefined) return undefined;
  return oftenPasses(message) && !isOver(pod, options) ? undefined : new PodFailedError(facts);
}

/** The runtime could not start the program: it isn't there, or not for this machine. */
function startProblem(pod: Pod, status: V1ContainerStatus): PodError | undefined {
  if (status.state?.running !== undefined) return undefined;
  const termination = lastTermination(status);
  if (termination?.reason === undefined || !startReasons.has(termination.reason)) return undefined;
  return new PodFailedError(
    factsOf(pod, termination.reason, `container ${status.name}: ${termination.message ?? `exit code ${termination.exitCode}`}`),
  );
}

/** A runtime that is busy, or has not forgotten the last attempt yet. */
function oftenPasses(message: string | undefined): boolean {
  return /deadline exceeded|is reserved for|timed out/i.test(message ?? '');
}

function isOver(pod: Pod, { now, graceMs }: PodProblemOptions): boolean {
  const startedAt = pod.status?.startTime ?? pod.metadata?.creationTimestamp;
  return startedAt !== undefined && now - startedAt.getTime() >= graceMs;
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
