import type { OutOfMemoryError } from '../errors/pod.ts';
import type { Pod } from '../kubernetes/cluster.ts';
import { type Termination, terminations } from '../kubernetes/main-container-state.ts';
import { mainContainerName } from '../kubernetes/pod-spec.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { SidecarEnd } from '../runtime/process.ts';
import type { PodSupervisor } from './pod-supervisor.ts';

/** What watching for ends needs. */
export interface TerminationWatchOptions {
  readonly pods: PodSupervisor;
  readonly podName: string;
  /** By the clock of the pod's node: what ended before does not count. */
  readonly since: Date;
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long the agent of a container that was killed has to come back and say how the process ended, before the kill is the answer. */
const mainGraceMs = 5_000;

/** How the containers of a pod end while a process runs in it. */
export class TerminationWatch {
  readonly #options: TerminationWatchOptions;
  readonly #sidecarEnds = new Map<string, SidecarEnd>();
  readonly #seen = new Set<string>();

  constructor(options: TerminationWatchOptions) {
    this.#options = options;
  }

  /** The sidecars that ended, as far as it was seen. */
  get sidecarEnds(): readonly SidecarEnd[] {
    return [...this.#sidecarEnds.values()];
  }

  /**
   * Rejects when a container of the pod was killed for memory; never resolves. Ends by the signal. A container that is killed again and again comes back later each time, so
   * nobody waits for it: the main one has a few seconds to tell what it knows.
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

  /** Ends that were not seen before, and came after the beginning. Kubernetes tells whole seconds. */
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
  // Nobody waits for it any more.
}
