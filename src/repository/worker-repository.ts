import type { AbortOptions } from '../runtime/options.ts';

/**
 * Workers, and the installation that they belong to: one per database schema.
 *
 * @public
 */
export interface WorkerRepository {
  /** Makes the worker's row if there is none, and gives the installation's id, a UUID that is made once. */
  register(workerName: string, options?: AbortOptions): Promise<{ readonly installationId: string }>;
}
