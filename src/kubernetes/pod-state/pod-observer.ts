import { abortable } from '../../internal/abort.ts';
import { ChangeSignal } from '../../internal/change-signal.ts';
import type { Pod } from '../cluster.ts';

/**
 * One observation of a pod. It delivers the newest state, and each state once. It follows one pod:
 * another pod with the same name counts as its absence.
 */
export class PodObserver {
  readonly podName: string;
  readonly #change = new ChangeSignal();
  /** The last state that was offered. Absent before the first one. */
  #last: { readonly pod: Pod | undefined } | undefined;
  /** The uid of the followed pod. @defaultValue that of the first pod offered */
  #uid: string | undefined;
  #isNew = false;
  #error: { readonly reason: unknown } | undefined;
  #offers = 0;

  constructor(podName: string, uid?: string) {
    this.podName = podName;
    this.#uid = uid;
  }

  /** Whether this is the pod that the observation follows. */
  follows(pod: Pod): boolean {
    return this.#uid === undefined || this.#uid === pod.metadata?.uid;
  }

  /**
   * The number of states offered so far. A response is old if its request precedes the last offer.
   */
  get offers(): number {
    return this.#offers;
  }

  /** Whether the last state is that the pod does not exist. */
  get isGone(): boolean {
    return this.#last !== undefined && this.#last.pod === undefined;
  }

  /** Replaces a state that has not been delivered yet. */
  offer(offered: Pod | undefined): void {
    this.#offers += 1;
    const uid = offered?.metadata?.uid;
    const pod = this.#uid === undefined || this.#uid === uid ? offered : undefined;
    if (this.#last !== undefined && isSame(this.#last.pod, pod)) return;
    this.#uid ??= uid;
    this.#last = { pod };
    this.#isNew = true;
    this.#change.notify();
  }

  /** Ends the observation: `next` rejects with the reason. */
  fail(reason: unknown): void {
    this.#error ??= { reason };
    this.#change.notify();
  }

  async next(signal: AbortSignal | undefined): Promise<Pod | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#error !== undefined) throw this.#error.reason;
      if (this.#isNew) {
        this.#isNew = false;
        return this.#last?.pod;
      }
      await abortable(this.#change.wait(), signal);
    }
  }
}

function isSame(a: Pod | undefined, b: Pod | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.metadata?.uid === b.metadata?.uid &&
    a.metadata?.resourceVersion === b.metadata?.resourceVersion &&
    a.metadata?.resourceVersion !== undefined
  );
}
