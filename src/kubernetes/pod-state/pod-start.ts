import type { V1ContainerStatus } from '@kubernetes/client-node';

import type { PodError } from '../../errors/pod.ts';
import type { Pod } from '../cluster.ts';
import { mainContainerName } from '../pod-spec/pod-spec.ts';
import { containerStatuses, lastTermination, type Termination } from './main-container-state.ts';
import { type ContainerTrouble, containerTrouble, podProblem, troubleError } from './pod-status.ts';

/** The reason why a pod does not start. */
export type StartProblem =
  | { readonly kind: 'failed'; readonly error: PodError }
  /** The container ends each time it is started. */
  | {
      readonly kind: 'ends';
      readonly containerName: string;
      readonly times: number;
      readonly termination: Termination;
    };

/** The number of ends in a row after which a container cannot start. */
const finalExits = 3;
/**
 * By this time the kubelet has tried a pull twice, even if the watch has missed one of the
 * failures.
 */
const secondFailureMs = 30_000;

/** The history of a container that does not run. */
interface Observed {
  /** The number of ends before the first observation. */
  readonly endsBefore: number;
  pull: PullFailures | undefined;
}

interface PullFailures {
  readonly since: number;
  lastReason: string;
  count: number;
  trouble: ContainerTrouble;
  /** The time since which the cause has been the same. */
  causeSince: number;
}

/**
 * Evaluates the successive statuses of a starting pod. Some causes are final only when they recur,
 * or when they last too long. Once the agent has responded, the end of its container has another
 * meaning, and this class is no longer used.
 */
export class PodStart {
  readonly #imagePullMs: number;
  readonly #observed = new Map<string, Observed>();

  /** @param imagePullMs - how long image pulls may fail for temporary reasons */
  constructor(imagePullMs: number) {
    this.#imagePullMs = imagePullMs;
  }

  /**
   * Returns the problem with the pod after this status. The same status may be observed again
   * later. `now` is in milliseconds since the epoch.
   */
  observe(pod: Pod, now: number): StartProblem | undefined {
    const error = podProblem(pod);
    if (error !== undefined) return { kind: 'failed', error };
    for (const status of containerStatuses(pod)) {
      const problem = this.#observeContainer(pod, status, now);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #observeContainer(pod: Pod, status: V1ContainerStatus, now: number): StartProblem | undefined {
    const observed = this.#observed.get(status.name) ?? { endsBefore: endsOf(status), pull: undefined };
    this.#observed.set(status.name, observed);
    const trouble = containerTrouble(status);
    if (trouble?.cause.source === 'image') {
      observed.pull = nextFailure(observed.pull, trouble, now);
      if (!this.#isFinal(observed.pull, now)) return undefined;
      return { kind: 'failed', error: troubleError(pod, status, observed.pull.trouble) };
    }
    observed.pull = undefined;
    return endsProblem(status, endsOf(status) - observed.endsBefore, isInitContainer(pod, status.name));
  }

  #isFinal({ since, count, trouble, causeSince }: PullFailures, now: number): boolean {
    if (trouble.cause.final === 'second failure') return count >= 2 || now - causeSince >= secondFailureMs;
    return now - since >= this.#imagePullMs;
  }
}

/**
 * Counts a failure again if its error follows a back-off. During a back-off, older kubelets do not
 * report the cause.
 */
function nextFailure(before: PullFailures | undefined, trouble: ContainerTrouble, now: number): PullFailures {
  if (before === undefined) return { since: now, lastReason: trouble.reason, count: 1, trouble, causeSince: now };
  const isBackOff = trouble.reason === 'ImagePullBackOff';
  const failedAgain = !isBackOff && before.lastReason === 'ImagePullBackOff';
  const current = isBackOff && trouble.message?.includes(': Err') !== true ? before.trouble : trouble;
  const isSame = current.cause === before.trouble.cause;
  return {
    since: before.since,
    lastReason: trouble.reason,
    count: isSame ? before.count + (failedAgain ? 1 : 0) : 1,
    trouble: current,
    causeSince: isSame ? before.causeSince : now,
  };
}

/** Returns the number of ends so far. */
function endsOf(status: V1ContainerStatus): number {
  const hasEnded = status.state?.running === undefined && lastTermination(status) !== undefined;
  return status.restartCount + (hasEnded ? 1 : 0);
}

/** Whether the pod starts its other containers only after this one has succeeded. */
function isInitContainer({ spec }: Pod, name: string): boolean {
  return spec?.initContainers?.some((each) => each.name === name && each.restartPolicy !== 'Always') ?? false;
}

/**
 * Ignores ends of a sidecar, unless its runtime cannot start it. An init container that succeeds
 * may run again, in a new sandbox of the pod.
 */
function endsProblem(status: V1ContainerStatus, times: number, isInit: boolean): StartProblem | undefined {
  const termination = lastTermination(status);
  const trouble = containerTrouble(status);
  if (times < finalExits || termination === undefined || trouble?.cause.final !== 'third exit') return undefined;
  const stopsPod = status.name === mainContainerName || (isInit && termination.exitCode !== 0);
  const counts = stopsPod || termination.reason === 'StartError';
  return counts ? { kind: 'ends', containerName: status.name, times, termination } : undefined;
}
