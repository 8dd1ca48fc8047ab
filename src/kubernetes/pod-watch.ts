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
/** A watch that lasted this long was a good one; the next begins without delay. */
const goodWatchMs = 5_000;

/**
 * One list and one watch for all pods of a worker, however many are observed. It begins with the first observer, lists again whenever the watch ends, goes on
 * through every failure of the API, and ends when nobody has observed for a while.
 */
export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #observers = new Set<PodObserver>();
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
    // The pod may be younger than the list, and its event still on the way: only an answer that is younger than the question counts.
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
        if (!(error instanceof WatchExpiredError)) logger.warn('watch of pods failed, goes on', { labelSelector, failures, error });
      }
      // Another run may have begun.
      if (isOver(signal)) return;
      this.#isFollowing = false;
      failures = goodSince !== undefined && clock.now() - goodSince >= goodWatchMs ? 0 : failures + 1;
      await clock.sleep(backoffMs(failures, backoff), { signal }).catch(() => undefined);
    }
  }

  /** Lists, and tells everybody who had asked before it. */
  async #list(signal: AbortSignal): Promise<string> {
    const { cluster, labelSelector } = this.#options;
    const asked = [...this.#observers];
    const { pods, resourceVersion } = await cluster.listPods(labelSelector, { signal });
    signal.throwIfAborted();
    this.#pods.clear();
    for (const pod of pods) this.#pods.set(pod.metadata?.name ?? '', pod);
    for (const observer of asked) observer.offer(this.#pods.get(observer.podName));
    this.#isFollowing = true;
    for (const observer of this.#observers) {
      const pod = this.#pods.get(observer.podName);
      if (pod !== undefined) observer.offer(pod);
      else if (!observer.isInformed) void this.#ask(observer, signal);
    }
    return resourceVersion;
  }

  async #follow(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { cluster, labelSelector } = this.#options;
    for await (const change of cluster.watchPods(labelSelector, resourceVersion, { signal })) {
      if (signal.aborted) return;
      this.#apply(change);
    }
  }

  #apply({ type, pod }: PodChange): void {
    const name = pod.metadata?.name ?? '';
    if (type === 'deleted') this.#pods.delete(name);
    else this.#pods.set(name, pod);
    const state = this.#pods.get(name);
    for (const observer of this.#observers) {
      if (observer.podName === name) observer.offer(state);
    }
  }

  /** Asks for the one pod, until there is an answer or somebody else told. */
  async #ask(observer: PodObserver, signal: AbortSignal): Promise<void> {
    const { cluster, clock, logger } = this.#options;
    for (let retry = 0; this.#observers.has(observer) && !observer.isInformed && !isOver(signal); retry += 1) {
      try {
        const pod = await cluster.getPod(observer.podName, { signal });
        if (isOver(signal)) return;
        observer.offerFirst(pod);
      } catch (error) {
        if (isOver(signal)) return;
        if (isRefusal(error)) {
          observer.fail(error);
          return;
        }
        logger.warn('pod not read, asked again', { podName: observer.podName, error });
        await clock.sleep(backoffMs(retry, backoff), { signal }).catch(() => undefined);
      }
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
