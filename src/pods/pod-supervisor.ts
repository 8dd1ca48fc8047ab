import { ExecHandshakeFailedError } from '../errors/connection.ts';
import { isRetryable } from '../errors/error-code.ts';
import { type MemoryFacts, type OutOfMemoryError, PodError } from '../errors/pod.ts';
import { ChangeSignal } from '../internal/change-signal.ts';
import type { Mask } from '../internal/host-mask.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { handleOf } from '../kubernetes/pod-spec/labels.ts';
import { mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';
import { mainContainerState, terminations } from '../kubernetes/pod-state/main-container-state.ts';
import { PodStart, type StartProblem } from '../kubernetes/pod-state/pod-start.ts';
import { hasEnded, waitsForVolumesSince } from '../kubernetes/pod-state/pod-status.ts';
import type { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';
import { findVolumeFailure } from '../kubernetes/pod-state/volume-failure.ts';
import { type Backoff, callBackoff } from '../retry/backoff.ts';
import { retry, waitIfRetryable } from '../retry/retry.ts';
import { RetryPace } from '../retry/retry-pace.ts';
import type { Architecture } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { AgentDelivery } from './agent-delivery.ts';
import type { AgentPool } from './agent-pool.ts';
import { lastOutput } from './last-output.ts';
import { PodDiagnostics } from './pod-diagnostics.ts';
import { isGraceful, PodEnd, type PodEndOptions, withCommands } from './pod-end.ts';
import { PodErrors } from './pod-errors.ts';

/** Times in milliseconds. */
export interface PodTimeouts {
  /** How long a pod may take from its scheduling until its agent answers. */
  readonly startMs: number;
  /** How long a pod may wait for a node. */
  readonly schedulingMs: number;
  /** How long image pulls may fail for transient reasons. */
  readonly imagePullMs: number;
  /** How long work is retried while the pod exists and no attempt succeeds. */
  readonly reconnectMs: number;
}

export interface PodSupervisorComponents {
  readonly cluster: Cluster;
  readonly watch: PodWatch;
  readonly agents: AgentPool;
  readonly delivery: AgentDelivery;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeouts: PodTimeouts;
  /** Masks what the host shows of a pod. */
  readonly mask: Mask;
}

export interface SupervisedPod {
  readonly podName: string;
  readonly handle: string;
  /** @defaultValue the uid of the first pod that is found */
  readonly podUid?: string | undefined;
}

/** What distinguishes a pod from an earlier or later one with its name. */
export interface PodIdentity {
  readonly uid?: string | undefined;
  readonly handle?: string | undefined;
}

export interface AgentWaitOptions extends AbortOptions {
  /** Called with each state of the pod that the watch shows, before it is evaluated. */
  readonly observed?: ((pod: Pod) => void) | undefined;
  /** Called with what the node reports while it cannot attach or mount the pod's volumes. */
  readonly volumesFailed?: ((message: string) => void) | undefined;
}

/** Aborts its signal when the pod has ended. Dispose it to stop watching. */
export interface PodGuard extends Disposable {
  readonly signal: AbortSignal;
}

/** A pod that starts, as the watch has shown it last. */
interface SeenPod {
  readonly uid: string | undefined;
  pod?: Pod;
  /** Why a volume was not attached or mounted, when that was asked last. */
  volumeFailure?: string | undefined;
  readonly change: ChangeSignal;
  readonly observed: AgentWaitOptions['observed'];
  readonly volumesFailed: AgentWaitOptions['volumesFailed'];
}

/**
 * The waits between execs while one pod starts. With more, the waits are as many times as long, so
 * that execs do not slow down the start of many pods. Most pods start within `soonMs`. The watch,
 * which is up to a second late, ends a wait early.
 */
const connectBackoff = { firstMs: 40, soonMs: 5_000, longestSoonMs: 500, longestMs: 5_000 };
/** After this time a pod that waits for its volumes may lack a config map that was deleted. */
const volumesLateMs = 3_000;
/** How late the kubelet may report that a container has ended. */
const terminationLateMs = 10_000;

/** Reports whether pods start, run and end, and why they fail. */
export class PodSupervisor {
  readonly #components: PodSupervisorComponents;
  readonly #errors: PodErrors;
  readonly #diagnostics: PodDiagnostics;
  /** The number of pods that start. */
  #starting = 0;
  /** The errors of pods that were followed to their end. */
  readonly #final = new WeakSet<PodError>();

  constructor(components: PodSupervisorComponents) {
    this.#components = components;
    this.#diagnostics = new PodDiagnostics(components);
    this.#errors = new PodErrors(components);
  }

  /** Masks a text of the cluster. */
  get mask(): Mask {
    return this.#components.mask;
  }

  /** Resolves with the error and its diagnostics, as `PodDiagnostics.complete`. */
  async diagnose(error: PodError, options: AbortOptions): Promise<PodError> {
    return await this.#diagnostics.complete(error, options);
  }

  /**
   * Whether the pod exists and is not being deleted. With a uid, the pod must have that uid. With a
   * handle, it must not belong to another one.
   */
  async exists(podName: string, { uid, handle, signal }: PodIdentity & AbortOptions = {}): Promise<boolean> {
    const pod = await this.#components.cluster.getPod(podName, { signal });
    return (
      pod !== undefined &&
      pod.metadata?.deletionTimestamp === undefined &&
      (uid === undefined || pod.metadata?.uid === uid) &&
      (handle === undefined || (handleOf(pod.metadata) ?? handle) === handle)
    );
  }

  /**
   * Returns why no command can run in the pod any more: it no longer exists, is being deleted, or has
   * ended for good, such as by an eviction. `undefined` if one can. With a uid, the pod must have that
   * uid.
   */
  async findLoss(
    podName: string,
    { uid, signal }: Pick<PodIdentity, 'uid'> & AbortOptions = {},
  ): Promise<PodError | undefined> {
    const pod = await this.#components.cluster.getPod(podName, { signal });
    if (pod === undefined || (uid !== undefined && pod.metadata?.uid !== uid)) return this.#gone(podName);
    const isEnding = pod.metadata?.deletionTimestamp !== undefined;
    return isEnding || hasEnded(pod) ? this.#errors.problemOf(pod) : undefined;
  }

  /**
   * Resolves when the agent answers. Tries an exec as soon as the pod has a node, because the
   * kubelet reports only once a second that a container runs.
   *
   * @throws PodError - the pod has a problem, which is reported as soon as the watch shows it, or a
   *   time-out expired
   */
  async whenAgentAnswers(
    { podName, handle, podUid: uid }: SupervisedPod,
    { signal, observed, volumesFailed }: AgentWaitOptions = {},
  ): Promise<void> {
    const stop = new AbortController();
    const within = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const seen: SeenPod = { uid, change: new ChangeSignal(), observed, volumesFailed };
    const failure = this.#watchStart(podName, seen, within);
    failure.catch(() => undefined);
    this.#starting += 1;
    try {
      await Promise.race([this.#connect({ podName, handle }, seen, within), failure]);
    } finally {
      this.#starting -= 1;
      stop.abort();
      seen.change.notify();
    }
  }

  /**
   * Fences off every earlier holder of a container's lease. When this resolves, the agent no longer
   * changes the volumes for an earlier holder.
   *
   * @throws LeaseLostError - the fence of a later holder is set
   * @throws PodError - the pod no longer exists or has failed
   */
  async fence({ podName, handle }: SupervisedPod, generation: number, { signal }: AbortOptions = {}): Promise<void> {
    await this.persist(podName, () => this.#components.agents.client(podName, handle).fence(generation, { signal }), {
      signal,
    });
  }

  /**
   * Runs idempotent work. Retries after retryable errors while the pod exists.
   *
   * @throws PodError - the pod no longer exists or has failed
   */
  async persist<T>(podName: string, work: () => Promise<T>, { signal }: AbortOptions = {}): Promise<T> {
    return await this.retry(work, { signal, check: () => this.requireAlive(podName, { signal }) });
  }

  /**
   * Runs idempotent work. Retries after retryable errors. Calls `check` after each failure; its
   * rejection ends the work.
   */
  async retry<T>(
    work: () => Promise<T>,
    { signal, check }: AbortOptions & { readonly check?: () => Promise<void> } = {},
  ): Promise<T> {
    const { clock, logger, timeouts } = this.#components;
    const pace = new RetryPace({ clock, backoff: callBackoff, budgetMs: timeouts.reconnectMs });
    return await retry(work, {
      pace,
      signal,
      decide: async (error) => {
        // A refused exec is not retryable, but its only reason may be that the pod does not exist.
        if (isRetryable(error) || error instanceof ExecHandshakeFailedError) await check?.();
        logger.debug('call of the pod failed', { retry: pace.retries, error });
        return waitIfRetryable(error);
      },
    });
  }

  /**
   * Resolves if the pod exists and has not failed, or if the API is unavailable. With a uid, the
   * pod must have that uid.
   *
   * @throws PodError - the pod no longer exists or has failed
   */
  async requireAlive(
    podName: string,
    { uid, signal }: AbortOptions & { readonly uid?: string | undefined } = {},
  ): Promise<void> {
    const { cluster } = this.#components;
    let pod: Pod | undefined;
    try {
      pod = await cluster.getPod(podName, { signal });
    } catch (error) {
      if (isRetryable(error)) return;
      throw error;
    }
    if (pod === undefined || (uid !== undefined && pod.metadata?.uid !== uid)) throw this.#gone(podName);
    const problem = this.#errors.problemOf(pod);
    if (problem !== undefined) throw withCommands(problem, pod);
  }

  /**
   * Rejects when the pod has ended, independently of the connections to it. Never resolves. A pod
   * that is deleted or evicted has ended when its main container has terminated, when the pod no
   * longer exists, or a few seconds after its grace period. The signal ends the watch.
   */
  async whenGone(podName: string, { signal }: AbortOptions): Promise<never> {
    throw (await this.#endOf(podName, { signal })) ?? this.#gone(podName);
  }

  /**
   * Resolves with the final error of a deleted or evicted pod after its end, because its commands
   * may continue during the grace period. Resolves at once with any other error and with that of
   * `whenGone`, unchanged.
   */
  async settled(error: PodError, { signal }: AbortOptions): Promise<PodError> {
    if (!error.mayStillRun || !isGraceful(error) || this.#final.has(error)) return error;
    return (await this.#endOf(error.podName, { signal })) ?? error;
  }

  /**
   * Resolves with the end of a pod after its agent received TERM. Resolves with `undefined` if the
   * pod stays: then the kubelet did not send the signal.
   */
  async findEnd(
    podName: string,
    options: AbortOptions & { readonly expectedSince: Date },
  ): Promise<PodError | undefined> {
    return await this.#endOf(podName, options);
  }

  /**
   * Returns a signal for work that retries on its own. It aborts with the `PodError` when the pod
   * has ended, and with the caller's signal. Dispose the guard to stop watching.
   */
  guard(podName: string, { signal }: AbortOptions): PodGuard {
    const [gone, ended] = [new AbortController(), new AbortController()];
    this.whenGone(podName, { signal: ended.signal }).catch((error: unknown) => {
      // A watch that is forbidden or closed reports nothing about the pod.
      if (error instanceof PodError) gone.abort(error);
    });
    return {
      signal: signal === undefined ? gone.signal : AbortSignal.any([signal, gone.signal]),
      [Symbol.dispose]: () => {
        ended.abort();
      },
    };
  }

  /**
   * Yields the pod's current state, then each change. `undefined`: the pod does not exist. The
   * signal ends it.
   */
  observe(podName: string, options: AbortOptions): AsyncIterable<Pod | undefined> {
    return this.#components.watch.observe(podName, options);
  }

  /**
   * Finds out why the main container ended that was restarted after `since`, by its node's clock.
   * Resolves with the error if the kernel killed it for memory, else with `undefined`. The
   * restarted agent may answer before the kubelet reports the end of the previous run, so this
   * waits for the report for a bounded time.
   */
  async findMemoryKill(
    podName: string,
    { since, limitBytes, signal }: AbortOptions & { readonly since: Date; readonly limitBytes: number | undefined },
  ): Promise<OutOfMemoryError | undefined> {
    const { clock } = this.#components;
    const stop = new AbortController();
    const within = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const findTermination = async (): Promise<OutOfMemoryError | undefined> => {
      for await (const pod of this.observe(podName, { signal: within })) {
        const end = pod === undefined ? undefined : terminations(pod).get(mainContainerName);
        if (
          pod !== undefined &&
          (end?.finishedAt === undefined || end.finishedAt.getTime() < Math.floor(since.getTime() / 1000) * 1000)
        )
          continue;
        return end?.outOfMemory === true
          ? this.outOfMemory(podName, { containerName: mainContainerName, limitBytes })
          : undefined;
      }
      return undefined;
    };
    const finding = findTermination();
    finding.catch(() => undefined);
    try {
      return await Promise.race([finding, clock.sleep(terminationLateMs, { signal: within }).then(() => undefined)]);
    } finally {
      stop.abort();
    }
  }

  /**
   * Returns the error of a container that was killed for memory. Commands may still run unless it
   * is the main container.
   */
  outOfMemory(podName: string, facts: MemoryFacts): OutOfMemoryError {
    return this.#errors.outOfMemory(podName, facts);
  }

  /** Resolves when the agent answers. Begins when `seen` shows the pod on a node. */
  async #connect({ podName, handle }: SupervisedPod, seen: SeenPod, signal: AbortSignal): Promise<void> {
    const { agents, clock, timeouts } = this.#components;
    while (seen.pod?.spec?.nodeName === undefined) {
      signal.throwIfAborted();
      await seen.change.wait();
    }
    const scheduledAt = clock.now();
    const starting = this.#starting;
    const { firstMs, soonMs, longestSoonMs, longestMs } = connectBackoff;
    const backoff: Backoff = {
      firstMs: firstMs * starting,
      get longestMs() {
        const isSoon = clock.now() - scheduledAt < soonMs;
        return isSoon ? Math.min(longestSoonMs * starting, longestMs) : longestMs;
      },
    };
    const pace = new RetryPace({ clock, backoff, budgetMs: timeouts.startMs });
    const untilRuns = async (): Promise<void> => {
      do await seen.change.wait();
      while (seen.pod !== undefined && mainContainerState(seen.pod)?.kind !== 'running');
      pace.renew();
    };
    // The kubelet does not have the pod yet.
    await pace.wait(undefined, { signal, until: untilRuns() });
    await retry(() => agents.client(podName, handle).hello({ signal }), {
      pace,
      signal,
      until: untilRuns,
      decide: (error) => {
        if (!isRetryable(error) || clock.now() - scheduledAt < timeouts.startMs) return waitIfRetryable(error);
        throw this.#errors.startTimeout(podName, seen, timeouts.startMs, { cause: error });
      },
    });
  }

  /** Updates `seen` with the pod's state. Rejects with the pod's problem. */
  async #watchStart(podName: string, seen: SeenPod, signal: AbortSignal): Promise<never> {
    const { watch, clock, timeouts } = this.#components;
    const startedAt = clock.now();
    const start = new PodStart(timeouts.imagePullMs);
    const check = async (pod: Pod): Promise<void> => {
      const problem = start.observe(pod, clock.now());
      if (problem !== undefined) throw await this.#startError(pod, problem, signal);
    };
    const observe = async (): Promise<never> => {
      for await (const pod of watch.observe(podName, { uid: seen.uid, signal })) {
        if (pod === undefined) throw this.#gone(podName);
        seen.pod = pod;
        seen.observed?.(pod);
        seen.change.notify();
        await check(pod);
      }
      throw this.#gone(podName);
    };
    const wait = async (): Promise<never> => {
      for (let checks = 1; ; checks += 1) {
        await clock.sleep(volumesLateMs, { signal });
        // At 3, 6, 12, 24, … s: a deleted config map is rare, and many pods may wait for volumes.
        if (Number.isInteger(Math.log2(checks))) await this.#examineVolumes(seen, signal);
        if (seen.pod !== undefined) await check(seen.pod);
        const waitedMs = clock.now() - startedAt;
        if (seen.pod?.spec?.nodeName !== undefined || waitedMs < timeouts.schedulingMs) continue;
        throw this.#errors.unschedulable(podName, seen.pod, waitedMs);
      }
    };
    return await Promise.race([observe(), wait()]);
  }

  /** If the pod waits for its volumes, restores the agent's config map and asks what the node reports. */
  async #examineVolumes(seen: SeenPod, signal: AbortSignal): Promise<void> {
    const { pod } = seen;
    if (pod === undefined || waitsForVolumesSince(pod) === undefined) return;
    await this.#restoreConfigMap(pod, signal);
    seen.volumeFailure = await this.#findVolumeFailure(pod, signal);
    if (seen.volumeFailure !== undefined) seen.volumesFailed?.(seen.volumeFailure);
  }

  /** Without the permission, or while the API is away, nothing is known. */
  async #findVolumeFailure({ metadata }: Pod, signal: AbortSignal): Promise<string | undefined> {
    const { cluster } = this.#components;
    const { name = '', uid = '' } = metadata ?? {};
    const events = await cluster.podEvents(name, uid, { signal }).catch(() => undefined);
    return findVolumeFailure(events ?? []);
  }

  async #restoreConfigMap(pod: Pod, signal: AbortSignal): Promise<void> {
    const { delivery, logger } = this.#components;
    await delivery.restore(architectureOf(pod), { signal }).catch((error: unknown) => {
      if (!isRetryable(error)) throw error;
      logger.warn('agent config map not restored', { error });
    });
  }

  /**
   * Returns the error of a failed start. For a container that ends at each start it contains the
   * last output.
   */
  async #startError(pod: Pod, problem: StartProblem, signal: AbortSignal): Promise<PodError> {
    if (problem.kind === 'failed') return this.#errors.masked(problem.error);
    const { containerName, termination } = problem;
    const podName = pod.metadata?.name ?? '';
    const output = termination.outOfMemory
      ? ''
      : await lastOutput({ podName, containerName }, this.#components, { signal });
    return this.#errors.endsAtStart(pod, { ...problem, output });
  }

  async #endOf(podName: string, options: PodEndOptions): Promise<PodError | undefined> {
    const { watch, clock } = this.#components;
    const end = new PodEnd(podName, {
      observe: (name, observing) => watch.observe(name, observing),
      problemOf: (pod) => this.#errors.problemOf(pod),
      goneError: (name, mayStillRun) => this.#gone(name, mayStillRun),
      clock,
    });
    const error = await end.find(options);
    if (error !== undefined) this.#final.add(error);
    return error;
  }

  /** Returns the error of a pod that no longer exists, and closes its client. */
  #gone(podName: string, mayStillRun = false): PodError {
    this.#components.agents.forget(podName);
    return this.#errors.gone(podName, mayStillRun);
  }
}

function architectureOf(pod: Pod): Architecture {
  return pod.spec?.nodeSelector?.['kubernetes.io/arch'] === 'arm64' ? 'arm64' : 'amd64';
}
