import type { AbortOptions } from '../runtime/options.ts';
import type { LandOptions, WorkerInfo, WorkerState } from '../runtime/worker-lifecycle.ts';

/**
 * A worker after a call, and its state before.
 *
 * @public
 */
export interface WorkerMove {
  /** The state before the call. */
  readonly from: WorkerState;
  /** The worker after the call. */
  readonly worker: WorkerInfo;
}

/**
 * The workers of a database.
 *
 * @public
 */
export interface WorkerList {
  /** The workers that can be read, by name. */
  readonly workers: readonly WorkerInfo[];
  /** The names of workers whose rows cannot be read. */
  readonly unreadable: readonly string[];
}

/**
 * The states of workers. Every move is a single guarded statement by the database's clock, and any
 * number of hosts may run them at the same time. A method returns `undefined` if there is no worker
 * of this name. Every method throws `RepositoryUnavailableError` if the database does not answer.
 *
 * @public
 */
export interface WorkerStates {
  /** Returns a worker. */
  find(workerName: string, options?: AbortOptions): Promise<WorkerInfo | undefined>;
  /** Returns all workers, by name. */
  list(options?: AbortOptions): Promise<WorkerList>;
  /**
   * Records a heartbeat that expires after `expiresInMs`, or later if another one does, and how many
   * live containers and volumes the worker has. Moves it from `landing` to `landed` if it has no
   * live container and waits for no artifact volume.
   */
  heartbeat(workerName: string, expiresInMs: number, options?: AbortOptions): Promise<WorkerMove | undefined>;
  /**
   * Moves the worker to `landing`, from any state but `landed`. After the call has resolved, no
   * `findOrInsert` inserts a container and no `insertArtifact` inserts a volume, whatever calls run
   * concurrently.
   */
  land(workerName: string, options?: LandOptions): Promise<WorkerMove | undefined>;
  /** Moves the worker to `running`, from any state. */
  resume(workerName: string, options?: AbortOptions): Promise<WorkerMove | undefined>;
  /** Moves the worker to `retiring`, from any state, with the guarantee of `land`. */
  retire(workerName: string, options?: AbortOptions): Promise<WorkerMove | undefined>;
  /**
   * Deletes the row of a worker that is `retiring` and has no container and no volume, in any state.
   * Returns whether this call has deleted it.
   */
  deleteRetired(workerName: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Deletes the rows of a worker and of everything that it has. Returns `false` if there is none.
   *
   * @throws IllegalTransitionError if the worker is `running` or `landing` and its last heartbeat
   * has not expired; nothing was changed
   */
  prune(workerName: string, options?: AbortOptions): Promise<boolean>;
}
