import type { PodError } from '../errors/pod.ts';
import { PodDeletedError, PodEvictedError } from '../errors/pod.ts';
import { podErrorWith } from '../errors/pod-error-with.ts';
import type { Pod } from '../kubernetes/cluster.ts';
import { mainContainerState } from '../kubernetes/pod-state/main-container-state.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';

export interface PodEndComponents {
  /** Yields the pod's current state, then each change. `undefined`: the pod does not exist. */
  readonly observe: (podName: string, options: AbortOptions) => AsyncIterable<Pod | undefined>;
  /** Returns the permanent problem of a pod. */
  readonly problemOf: (pod: Pod) => PodError | undefined;
  /** Returns the error for a pod that does not exist. */
  readonly goneError: (podName: string, mayStillRun: boolean) => PodError;
  readonly clock: Clock;
}

export interface PodEndOptions extends AbortOptions {
  /**
   * Set if the pod is expected to end: a restart of its main container since this time, by the
   * clock of the pod's node, shows that the pod stays.
   */
  readonly expectedSince?: Date | undefined;
}

/** How late after the pod's grace period the API may report that its containers have ended. */
const endLateMs = 15_000;
/**
 * How late the API may report the reason why a container was terminated: Kubernetes signals the
 * container first.
 */
const reasonLateMs = 30_000;
/** Kubernetes' default grace period. */
const defaultGraceSeconds = 30;

/**
 * Follows one pod to its end. A pod that is deleted or evicted still has its grace period, during
 * which its commands continue. Its end is when its main container has terminated or the pod no
 * longer exists. If the grace period passes without a report of either, the error states that a
 * command may still run.
 */
export class PodEnd {
  readonly #components: PodEndComponents;
  readonly #podName: string;
  readonly #over = Promise.withResolvers<PodError | undefined>();
  readonly #stop = new AbortController();
  #ending: PodError | undefined;
  #lastSeen: Pod | undefined;

  constructor(podName: string, components: PodEndComponents) {
    this.#podName = podName;
    this.#components = components;
  }

  /**
   * Resolves with the error that describes the pod's end. With `expectedSince`, resolves with
   * `undefined` if the pod stays: its main container was restarted, or no reason for an end was
   * reported in time. Rejects with the signal's reason.
   */
  async find({ expectedSince, signal }: PodEndOptions): Promise<PodError | undefined> {
    const within = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    if (expectedSince !== undefined) this.#after(reasonLateMs, within, () => this.#ending === undefined);
    try {
      return await Promise.race([this.#observe(expectedSince, within), this.#over.promise]);
    } finally {
      this.#stop.abort();
    }
  }

  async #observe(expectedSince: Date | undefined, signal: AbortSignal): Promise<PodError | undefined> {
    const { observe, problemOf } = this.#components;
    for await (const pod of observe(this.#podName, { signal })) {
      if (pod === undefined) break;
      this.#lastSeen = pod;
      const problem = problemOf(pod);
      if (problem !== undefined) {
        const ending = withCommands(problem, pod);
        if (!ending.mayStillRun || !isGraceful(ending)) return ending;
        this.#onEnding(ending, pod, signal);
      } else if (expectedSince !== undefined && wasRestarted(pod, expectedSince)) return undefined;
    }
    return this.#gone();
  }

  #onEnding(problem: PodError, pod: Pod, signal: AbortSignal): void {
    if (this.#ending === undefined) this.#after(graceMsOf(pod) + endLateMs, signal, () => true);
    this.#ending = problem;
  }

  /** Ends the search after a delay if the condition holds then. */
  #after(delayMs: number, signal: AbortSignal, condition: () => boolean): void {
    this.#components.clock.sleep(delayMs, { signal }).then(
      () => {
        if (condition()) this.#over.resolve(this.#ending);
      },
      () => undefined, // The end was found.
    );
  }

  /**
   * Returns the error for a pod that no longer exists. A pod without a grace period was deleted by
   * force, and its node may still run it.
   */
  #gone(): PodError {
    const { goneError } = this.#components;
    const ending = this.#ending;
    if (ending instanceof PodEvictedError) return podErrorWith(ending, { mayStillRun: false });
    const isForced = ending === undefined || this.#lastSeen?.metadata?.deletionGracePeriodSeconds === 0;
    return goneError(this.#podName, isForced && this.#lastSeen !== undefined && mayRunCommands(this.#lastSeen));
  }
}

/** Whether the pod's end has a grace period, during which commands continue. */
export function isGraceful(error: PodError): boolean {
  return error instanceof PodDeletedError || error instanceof PodEvictedError;
}

/**
 * Returns the problem of a pod whose agent has answered. The API reports late that the main
 * container runs, so the problem of a container that still waits there becomes one in which
 * commands may still run.
 */
export function withCommands(problem: PodError, pod: Pod): PodError {
  if (problem.mayStillRun || !isGraceful(problem) || !mayRunCommands(pod)) return problem;
  return podErrorWith(problem, { mayStillRun: true });
}

function mayRunCommands(pod: Pod): boolean {
  const { phase } = pod.status ?? {};
  return phase !== 'Failed' && phase !== 'Succeeded' && mainContainerState(pod).kind !== 'restarting';
}

function graceMsOf({ metadata, spec }: Pod): number {
  return (metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
}

/** Compares whole seconds, because Kubernetes reports whole seconds. */
function wasRestarted(pod: Pod, since: Date): boolean {
  const state = mainContainerState(pod);
  if (state.kind !== 'running') return false;
  const finishedAt = state.lastTermination?.finishedAt;
  return finishedAt !== undefined && finishedAt.getTime() >= Math.floor(since.getTime() / 1000) * 1000;
}
