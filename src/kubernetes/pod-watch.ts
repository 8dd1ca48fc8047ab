import { ClosedError } from '../errors/caller.ts';
import { ForbiddenError, UnauthorizedError } from '../errors/cluster.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { Cluster, Pod, PodChange } from './cluster.ts';
import { PodObserver } from './pod-observer.ts';
import { WatchExpiredError } from './watch-expired-error.ts';

/** What a pod watch needs. */
export interface PodWatchOptions {
  readonly cluster: Pick<Cluster, 'listPods' | 'watchPods' | 'getPod'>;
  readonly labelSelector: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long it goes on without anybody observing, in milliseconds. @defaultValue 30_000 */
  readonly idleMs?: number | undefined;
}

const backoff = { firstMs: 100, longestMs: 30_000 };
/** How often a pod is read that is there and not in the list, since its labels were changed. */
const unlistedMs = 3_000;
/** A watch that lasted this long was a good one; the next begins without delay. */
const goodWatchMs = 5_000;

/**
 * One list and one watch for all pods of a worker, however many are observed. It begins with the first observer, lists
 * again whenever the watch ends, continues through every failure of the API, and ends when nothing was observed for a
 * while. List and watch are filtered by labels, which anyone may remove: that a pod is not in them is only a reason to
 * read it.
 */
export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #observers = new Set<PodObserver>();
  /** Those whose pods are being read one by one. */
  readonly #asking = new Set<PodObserver>();
  readonly #pods = new Map<string, Pod>();
  #run: AbortController | undefined;
  #idle: AbortController | undefined;
  /** Whether the pods are known: the list came, and changes are followed. */
  #isFollowing = false;
  #isClosed = false;

  constructor(options: PodWatchOptions) {
    this.#options = options;
  }

  /**
   * The pod's state now, then each change; states that nobody has taken are skipped, but never the newest. `undefined`: there is no such pod, as the
   * API server itself has said after this began; what is only not known yet is not told. Ends by `return`, and by the signal with its reason.
   *
   * @throws ForbiddenError, UnauthorizedError - pods cannot be listed
   * @throws ClosedError - after `close()`
   */
  async *observe(podName: string, { signal }: AbortOptions = {}): AsyncGenerator<Pod | undefined, void, undefined> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new ClosedError('the pod watch');
    const observer = new PodObserver(podName);
    this.#add(observer);
    try {
      for (;;) yield await observer.next(signal);
    } finally {
      this.#remove(observer);
    }
  }

  /** Ends it, and every observation with `ClosedError`. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#failAll(new ClosedError('the pod watch'));
    this.#stop();
  }

  #add(observer: PodObserver): void {
    this.#observers.add(observer);
    this.#idle?.abort();
    if (this.#run === undefined) {
      this.#run = new AbortController();
      void this.#watch(this.#run.signal);
      return;
    }
    const known = this.#pods.get(observer.podName);
    if (known !== undefined) observer.offer(known);
    else if (this.#isFollowing) void this.#ask(observer, this.#run.signal);
  }

  #remove(observer: PodObserver): void {
    this.#observers.delete(observer);
    if (this.#observers.size === 0 && this.#run !== undefined) void this.#stopWhenIdle();
  }

  async #stopWhenIdle(): Promise<void> {
    const { clock, idleMs = 30_000 } = this.#options;
    this.#idle?.abort();
    const idle = new AbortController();
    this.#idle = idle;
    await clock.sleep(idleMs, { signal: idle.signal }).catch(() => undefined);
    if (!idle.signal.aborted) this.#stop();
  }

  #stop(): void {
    this.#idle?.abort();
    this.#run?.abort();
    this.#run = undefined;
    this.#isFollowing = false;
    this.#pods.clear();
  }

  /** Rejects everybody who observes now. */
  #failAll(reason: unknown): void {
    for (const observer of this.#observers) observer.fail(reason);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, logger, labelSelector } = this.#options;
    let failures = 0;
    let hasListed = false;
    while (!isOver(signal)) {
      let goodSince: number | undefined;
      try {
        const version = await this.#list(signal);
        hasListed = true;
        goodSince = clock.now();
        await this.#follow(version, signal);
      } catch (error) {
        if (isOver(signal)) return;
        if (!hasListed && isRefusal(error)) {
          this.#failAll(error);
          this.#stop();
          return;
        }
        if (!(error instanceof WatchExpiredError))
          logger.warn('watch of pods failed, goes on', { labelSelector, failures, error });
      }
      // Another run may have begun.
      if (isOver(signal)) return;
      this.#isFollowing = false;
      failures = goodSince !== undefined && clock.now() - goodSince >= goodWatchMs ? 0 : failures + 1;
      await clock.sleep(backoffMs(failures, backoff), { signal }).catch(() => undefined);
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { cluster, labelSelector } = this.#options;
    const { pods, resourceVersion } = await cluster.listPods(labelSelector, { signal });
    signal.throwIfAborted();
    this.#pods.clear();
    for (const pod of pods) this.#pods.set(pod.metadata?.name ?? '', pod);
    this.#isFollowing = true;
    for (const observer of this.#observers) this.#review(observer, signal);
    return resourceVersion;
  }

  /** Offers what the list has; what it does not have is read. */
  #review(observer: PodObserver, signal: AbortSignal): void {
    const pod = this.#pods.get(observer.podName);
    if (pod !== undefined) observer.offer(pod);
    else if (!observer.isGone) void this.#ask(observer, signal);
  }

  async #follow(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { cluster, labelSelector } = this.#options;
    for await (const change of cluster.watchPods(labelSelector, resourceVersion, { signal })) {
      if (signal.aborted) return;
      this.#apply(change, signal);
    }
  }

  #apply({ type, pod }: PodChange, signal: AbortSignal): void {
    const name = pod.metadata?.name ?? '';
    if (type === 'deleted') this.#pods.delete(name);
    else this.#pods.set(name, pod);
    for (const observer of this.#observers) {
      if (observer.podName === name) this.#review(observer, signal);
    }
  }

  /**
   * Reads the one pod until it is gone, or in the list. It may be younger than the list, its event still on the way; or
   * its labels were changed. Only an answer that is younger than everything that was offered counts.
   */
  async #ask(observer: PodObserver, signal: AbortSignal): Promise<void> {
    if (this.#asking.has(observer)) return;
    this.#asking.add(observer);
    const { clock } = this.#options;
    try {
      let failures = 0;
      while (this.#observers.has(observer) && !this.#pods.has(observer.podName) && !isOver(signal)) {
        const answer = await this.#read(observer, signal);
        if (observer.isGone) return;
        if (answer === 'old') continue;
        failures = answer === 'new' ? 0 : failures + 1;
        await clock
          .sleep(answer === 'new' ? unlistedMs : backoffMs(failures, backoff), { signal })
          .catch(() => undefined);
      }
    } finally {
      this.#asking.delete(observer);
    }
  }

  /** Offers the pod as it is now. `old`: the watch said something meanwhile; `none`: the API cannot tell now. */
  async #read(observer: PodObserver, signal: AbortSignal): Promise<'new' | 'old' | 'none'> {
    const { cluster, logger } = this.#options;
    const { podName, offers } = observer;
    try {
      const pod = await cluster.getPod(podName, { signal });
      if (isOver(signal) || observer.offers !== offers || this.#pods.has(podName)) return 'old';
      observer.offer(pod);
      return 'new';
    } catch (error) {
      if (isOver(signal)) return 'old';
      if (isRefusal(error)) observer.fail(error);
      else logger.warn('pod not read, asked again', { podName, error });
      return 'none';
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ForbiddenError || error instanceof UnauthorizedError;
}

/** Asked anew each time: it changes while others run. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
