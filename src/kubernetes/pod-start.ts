import type { V1ContainerStatus } from '@kubernetes/client-node';

import type { PodError } from '../errors/pod.ts';
import type { Pod } from './cluster.ts';
import { lastTermination, type Termination } from './main-container-state.ts';
import { mainContainerName } from './pod-spec.ts';
import { type ContainerTrouble, containerTrouble, podProblem, troubleError } from './pod-status.ts';

/** Why a pod does not start. */
export type StartProblem =
  | { readonly kind: 'failed'; readonly error: PodError }
  /** The container ends whenever it is started. */
  | {
      readonly kind: 'ends';
      readonly containerName: string;
      readonly times: number;
      readonly termination: Termination;
    };

/** How many ends in a row make a container that cannot start. */
const finalExits = 3;
/** The kubelet has tried a pull twice by then, even where a watch missed one of the failures. */
const secondFailureMs = 30_000;

/** What was seen of a container that does not run. */
interface Observed {
  /** How often it had ended when it was first seen. */
  readonly endsBefore: number;
  pull: PullFailures | undefined;
}

interface PullFailures {
  readonly since: number;
  lastReason: string;
  count: number;
  trouble: ContainerTrouble;
  /** Since when the cause has been the same. */
  causeSince: number;
}

/**
 * A pod that starts, by its statuses one after another: some causes are final only when they come again, or when they
 * have lasted too long. An agent that answered once makes ends of its container something else: then this is not asked.
 */
export class PodStart {
  readonly #imagePullMs: number;
  readonly #observed = new Map<string, Observed>();

  /** @param imagePullMs - how long pulls of an image may fail for reasons that pass */
  constructor(imagePullMs: number) {
    this.#imagePullMs = imagePullMs;
  }

  /** The problem with the pod after this status, which may be the last one again, later. `now`: milliseconds since the epoch. */
  observe(pod: Pod, now: number): StartProblem | undefined {
    const error = podProblem(pod);
    if (error !== undefined) return { kind: 'failed', error };
    for (const status of pod.status?.containerStatuses ?? []) {
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
    return endsProblem(status, endsOf(status) - observed.endsBefore);
  }

  #isFinal({ since, count, trouble, causeSince }: PullFailures, now: number): boolean {
    if (trouble.cause.final === 'second failure') return count >= 2 || now - causeSince >= secondFailureMs;
    return now - since >= this.#imagePullMs;
  }
}

/** A pull failed again where its error comes after something else; while the kubelet waits, older ones keep the cause to themselves. */
function nextFailure(before: PullFailures | undefined, trouble: ContainerTrouble, now: number): PullFailures {
  if (before === undefined) return { since: now, lastReason: trouble.reason, count: 1, trouble, causeSince: now };
  const isBackOff = trouble.reason === 'ImagePullBackOff';
  const failedAgain = !isBackOff && before.lastReason === 'ImagePullBackOff';
  const told = isBackOff && trouble.message?.includes(': Err') !== true ? before.trouble : trouble;
  const isSame = told.cause === before.trouble.cause;
  return {
    since: before.since,
    lastReason: trouble.reason,
    count: isSame ? before.count + (failedAgain ? 1 : 0) : 1,
    trouble: told,
    causeSince: isSame ? before.causeSince : now,
  };
}

/** How often the container has ended so far. */
function endsOf(status: V1ContainerStatus): number {
  const hasEnded = status.state?.running === undefined && lastTermination(status) !== undefined;
  return status.restartCount + (hasEnded ? 1 : 0);
}

/** A sidecar may end as it likes, unless its runtime cannot start it. */
function endsProblem(status: V1ContainerStatus, times: number): StartProblem | undefined {
  const termination = lastTermination(status);
  const trouble = containerTrouble(status);
  if (times < finalExits || termination === undefined || trouble?.cause.final !== 'third exit') return undefined;
  const counts = status.name === mainContainerName || termination.reason === 'StartError';
  return counts ? { kind: 'ends', containerName: status.name, times, termination } : undefined;
}
