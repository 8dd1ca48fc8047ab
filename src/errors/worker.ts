import { KubernetesWorkerError } from './base.ts';

const causes = {
  landing: 'is landing and accepts no new container or artifact volume: use another worker, or call resume()',
  landed: 'has landed and accepts no new container or artifact volume: use another worker, or call resume()',
  retiring: 'is retiring and accepts no new container or artifact volume: use another worker, or call resume()',
  retired: 'no longer exists: it has been retired or pruned; use another worker, or open it again',
} as const;

/**
 * Thrown if a worker does not accept new containers and artifact volumes, or no longer exists.
 * Nothing was created.
 *
 * @public
 */
export class WorkerNotRunningError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_WORKER_NOT_RUNNING';
  /** The name of the worker. */
  readonly workerName: string;
  /** The state of the worker. `retired`: its row no longer exists. */
  readonly state: 'landing' | 'landed' | 'retiring' | 'retired';

  constructor(workerName: string, state: WorkerNotRunningError['state'], options?: ErrorOptions) {
    super(`worker ${workerName} ${causes[state]}`, false, options);
    this.workerName = workerName;
    this.state = state;
  }
}
