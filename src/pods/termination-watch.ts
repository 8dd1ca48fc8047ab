import type { OutOfMemoryError } from '../errors/pod.ts';
import type { Pod } from '../kubernetes/cluster.ts';
import { mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';
import { type Termination, terminations } from '../kubernetes/pod-state/main-container-state.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { SidecarEnd } from '../runtime/process.ts';
import type { PodSupervisor } from './pod-supervisor.ts';

export interface TerminationWatchOptions {
  readonly pods: PodSupervisor;
  readonly podName: string;
  /** By the clock of the pod's node. Terminations before this time do not count. */
  readonly since: Date;
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * How long the restarted agent of a killed container may take to report how the process ended,
 * before the kill counts as the process's end.
 */
const mainGraceMs = 5_000;

/** Watches the terminations of a pod's containers while a process runs in it. */
export class TerminationWatch {
  readonly #options: TerminationWatchOptions;
  readonly #sidecarEnds = new Map<string, SidecarEnd>();
  readonly #seen = new Set<string>();

  constructor(options: TerminationWatchOptions) {
    this.#options = options;
  }

  /** The sidecars that were seen to end. */
  get sidecarEnds(): readonly SidecarEnd[] {
    return [...this.#sidecarEnds.values()];
  }

  /**
   * Rejects when a container of the pod was killed for memory. Never resolves. The signal ends the
   * watch. Kubernetes delays each restart of a container that is killed repeatedly, so a sidecar's
   * restart is not awaited, and the agent of the main container has only a few seconds to report.
   */
  async whenOutOfMemory({ signal }: AbortOptions): Promise<never> {
    const killed = Promise.withResolvers<never>();
    const observed = this.#observe(killed.reject, signal);
    return await Promise.race([killed.promise, observed]);
  }

  async #observe(killed: (error: OutOfMemoryError) => void, signal: AbortSignal | undefined): Promise<never> {
    for await (const pod of this.#options.pods.observe(this.#options.podName, { signal })) {
      for (const [containerName, termination] of this.#newIn(pod)) {
        if (containerName !== mainContainerName) this.#noteSidecar(containerName, termination);
        if (!termination.outOfMemory) continue;
        const error = this.#options.pods.outOfMemory(this.#options.podName, {
          containerName,
          limitBytes: this.#options.memoryLimits.get(containerName),
        });
        if (containerName !== mainContainerName) killed(error);
        else void this.#options.clock.sleep(mainGraceMs, { signal }).then(() => killed(error), ignore);
      }
    }
    return await new Promise<never>(ignore);
  }

  /**
   * Returns the terminations that were not seen before and are not older than `since`, in whole
   * seconds, because Kubernetes reports whole seconds.
   */
  #newIn(pod: Pod | undefined): (readonly [string, Termination])[] {
    if (pod === undefined) return [];
    const from = Math.floor(this.#options.since.getTime() / 1000) * 1000;
    return [...terminations(pod)].filter(([containerName, { containerId, finishedAt }]) => {
      const key = `${containerName} ${containerId ?? finishedAt?.toISOString() ?? ''}`;
      const isNew = !this.#seen.has(key) && finishedAt !== undefined && finishedAt.getTime() >= from;
      this.#seen.add(key);
      return isNew;
    });
  }

  #noteSidecar(name: string, { exitCode, reason }: Termination): void {
    const times = (this.#sidecarEnds.get(name)?.times ?? 0) + 1;
    this.#sidecarEnds.set(name, { name, times, exitCode, reason });
    this.#options.logger.warn('sidecar ended', {
      podName: this.#options.podName,
      container: name,
      exitCode,
      reason,
      times,
    });
  }
}

function ignore(): void {
  // No caller waits for it.
}
