import type { AbortOptions } from '../runtime/options.ts';
import type { Lease } from './container-repository.ts';

/**
 * Options of `WorkerRepository.beginReap`.
 *
 * @public
 */
export interface BeginReapOptions extends AbortOptions {
  /** The shortest time between the beginnings of two passes, in milliseconds. */
  readonly sinceMs: number;
}

/**
 * Workers and their installation. A database schema has one installation.
 *
 * @public
 */
export interface WorkerRepository {
  /**
   * Inserts the worker's row if there is none. Returns the installation's id, a UUID that never
   * changes.
   */
  register(workerName: string, options?: AbortOptions): Promise<{ readonly installationId: string }>;
  /**
   * Acquires the lease of the worker's reaper and records that a pass begins. Returns `false`, and
   * changes nothing, if another holder has the lease, or if the last pass began within `sinceMs`.
   */
  beginReap(workerName: string, lease: Lease, options: BeginReapOptions): Promise<boolean>;
  /** Extends the lease of the worker's reaper. Returns `false` if this holder does not have it. */
  renewReap(workerName: string, lease: Lease, options?: AbortOptions): Promise<boolean>;
  /** Releases the lease of the worker's reaper if this holder has it. */
  endReap(workerName: string, holder: string, options?: AbortOptions): Promise<void>;
  /** Returns the time of the database's clock. */
  time(options?: AbortOptions): Promise<Date>;
}
