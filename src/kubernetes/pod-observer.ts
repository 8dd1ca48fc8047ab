import { abortable } from '../internal/abort.ts';
import { Change } from '../internal/change.ts';
import type { Pod } from './cluster.ts';

/** Somebody who wants to know what becomes of a pod: gets the newest state, and each one once. */
export class PodObserver {
  readonly podName: string;
  readonly #change = new Change();
  /** What was told last; absent before anything was. */
  #last: { readonly pod: Pod | undefined } | undefined;
  #isNew = false;
  #error: { readonly reason: unknown } | undefined;

  constructor(podName: string) {
    this.podName = podName;
  }

  /** Whether it was told anything yet. */
  get isInformed(): boolean {
    return this.#last !== undefined;
  }

  /** Replaces what was not taken yet. */
  offer(pod: Pod | undefined): void {
    if (this.#last !== undefined && isSame(this.#last.pod, pod)) return;
    this.#last = { pod };
    this.#isNew = true;
    this.#change.notify();
  }

  /** The same, but where something was told already: that is newer. */
  offerFirst(pod: Pod | undefined): void {
    if (!this.isInformed) this.offer(pod);
  }

  /** Ends it: `next` rejects with the reason. */
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
    a.metadata?.uid === b.metadata?.uid && a.metadata?.resourceVersion === b.metadata?.resourceVersion && a.metadata?.resourceVersion !== undefined
  );
}
