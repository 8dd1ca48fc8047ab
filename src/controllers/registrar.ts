import { InvalidSpecError } from '../errors/caller.ts';
import { WorkerNotRunningError } from '../errors/worker.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { WorkerMove, WorkerStates } from '../repository/worker-states.ts';
import type { AbortOptions, Logger } from '../runtime/options.ts';
import type { HeartbeatOptions, LandOptions, WorkerInfo, WorkerState } from '../runtime/worker-lifecycle.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { UpkeepObserver } from '../telemetry/upkeep-metrics.ts';
import { removeStorePods, type StorePodRemovalComponents } from './store-pod-removal.ts';

export interface RegistrarComponents {
  readonly workerName: string;
  readonly states: WorkerStates;
  readonly cluster: Pick<Cluster, 'probePods'>;
  /** The stores that the worker needs. */
  readonly stores: ReadonlyMap<string, Pick<ArtifactStore, 'name' | 'probe'>>;
  readonly pods: StorePodRemovalComponents['pods'];
  /** How long a heartbeat lasts that has no time of its own, in milliseconds. */
  readonly expiresInMs: number;
  readonly tracing: Tracing;
  /** @defaultValue none */
  readonly upkeep?: Pick<UpkeepObserver, 'beat'> | undefined;
  readonly logger: Logger;
}

/**
 * Renews a worker as long as its cluster answers, and moves it between its states. Holds no state
 * of its own that matters: any number of hosts have a registrar for the same worker.
 */
export class Registrar {
  readonly #components: RegistrarComponents;
  /** The last state of this worker that was logged. */
  #logged: WorkerState | undefined;

  constructor(components: RegistrarComponents) {
    this.#components = components;
  }

  async info(options?: AbortOptions): Promise<WorkerInfo> {
    const { states, workerName } = this.#components;
    return this.#existing(await states.find(workerName, options));
  }

  async list(options?: AbortOptions): Promise<readonly WorkerInfo[]> {
    const { states, logger } = this.#components;
    const { workers, unreadable } = await states.list(options);
    if (unreadable.length > 0) logger.warn('workers with an unreadable row', { workerNames: unreadable });
    return workers;
  }

  /** Returns `undefined` if this pass has deleted the worker, which was retiring. */
  async heartbeat({
    expiresInMs = this.#components.expiresInMs,
    signal,
  }: HeartbeatOptions = {}): Promise<WorkerInfo | undefined> {
    const { workerName, tracing } = this.#components;
    if (!(Number.isSafeInteger(expiresInMs) && expiresInMs > 0))
      throw new InvalidSpecError('expiresInMs', `${expiresInMs} is not a positive number of milliseconds`);
    return await tracing.span('heartbeat', { workerName }, () => this.#heartbeat(expiresInMs, { signal }), { signal });
  }

  async #heartbeat(expiresInMs: number, { signal }: AbortOptions): Promise<WorkerInfo | undefined> {
    const { states, workerName, logger, upkeep } = this.#components;
    await this.#probe({ signal });
    const move = await states.heartbeat(workerName, expiresInMs, { signal });
    // The probe of this host may have started a store pod after another host has retired the worker.
    if (move === undefined) await removeStorePods(this.#components, { signal });
    const worker = this.#moved(move);
    upkeep?.beat(worker.state);
    if (worker.state !== 'retiring' || !(await states.deleteRetired(workerName, { signal }))) return worker;
    logger.info('worker retired', { workerName });
    await removeStorePods(this.#components, { signal });
    return undefined;
  }

  async land(options?: LandOptions): Promise<WorkerInfo> {
    const { states, workerName } = this.#components;
    return this.#moved(await states.land(workerName, options));
  }

  async resume(options?: AbortOptions): Promise<WorkerInfo> {
    const { states, workerName } = this.#components;
    return this.#moved(await states.resume(workerName, options));
  }

  async retire(options?: AbortOptions): Promise<WorkerInfo> {
    const { states, workerName } = this.#components;
    return this.#moved(await states.retire(workerName, options));
  }

  async prune(name: string, options?: AbortOptions): Promise<boolean> {
    const { states, logger } = this.#components;
    const isPruned = await states.prune(name, options);
    if (isPruned) logger.info('worker pruned', { workerName: name });
    return isPruned;
  }

  /** Rejects if the cluster or a store does not answer. Then nothing was renewed. */
  async #probe({ signal }: AbortOptions): Promise<void> {
    const { cluster, stores } = this.#components;
    try {
      await cluster.probePods({ signal });
      for (const store of stores.values()) await store.probe?.({ signal });
    } catch (error) {
      await this.#noteStalled({ signal });
      throw error;
    }
  }

  /** Logs that the worker has stalled in the meantime. The database may be down as well. */
  async #noteStalled(options: AbortOptions): Promise<void> {
    const { states, workerName } = this.#components;
    const worker = await states.find(workerName, options).catch(() => undefined);
    if (worker?.state === 'stalled') this.#log('running', 'stalled');
  }

  #moved(move: WorkerMove | undefined): WorkerInfo {
    const worker = this.#existing(move?.worker);
    if (move !== undefined) this.#log(move.from, worker.state);
    return worker;
  }

  #existing(worker: WorkerInfo | undefined): WorkerInfo {
    if (worker === undefined) throw new WorkerNotRunningError(this.#components.workerName, 'retired');
    return worker;
  }

  #log(from: WorkerState, to: WorkerState): void {
    const { workerName, logger } = this.#components;
    if (from !== to && this.#logged !== to) logger.info('worker state changed', { workerName, from, to });
    this.#logged = to;
  }
}
