import type { PodError } from '../errors/pod.ts';
import { PodDeletedError, PodEvictedError } from '../errors/pod.ts';
import type { Pod } from '../kubernetes/cluster.ts';
import { mainContainerState } from '../kubernetes/main-container-state.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';

/** What `PodEnd` observes with. */
export interface PodEndComponents {
  /** The pod's state now, then each change; `undefined`: there is no such pod. */
  readonly observe: (podName: string, options: AbortOptions) => AsyncIterable<Pod | undefined>;
  /** What is wrong with a pod for good. */
  readonly problemOf: (pod: Pod) => PodError | undefined;
  /** The error of a pod that does not exist. */
  readonly goneError: (podName: string, mayStillRun: boolean) => PodError;
  readonly clock: Clock;
}

export interface PodEndOptions extends AbortOptions {
  /** Since when, by the clock of the pod's node, the main container must not have been restarted. Only where the pod is expected to end. */
  readonly expectedSince?: Date | undefined;
}

/** How late the API may show that the containers of a pod have ended, after the pod's grace period. */
const endLateMs = 15_000;
/** How late the API may show why a container was told to end: Kubernetes tells the container first. */
const reasonLateMs = 30_000;
/** What Kubernetes gives a pod that names no grace period. */
const defaultGraceSeconds = 30;

/**
 * Follows one pod to its end. A pod that is deleted or evicted still has its grace period, in which its commands run on: the end is when its main container has
 * terminated or the pod is gone, or when the grace period has passed without either being reported; then the error says that a command may still run.
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
   * The error that says how the pod ended. With `expectedSince`, `undefined` where the pod stays: its main container was restarted, or nothing shows why it should end.
   * Rejects with the signal's reason.
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
        if (!problem.mayStillRun || !isGraceful(problem)) return problem;
        this.#onEnding(problem, pod, signal);
      } else if (expectedSince !== undefined && wasRestarted(pod, expectedSince)) return undefined;
    }
    return this.#gone();
  }

  #onEnding(problem: PodError, pod: Pod, signal: AbortSignal): void {
    if (this.#ending === undefined) this.#after(graceMsOf(pod) + endLateMs, signal, () => true);
    this.#ending = problem;
  }

  /** Ends the search after a time, if it is still so. */
  #after(delayMs: number, signal: AbortSignal, isSo: () => boolean): void {
    this.#components.clock.sleep(delayMs, { signal }).then(
      () => {
        if (isSo()) this.#over.resolve(this.#ending);
      },
      () => undefined, // The end was found.
    );
  }

  /** A pod that vanishes without a grace period was deleted by force: its node may not even know. */
  #gone(): PodError {
    const { goneError } = this.#components;
    const ending = this.#ending;
    if (ending instanceof PodEvictedError) {
      const { namespace, podName, reason, detail } = ending;
      return new PodEvictedError({ namespace, podName, reason, detail });
    }
    return goneError(
      this.#podName,
      ending === undefined && this.#lastSeen !== undefined && mainContainerState(this.#lastSeen).kind === 'running',
    );
  }
}

/** Whether it comes with a grace period, in which commands run on. */
export function isGraceful(error: PodError): boolean {
  return error instanceof PodDeletedError || error instanceof PodEvictedError;
}

function graceMsOf({ metadata, spec }: Pod): number {
  return (metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
}

/** Kubernetes tells whole seconds. */
function wasRestarted(pod: Pod, since: Date): boolean {
  const state = mainContainerState(pod);
  if (state.kind !== 'running') return false;
  const finishedAt = state.lastTermination?.finishedAt;
  return finishedAt !== undefined && finishedAt.getTime() >= Math.floor(since.getTime() / 1000) * 1000;
}
