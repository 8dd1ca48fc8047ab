import { KubernetesWorkerError } from './base.ts';

const causes = {
  landing: 'is landing and accepts no new container or artifact volume: use another worker, or call resume()',
  landed: 'has landed and accepts no new container or artifact volume: use another worker, or call resume()',
  retiring: 'is retiring and accepts no new container or artifact volume: use another worker, or call resume()',
  retired: 'no longer exists: it has been retired or pruned; use another worker, or open it again',
} as const;

/**
 * Thrown by `KubernetesWorker.open` with `register: false` if the database has no worker of the name.
 *
 * @public
 */
export class WorkerNotFoundError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_WORKER_NOT_FOUND';
  /** The option that has the name. */
  readonly field = 'name';
  /** The name. */
  readonly workerName: string;

  constructor(workerName: string, options?: ErrorOptions) {
    super(`name: the database has no worker ${JSON.stringify(workerName)}`, false, options);
    this.workerName = workerName;
  }
}

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
