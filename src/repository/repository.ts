import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveRepository } from './archive-repository.ts';
import type { CacheRepository } from './cache-repository.ts';
import type { ContainerQueries } from './container-queries.ts';
import type { ContainerRepository } from './container-repository.ts';
import type { PlacementQueries } from './placement-queries.ts';
import type { ReservationRepository } from './reservation-repository.ts';
import type { VolumeRepository } from './volume-repository.ts';
import type { VolumeStreamRepository } from './volume-stream-repository.ts';
import type { WorkerRepository } from './worker-repository.ts';
import type { WorkerStates } from './worker-states.ts';

/** All stored state, in one database. */
export interface Repository {
  readonly containers: ContainerRepository;
  readonly queries: ContainerQueries;
  readonly volumes: VolumeRepository;
  readonly streams: VolumeStreamRepository;
  readonly caches: CacheRepository;
  readonly archives: ArchiveRepository;
  readonly workers: WorkerRepository;
  readonly workerStates: WorkerStates;
  readonly placement: PlacementQueries;
  readonly reservations: ReservationRepository;
  /**
   * Returns the migrations that the schema lacks.
   *
   * @throws SchemaTooNewError, MigrationChangedError, RepositoryUnavailableError
   */
  missingMigrations(options?: AbortOptions): Promise<readonly string[]>;
  /**
   * Returns the ID of the installation, as `WorkerRepository.register` does, without a worker.
   *
   * @throws RepositoryUnavailableError
   */
  installationId(options?: AbortOptions): Promise<string>;
  /** Closes the pool that the library opened. A pool of the caller's stays open. */
  close(): Promise<void>;
}
