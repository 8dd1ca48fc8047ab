import { ClosedError } from '../../errors/caller.ts';
import { ForbiddenError, UnauthorizedError } from '../../errors/cluster.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { AbortOptions, Clock, Logger } from '../../runtime/options.ts';
import type { WatchObserver } from '../../telemetry/cluster-metrics.ts';
import type { Cluster, Pod, PodChange } from '../cluster.ts';
import { WatchExpiredError } from '../watch-expired-error.ts';
import { PodObserver } from './pod-observer.ts';

export interface PodWatchOptions {
  readonly cluster: Pick<Cluster, 'listPods' | 'watchPods' | 'getPod'>;
  readonly labelSelector: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long it continues without an observer, in milliseconds. @defaultValue 30_000 */
  readonly idleMs?: number | undefined;
  /**
   * A watch that lasts this long counts as successful. The next one begins without delay.
   *
   * @defaultValue 5_000
   */
  readonly goodWatchMs?: number | undefined;
  /** Receives what happens to the watch. @defaultValue none */
  readonly observer?: Omit<WatchObserver, typeof Symbol.dispose> | undefined;
}

export interface ObserveOptions extends AbortOptions {
  /** Observes the pod with this uid. @defaultValue the first one that is found */
  readonly uid?: string | undefined;
}

const backoff = { firstMs: 100, longestMs: 30_000 };
/**
 * The interval of reads of a pod that exists but is not in the list, because its labels were
 * changed.
 */
const unlistedMs = 3_000;
/** How many last states of pods that no longer exist are kept. */
const maxVanished = 100;

/**
 * One list and one watch for all pods of a worker, for any number of observers. It begins with the
 * first observer, lists again whenever the watch ends, continues through every failure of the API,
 * and ends after a time without observers. List and watch are filtered by labels, which any client
 * may remove. Therefore a pod that is missing from them is read before it counts as deleted.
 */
export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #observers = new Set<PodObserver>();
  /** Observers whose pods are being read one by one. */
  readonly #reading = new Set<PodObserver>();
  readonly #pods = new Map<string, Pod>();
  /** The last states of observed pods that no longer exist. */
  readonly #vanished = new Map<string, Pod>();
  #run: AbortController | undefined;
  #idle: AbortController | undefined;
  /** Whether the list was received and changes are followed. */
  #isFollowing = false;
  #isClosed = false;

  constructor(options: PodWatchOptions) {
    this.#options = options;
  }

  /**
   * Yields the pod's current state, then each change. States that the consumer has not taken are
   * skipped, but never the newest. Yields `undefined` if the pod does not exist, as reported by the
   * API server itself after the observation began. Yields nothing while the state is unknown. Ends
   * by `return`. Rejects with the signal's reason.
   *
   * @throws ForbiddenError, UnauthorizedError - pods cannot be listed
   * @throws ClosedError - after `close()`
   */
  async *observe(
    podName: string,
    { uid, signal }: ObserveOptions = {},
  ): AsyncGenerator<Pod | undefined, void, undefined> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new ClosedError('the pod watch');
    const observer = new PodObserver(podName, uid);
    this.#add(observer);
    try {
      for (;;) yield await observer.next(signal);
    } finally {
      this.#remove(observer);
    }
  }

  /**
   * Returns the last state of a pod that the watch has received, including one that was observed
   * when it ceased to exist.
   */
  lastSeen(podName: string): Pod | undefined {
    return this.#pods.get(podName) ?? this.#vanished.get(podName);
  }

  /** Closes the watch. Every observation rejects with `ClosedError`. Idempotent. */
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
    const known = this.#listed(observer);
    if (known !== undefined) observer.offer(known);
    else if (this.#isFollowing) void this.#readUntilListed(observer, this.#run.signal);
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
    this.#options.observer?.stopped();
  }

  /** Rejects all present observations. */
  #failAll(reason: unknown): void {
    for (const observer of this.#observers) observer.fail(reason);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, logger, labelSelector, goodWatchMs = 5_000, observer } = this.#options;
    const pace = new RetryPace({ clock, backoff });
    let hasListed = false;
    while (!isOver(signal)) {
      let goodSince: number | undefined;
      let ended: 'ended' | 'expired' | 'failed' = 'ended';
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
        ended = error instanceof WatchExpiredError ? 'expired' : 'failed';
        if (ended === 'failed')
          logger.warn('watch of pods failed, continues', { labelSelector, failures: pace.retries, error });
      }
      // A new watch may have begun in the meantime.
      if (isOver(signal)) return;
      this.#isFollowing = false;
      observer?.restarted(ended);
      if (goodSince !== undefined && clock.now() - goodSince >= goodWatchMs) pace.renew();
      await pace.wait(undefined, { signal }).catch(() => undefined);
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { cluster, labelSelector, observer } = this.#options;
    const { pods, resourceVersion } = await cluster.listPods(labelSelector, { signal });
    signal.throwIfAborted();
    observer?.received();
    const before = new Map(this.#pods);
    this.#pods.clear();
    for (const pod of pods) this.#pods.set(pod.metadata?.name ?? '', pod);
    for (const [name, pod] of before) if (!this.#pods.has(name)) this.#keepIfObserved(name, pod);
    this.#isFollowing = true;
    for (const each of this.#observers) this.#review(each, signal);
    return resourceVersion;
  }

  /** Offers the pod of the list. A pod that is not in the list is read. */
  #review(observer: PodObserver, signal: AbortSignal): void {
    const pod = this.#listed(observer);
    if (pod !== undefined) observer.offer(pod);
    else if (!observer.isGone) void this.#readUntilListed(observer, signal);
  }

  /**
   * Returns the pod of the list. A pod of another uid may be an earlier one with the same name,
   * whose deletion the watch has yet to report. So it counts as not listed, and the pod is read.
   */
  #listed(observer: PodObserver): Pod | undefined {
    const pod = this.#pods.get(observer.podName);
    return pod !== undefined && observer.follows(pod) ? pod : undefined;
  }

  async #follow(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { cluster, labelSelector, observer } = this.#options;
    for await (const change of cluster.watchPods(labelSelector, resourceVersion, { signal })) {
      if (signal.aborted) return;
      observer?.received();
      this.#apply(change, signal);
    }
  }

  #apply({ type, pod }: PodChange, signal: AbortSignal): void {
    const name = pod.metadata?.name ?? '';
    if (type === 'deleted') {
      this.#pods.delete(name);
      this.#keepIfObserved(name, pod);
    } else this.#pods.set(name, pod);
    for (const observer of this.#observers) {
      if (observer.podName === name) this.#review(observer, signal);
    }
  }

  #keepIfObserved(name: string, pod: Pod): void {
    if (![...this.#observers].some(({ podName }) => podName === name)) return;
    this.#vanished.set(name, pod);
    const [oldest] = this.#vanished.keys();
    if (this.#vanished.size > maxVanished && oldest !== undefined) this.#vanished.delete(oldest);
  }

  /**
   * Reads one pod until it does not exist or is in the list. The pod may be newer than the list and
   * its event still pending, or its labels were changed. Ignores a response that is older than any
   * state offered.
   */
  async #readUntilListed(observer: PodObserver, signal: AbortSignal): Promise<void> {
    if (this.#reading.has(observer)) return;
    this.#reading.add(observer);
    const { clock } = this.#options;
    try {
      const pace = new RetryPace({ clock, backoff });
      while (this.#observers.has(observer) && this.#listed(observer) === undefined && !isOver(signal)) {
        const answer = await this.#read(observer, signal);
        if (observer.isGone) return;
        if (answer === 'old') continue;
        if (answer === 'new') pace.renew();
        const waiting = answer === 'new' ? clock.sleep(unlistedMs, { signal }) : pace.wait(undefined, { signal });
        await waiting.catch(() => undefined);
      }
    } finally {
      this.#reading.delete(observer);
    }
  }

  /**
   * Reads the pod and offers it. `old`: the watch offered a state during the read. `none`: the read
   * failed.
   */
  async #read(observer: PodObserver, signal: AbortSignal): Promise<'new' | 'old' | 'none'> {
    const { cluster, logger } = this.#options;
    const { podName, offers } = observer;
    try {
      const pod = await cluster.getPod(podName, { signal });
      if (isOver(signal) || observer.offers !== offers || this.#listed(observer) !== undefined) return 'old';
      // The list has an earlier pod of this name, if any.
      this.#pods.delete(podName);
      observer.offer(pod);
      return 'new';
    } catch (error) {
      if (isOver(signal)) return 'old';
      if (isRefusal(error)) observer.fail(error);
      else logger.warn('pod not read, retrying', { podName, error });
      return 'none';
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ForbiddenError || error instanceof UnauthorizedError;
}

/** Reads the signal again on each call, because it changes during asynchronous work. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
