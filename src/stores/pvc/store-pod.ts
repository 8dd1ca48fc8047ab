import { OutOfMemoryError, PodDeletedError, PodEvictedError, PodFailedError } from '../../errors/pod.ts';
import { abortable } from '../../internal/abort.ts';
import type { Cluster, Pod } from '../../kubernetes/cluster.ts';
import { storeClaimOf } from '../../kubernetes/pod-spec/labels.ts';
import type { LaunchRequest, PodLauncher } from '../../pods/pod-launcher.ts';
import type { PodRemover } from '../../pods/pod-remover.ts';
import type { PodGuard, PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { AbortOptions, Clock, Logger } from '../../runtime/options.ts';
import { type ClaimProblemKind, mountProblem, patienceMs, scheduledProblem } from './claim-problem.ts';
import { claimError, type StorePlace } from './store-errors.ts';
import { optionsAnnotation } from './store-pod-request.ts';

/** The agent of a store pod. */
export interface StoreAgent<Archives> {
  /** Resolves if the agent answers. */
  hello(options: AbortOptions): Promise<unknown>;
  readonly archives: Archives;
}

export interface StorePodComponents<Archives> {
  readonly place: StorePlace;
  readonly request: LaunchRequest;
  readonly cluster: Pick<Cluster, 'getPod' | 'podEvents'>;
  readonly launcher: Pick<PodLauncher, 'launch'>;
  readonly pods: Pick<PodSupervisor, 'guard' | 'mask' | 'whenAgentAnswers'>;
  readonly remover: Pick<PodRemover, 'remove'>;
  readonly agents: { client(podName: string, handle: string): StoreAgent<Archives> };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the claim of a pod that starts is examined. */
const examineMs = 1_000;
/** An ended pod is replaced once in a start. */
const maxTries = 2;

/**
 * Keeps the one pod of a claim running. All hosts of a worker use it, so this class only replaces a
 * pod that has ended, and never deletes one that runs.
 */
export class StorePod<Archives> {
  readonly #components: StorePodComponents<Archives>;
  readonly #closed = new AbortController();
  /** The start that all calls wait for. */
  #starting: Promise<void> | undefined;
  #hasStarted = false;

  constructor(components: StorePodComponents<Archives>) {
    this.#components = components;
  }

  /**
   * Resolves with the archives of the agent, which has just answered. Creates the pod if it does not
   * exist, and replaces one that has ended.
   *
   * @throws StoreNotConfiguredError - the claim does not exist
   * @throws StoreUnavailableError - the claim cannot be used now
   */
  async archives({ signal }: AbortOptions = {}): Promise<Archives> {
    this.#closed.signal.throwIfAborted();
    if (!(await this.#answers({ signal }))) await abortable(this.#whenStarted(), signal);
    return this.#agent().archives;
  }

  /** Returns a guard that aborts what uses the pod when the pod has ended. */
  guard(options: AbortOptions): PodGuard {
    return this.#components.pods.guard(this.#components.request.podName, options);
  }

  /** Ends a start. Leaves the pod, which other hosts may use. Idempotent. */
  close(reason: Error): void {
    this.#closed.abort(reason);
  }

  #agent(): StoreAgent<Archives> {
    const { agents, request } = this.#components;
    return agents.client(request.podName, request.handle);
  }

  async #answers({ signal }: AbortOptions): Promise<boolean> {
    if (!this.#hasStarted) return false;
    try {
      await this.#agent().hello({ signal });
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      this.#components.logger.debug('store pod does not answer', { store: this.#components.place.store, error });
      return false;
    }
  }

  /** The callers' signals do not end a start, because other calls may wait for it. */
  #whenStarted(): Promise<void> {
    this.#starting ??= this.#start({ signal: this.#closed.signal }).finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  async #start({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const found: { uid?: string } = {};
      try {
        await this.#launch(found, signal);
        this.#hasStarted = true;
        return;
      } catch (error) {
        if (tries === maxTries || !hasEnded(error)) throw error;
        this.#components.logger.info('store pod has ended', { store: this.#components.place.store, error });
        await this.#removeEnded(found.uid, { signal });
      }
    }
  }

  async #launch(found: { uid?: string }, signal: AbortSignal): Promise<void> {
    const { launcher, pods, request } = this.#components;
    found.uid = await launcher.launch(request, { signal });
    const stop = new AbortController();
    const within = AbortSignal.any([signal, stop.signal]);
    const seen: { pod?: Pod } = {};
    const observed = (pod: Pod): void => void (seen.pod = pod);
    const refused = this.#whenClaimIsRefused(seen, within);
    refused.catch(() => undefined);
    const target = { podName: request.podName, handle: request.handle, podUid: found.uid };
    try {
      await Promise.race([pods.whenAgentAnswers(target, { signal: within, observed }), refused]);
    } finally {
      stop.abort();
    }
    this.#compare(seen.pod);
  }

  /** Deletes a pod that has ended, and waits until its name is free. Other hosts may do the same. */
  async #removeEnded(known: string | undefined, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { remover, request } = this.#components;
    const { podName, handle } = request;
    const uid = known ?? (await this.#findEnding({ signal }));
    if (uid !== undefined) await remover.remove(podName, handle, { uid, signal });
  }

  /** Returns the uid of the pod if it is being deleted. */
  async #findEnding(options: AbortOptions): Promise<string | undefined> {
    const { cluster, request, place } = this.#components;
    const metadata = (await cluster.getPod(request.podName, options))?.metadata;
    const isEnding = storeClaimOf(metadata) === place.claim && metadata?.deletionTimestamp !== undefined;
    return isEnding ? metadata.uid : undefined;
  }

  /** Rejects when the claim of the pod that starts has had a problem for too long. Never resolves. */
  async #whenClaimIsRefused(seen: { readonly pod?: Pod }, signal: AbortSignal): Promise<never> {
    const { clock, place, pods } = this.#components;
    const since = new Map<ClaimProblemKind, number>();
    for (;;) {
      await clock.sleep(examineMs, { signal });
      const problem = seen.pod === undefined ? undefined : await this.#findProblem(seen.pod, signal);
      if (problem === undefined) {
        since.clear();
        continue;
      }
      const from = since.get(problem.kind) ?? clock.now();
      since.set(problem.kind, from);
      if (clock.now() - from < patienceMs[problem.kind]) continue;
      throw claimError(place, { ...problem, detail: pods.mask(problem.detail) ?? '' });
    }
  }

  async #findProblem(pod: Pod, signal: AbortSignal): Promise<ReturnType<typeof scheduledProblem>> {
    if (pod.spec?.nodeName === undefined) return scheduledProblem(pod);
    const { name = '', uid = '' } = pod.metadata ?? {};
    // Without the permission, or while the API is away, the start time-out decides.
    const events = await this.#components.cluster.podEvents(name, uid, { signal }).catch(() => undefined);
    return mountProblem(events ?? []);
  }

  /** Logs that the pod was created with other options. They apply to the next pod. */
  #compare(pod: Pod | undefined): void {
    const { logger, request, place } = this.#components;
    const actual = pod?.metadata?.annotations?.[optionsAnnotation];
    const expected = request.podOptions?.annotations?.[optionsAnnotation];
    if (actual === undefined || actual === expected) return;
    logger.warn('store pod has other options: delete it to apply those of this host', {
      store: place.store,
      podName: request.podName,
    });
  }
}

/** Whether the pod is no longer of use. Its name must become free for another one. */
export function hasEnded(error: unknown): boolean {
  return (
    error instanceof PodDeletedError ||
    error instanceof PodEvictedError ||
    error instanceof PodFailedError ||
    error instanceof OutOfMemoryError
  );
}
