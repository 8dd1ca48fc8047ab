import type { ContainerOwner } from './container.ts';
import type { AbortOptions } from './options.ts';

/**
 * How many finished containers a worker keeps, and for how long (`OwnerFinishedOptions.keepForMs`).
 *
 * @public
 */
export interface RetentionOptions {
  /**
   * The maximum number of kept containers of the worker. The reaper deletes those that were kept
   * first. With 0, none is kept beyond its next pass.
   *
   * @defaultValue 50
   */
  readonly maxContainers?: number | undefined;
  /**
   * The maximum time for which a container is kept, in milliseconds.
   *
   * @defaultValue 432,000,000 (5 days)
   */
  readonly maxAgeMs?: number | undefined;
}

/**
 * How `Worker.usage` groups what it counts.
 *
 * @public
 */
export interface UsageQuery {
  /** `team`: by `ContainerMetadata.team` and the team of artifact volumes. `owner`: by owner. */
  readonly by: 'team' | 'owner';
}

/**
 * What the containers and volumes of one team, or of one owner, amount to. A volume counts until it
 * is marked for deletion.
 *
 * @public
 */
export interface UsageGroup {
  /** The team. `undefined` for containers without one, and if the groups are owners. */
  readonly team: string | undefined;
  /** The owner. `undefined` for artifact volumes, which have none, and if the groups are teams. */
  readonly owner: ContainerOwner | undefined;
  /** The number of containers that exist or are being created. */
  readonly liveContainers: number;
  /** The number of containers that are kept after their owner has finished. */
  readonly keptContainers: number;
  /** The number of volumes of these containers, and of artifact volumes. */
  readonly volumes: number;
  /**
   * The total size, in bytes, of the volumes whose size is known: for each, that of the last raw
   * archive of its root.
   */
  readonly knownBytes: number;
  /** The number of volumes whose size is not known, such as an output that a command has written. */
  readonly volumesOfUnknownSize: number;
}

/**
 * What a worker retains.
 *
 * @public
 */
export interface WorkerRetention {
  /**
   * Counts the worker's containers and volumes, and the bytes that are known. Returns at most 1,000
   * groups, the one with the most bytes first. Reads the database only. The signal stops the wait.
   *
   * @example
   * ```ts
   * for (const { team, keptContainers, knownBytes } of await worker.usage({ by: 'team' }))
   *   console.log(team ?? 'no team', keptContainers, knownBytes);
   * ```
   *
   * @throws InvalidSpecError if a field of the query is invalid
   */
  usage(query: UsageQuery, options?: AbortOptions): Promise<readonly UsageGroup[]>;
}
