import { ExecHandshakeFailedError } from '../errors/connection.ts';
import { isRetryable } from '../errors/error-code.ts';
import {
  type MemoryFacts,
  OutOfMemoryError,
  PodDeletedError,
  PodError,
  PodFailedError,
  PodStartTimeoutError,
  PodUnschedulableError,
} from '../errors/pod.ts';
import { backoffMs } from '../internal/backoff.ts';
import { ChangeSignal } from '../internal/change-signal.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { mainContainerState, terminations } from '../kubernetes/main-container-state.ts';
import { mainContainerName } from '../kubernetes/pod-spec.ts';
import { PodStart, type StartProblem } from '../kubernetes/pod-start.ts';
import { findUnschedulable, podProblem, waitsForVolumesSince } from '../kubernetes/pod-status.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import type { Architecture } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { AgentDelivery } from './agent-delivery.ts';
import type { AgentPool } from './agent-pool.ts';
import { lastOutput } from './last-output.ts';
import { isGraceful, PodEnd, type PodEndOptions } from './pod-end.ts';
import { retryWithin } from './retry-within.ts';

/** Times in milliseconds. */
export interface PodTimeouts {
  /** How long a pod that has a node may take until its agent answers. */
  readonly startMs: number;
  /** How long a pod may wait for a node. */
  readonly schedulingMs: number;
  /** How long pulls of its images may fail for reasons that pass. */
  readonly imagePullMs: number;
  /** How long work goes on being tried while the pod is there and nothing gets through. */
  readonly reconnectMs: number;
}

/** What supervising needs. */
export interface PodSupervisorComponents {
  readonly cluster: Cluster;
  readonly watch: PodWatch;
  readonly agents: AgentPool;
  readonly delivery: AgentDelivery;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeouts: PodTimeouts;
}

/** A pod, and whose it is. */
export interface SupervisedPod {
  readonly podName: string;
  readonly handle: string;
}

/** What tells that a pod is gone while something works with it. */
export interface PodGuard extends Disposable {
  readonly signal: AbortSignal;
}

const connectBackoff = { firstMs: 40, longestMs: 500 };
/** A pod that waits so long for its volumes may wait for a config map that somebody has deleted. */
const volumesLateMs = 3_000;
/** How late the kubelet may tell that a container has ended. */
const terminationLateMs = 10_000;

/** Knows what becomes of pods: whether they start, live, and why they don't. */
export class PodSupervisor {
  readonly #components: PodSupervisorComponents;

  constructor(components: PodSupervisorComponents) {
    this.#components = components;
  }

  /** Whether the pod is there and stays. With a uid: that very pod. */
  async exists(
    podName: string,
    { uid, signal }: AbortOptions & { readonly uid?: string | undefined } = {},
  ): Promise<boolean> {
    const pod = await this.#components.cluster.getPod(podName, { signal });
    return (
      pod !== undefined &&
      pod.metadata?.deletionTimestamp === undefined &&
      (uid === undefined || pod.metadata?.uid === uid)
    );
  }

  /**
   * Resolves when the agent answers. The exec is tried as soon as the pod has a node, since the kubelet tells only once a second that a container runs.
   *
   * @throws PodError - what is wrong with the pod, as soon as the watch shows it, or a time-out
   */
  async whenAgentAnswers({ podName, handle }: SupervisedPod, { signal }: AbortOptions = {}): Promise<void> {
    const { agents, clock, timeouts } = this.#components;
    const stop = new AbortController();
    const within = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const seen: { pod?: Pod; readonly change: ChangeSignal } = { change: new ChangeSignal() };
    const failure = this.#watchStart(podName, seen, within);
    failure.catch(() => undefined);
    const answer = async (): Promise<void> => {
      let scheduledAt: number | undefined;
      for (let retry = 0; ; retry += 1) {
        within.throwIfAborted();
        if (seen.pod?.spec?.nodeName === undefined) {
          await seen.change.wait();
          continue;
        }
        scheduledAt ??= clock.now();
        try {
          await agents.client(podName, handle).hello({ signal: within });
          return;
        } catch (error) {
          within.throwIfAborted();
          if (!isRetryable(error)) throw error;
          if (clock.now() - scheduledAt > timeouts.startMs)
            throw new PodStartTimeoutError(this.#factsOf(podName, describeWait(seen.pod)), timeouts.startMs, {
              cause: error,
            });
          await Promise.race([clock.sleep(backoffMs(retry, connectBackoff), { signal: within }), seen.change.wait()]);
        }
      }
    };
    try {
      await Promise.race([answer(), failure]);
    } finally {
      stop.abort();
      seen.change.notify();
    }
  }

  /**
   * Keeps every earlier holder of a container's lease from changing its volumes: resolves when its agent does nothing for one any more.
   *
   * @throws LeaseLostError - a later holder was here
   * @throws PodError - the pod is gone, or failed
   */
  async fence({ podName, handle }: SupervisedPod, generation: number, { signal }: AbortOptions = {}): Promise<void> {
    await this.persist(podName, () => this.#components.agents.client(podName, handle).fence(generation, { signal }), {
      signal,
    });
  }

  /**
   * Does work that may be repeated, again and again while what it fails with may pass and the pod is there.
   *
   * @throws PodError - the pod is gone, or failed
   */
  async persist<T>(podName: string, work: () => Promise<T>, { signal }: AbortOptions = {}): Promise<T> {
    return await this.retry(work, { signal, check: () => this.requireAlive(podName, { signal }) });
  }

  /** Does work that may be repeated, again and again while what it fails with may pass. `check` is asked after each failure, and may reject. */
  async retry<T>(
    work: () => Promise<T>,
    { signal, check }: AbortOptions & { readonly check?: () => Promise<void> } = {},
  ): Promise<T> {
    const { clock, logger, timeouts } = this.#components;
    return await retryWithin(work, {
      clock,
      logger,
      signal,
      budgetMs: () => timeouts.reconnectMs,
      failed: async (error) => {
        // A refused exec may say no more than that there is no such pod.
        if (isRetryable(error) || error instanceof ExecHandshakeFailedError) await check?.();
      },
    });
  }

  /**
   * With a uid: that very pod.
   *
   * @throws PodError - the pod is gone or failed; that the API cannot tell is no reason
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
    const problem = podProblem(pod);
    if (problem !== undefined) throw problem;
  }

  /**
   * Rejects when the pod has ended, whatever the connections to it say; never resolves. A pod that is deleted or evicted ends when its main container has terminated or it
   * is gone, at the latest some seconds after its grace period. Ends by the signal.
   */
  async whenGone(podName: string, { signal }: AbortOptions): Promise<never> {
    throw (await this.#endOf(podName, { signal })) ?? this.#gone(podName);
  }

  /** What an error about a pod has come to in the end: a pod that is deleted or evicted may have commands that run on for its grace period. */
  async settled(error: PodError, { signal }: AbortOptions): Promise<PodError> {
    if (!error.mayStillRun || !isGraceful(error)) return error;
    return (await this.#endOf(error.podName, { signal })) ?? error;
  }

  /**
   * What became of a pod whose agent got TERM, from its kubelet or from another sender. `undefined`: the pod stays, so the kubelet did not send it.
   */
  async findEnd(
    podName: string,
    options: AbortOptions & { readonly expectedSince: Date },
  ): Promise<PodError | undefined> {
    return await this.#endOf(podName, options);
  }

  /**
   * A signal for work that goes on by itself whatever passes: aborted with the `PodError` when the pod is gone for good, and by the caller's signal. Let go of it by its
   * dispose.
   */
  guard(podName: string, { signal }: AbortOptions): PodGuard {
    const [gone, ended] = [new AbortController(), new AbortController()];
    this.whenGone(podName, { signal: ended.signal }).catch((error: unknown) => {
      // That the watch may not look, or was closed, is no news of the pod.
      if (error instanceof PodError) gone.abort(error);
    });
    return {
      signal: signal === undefined ? gone.signal : AbortSignal.any([signal, gone.signal]),
      [Symbol.dispose]: () => {
        ended.abort();
      },
    };
  }

  /** The pod's state now, then each change; `undefined`: there is no such pod. Ends by the signal. */
  observe(podName: string, options: AbortOptions): AsyncIterable<Pod | undefined> {
    return this.#components.watch.observe(podName, options);
  }

  /**
   * Why the main container, which was restarted after a moment by its node's clock, had ended: that the kernel killed it for memory, or `undefined`. The agent of the new
   * one may answer before the kubelet has told of the old one's end, so this waits for that a while.
   */
  async findMemoryKill(
    podName: string,
    { since, limitBytes, signal }: AbortOptions & { readonly since: Date; readonly limitBytes: number | undefined },
  ): Promise<OutOfMemoryError | undefined> {
    const { clock } = this.#components;
    const stop = new AbortController();
    const within = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const told = async (): Promise<OutOfMemoryError | undefined> => {
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
    const telling = told();
    telling.catch(() => undefined);
    try {
      return await Promise.race([telling, clock.sleep(terminationLateMs, { signal: within }).then(() => undefined)]);
    } finally {
      stop.abort();
    }
  }

  outOfMemory(podName: string, facts: MemoryFacts): OutOfMemoryError {
    const mayStillRun = facts.containerName !== mainContainerName;
    return new OutOfMemoryError({ ...this.#factsOf(podName, { reason: 'OOMKilled' }), mayStillRun }, facts);
  }

  /** Keeps `seen` up to date. Rejects with what is wrong with the pod. */
  async #watchStart(
    podName: string,
    seen: { pod?: Pod; readonly change: ChangeSignal },
    signal: AbortSignal,
  ): Promise<never> {
    const { watch, clock, timeouts } = this.#components;
    const startedAt = clock.now();
    const start = new PodStart(timeouts.imagePullMs);
    const check = async (pod: Pod): Promise<void> => {
      const problem = start.observe(pod, clock.now());
      if (problem !== undefined) throw await this.#startError(pod, problem, signal);
    };
    const observe = async (): Promise<never> => {
      for await (const pod of watch.observe(podName, { signal })) {
        if (pod === undefined) throw this.#gone(podName);
        seen.pod = pod;
        seen.change.notify();
        await check(pod);
      }
      throw this.#gone(podName);
    };
    const wait = async (): Promise<never> => {
      for (;;) {
        await clock.sleep(volumesLateMs, { signal });
        await this.#helpLatePod(seen.pod, signal);
        if (seen.pod !== undefined) await check(seen.pod);
        const waitedMs = clock.now() - startedAt;
        if (seen.pod?.spec?.nodeName !== undefined || waitedMs < timeouts.schedulingMs) continue;
        const detail = seen.pod === undefined ? undefined : findUnschedulable(seen.pod)?.detail;
        throw new PodUnschedulableError(this.#factsOf(podName, { detail }), waitedMs);
      }
    };
    return await Promise.race([observe(), wait()]);
  }

  /** Puts back the config map of a pod that does not come up for want of it. */
  async #helpLatePod(pod: Pod | undefined, signal: AbortSignal): Promise<void> {
    const { delivery, logger } = this.#components;
    if (pod === undefined || waitsForVolumesSince(pod) === undefined) return;
    await delivery.repeat(architectureOf(pod), { signal }).catch((error: unknown) => {
      if (!isRetryable(error)) throw error;
      logger.warn('the agent was not delivered again', { error });
    });
  }

  /** What the pod's start fails with; of a container that ends at each start, with the last that it printed. */
  async #startError(pod: Pod, problem: StartProblem, signal: AbortSignal): Promise<PodError> {
    if (problem.kind === 'failed') return problem.error;
    const { containerName, times, termination } = problem;
    const podName = pod.metadata?.name ?? '';
    if (termination.outOfMemory)
      return this.outOfMemory(podName, { containerName, limitBytes: memoryLimitOf(pod, containerName) });
    const output = await lastOutput({ podName, containerName }, this.#components, { signal });
    const { reason, exitCode, message } = termination;
    const words = [
      `container ${containerName} ended at each of ${times} starts, the last time with exit code ${exitCode}`,
      ...(message === undefined ? [] : [message]),
      ...(output === '' ? [] : [`its last output: ${output}`]),
    ];
    return new PodFailedError(this.#factsOf(podName, { reason, detail: words.join('; ') }));
  }

  async #endOf(podName: string, options: PodEndOptions): Promise<PodError | undefined> {
    const { watch, clock } = this.#components;
    const end = new PodEnd(podName, {
      observe: (name, observing) => watch.observe(name, observing),
      problemOf: podProblem,
      goneError: (name, mayStillRun) => this.#gone(name, mayStillRun),
      clock,
    });
    return await end.find(options);
  }

  #gone(podName: string, mayStillRun = false): PodError {
    this.#components.agents.forget(podName);
    return new PodDeletedError({ ...this.#factsOf(podName, {}), mayStillRun });
  }

  #factsOf(
    podName: string,
    why: { readonly reason?: string | undefined; readonly detail?: string | undefined },
  ): { namespace: string; podName: string } & typeof why {
    return { namespace: this.#components.cluster.namespace, podName, ...why };
  }
}

function describeWait(pod: Pod | undefined): { reason: string | undefined; detail: string | undefined } {
  const state = pod === undefined ? undefined : mainContainerState(pod);
  if (state === undefined || state.kind === 'running')
    return { reason: undefined, detail: 'its container runs, and the agent does not answer' };
  const end = state.kind === 'restarting' ? state.lastTermination : undefined;
  if (end === undefined) return { reason: state.reason, detail: state.detail };
  const last = `its last run ended with exit code ${end.exitCode} (${end.reason ?? 'no reason'})`;
  return {
    reason: state.reason,
    detail: [state.detail, last, end.message].filter((part) => part !== undefined).join('; '),
  };
}

function memoryLimitOf(pod: Pod, containerName: string): number | undefined {
  const limit = Number(pod.spec?.containers.find(({ name }) => name === containerName)?.resources?.limits?.['memory']);
  return Number.isSafeInteger(limit) ? limit : undefined;
}

function architectureOf(pod: Pod): Architecture {
  return pod.spec?.nodeSelector?.['kubernetes.io/arch'] === 'arm64' ? 'arm64' : 'amd64';
}
