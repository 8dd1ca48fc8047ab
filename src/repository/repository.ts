import type { ContainerRepository } from './container-repository.ts';
import type { VolumeRepository } from './volume-repository.ts';
import type { WorkerRepository } from './worker-repository.ts';

/** Everything that is stored, over one database. */
export interface Repository {
  readonly containers: ContainerRepository;
  readonly volumes: VolumeRepository;
  readonly workers: WorkerRepository;
  /** Lets go of what the library opened itself; a pool of the caller's stays open. */
  close(): Promise<void>;
}
