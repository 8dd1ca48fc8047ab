import type { AbortOptions } from '../runtime/options.ts';

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
  /** Returns the time of the database's clock. */
  time(options?: AbortOptions): Promise<Date>;
}
