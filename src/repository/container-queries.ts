import type { ContainerOwner } from '../runtime/container.ts';
import type { ContainerPage, ContainerQuery, ContainerState } from '../runtime/container-query.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ReapPlan } from '../runtime/reap-plan.ts';
import type { UsageGroup, UsageQuery } from '../runtime/retention.ts';
import type { VolumeState } from '../runtime/volume-query.ts';
import type { FindDestroyableOptions } from './container-repository.ts';
import type { ContainerRecord, ProcessResultRecord } from './records.ts';

/**
 * The stored result of a process, with its ID.
 *
 * @public
 */
export interface StoredProcess {
  /** The ID of the process in its container. */
  readonly processId: string;
  /** How the process ended. */
  readonly result: ProcessResultRecord;
}

/**
 * The stored result of a process of one of several containers.
 *
 * @public
 */
export interface StoredProcessOf extends StoredProcess {
  /** The handle of the container. */
  readonly handle: string;
}

/**
 * A page of a list of containers, with the place of each in the list.
 *
 * @public
 */
export interface ContainerRows extends ContainerPage {
  /** A cursor for each container, in their order. As `ContainerQuery.after` it continues after the container. */
  readonly cursors: readonly string[];
}

/**
 * Options of `ContainerQueries.findFinished`.
 *
 * @public
 */
export interface FindFinishedOptions extends AbortOptions {
  /** Returns only the container of this handle. @defaultValue all containers of the owner */
  readonly handle?: string | undefined;
}

/**
 * How many rows a worker has.
 *
 * @public
 */
export interface RowCounts {
  /** Containers by state. */
  readonly containers: Readonly<Record<ContainerState, number>>;
  /** Volumes by state. */
  readonly volumes: Readonly<Record<VolumeState, number>>;
  /** Archives that are ready, by the name of their store, and the bytes that they have there. */
  readonly archives: readonly { readonly store: string; readonly count: number; readonly storedBytes: number }[];
}

/**
 * Queries about containers. They change nothing, and each is one statement. Every method throws
 * `RepositoryUnavailableError` if the database does not answer.
 *
 * @public
 */
export interface ContainerQueries {
  /** Returns the container of this owner that is `created`, or `undefined` if there is none. */
  findCreated(workerName: string, owner: ContainerOwner, options?: AbortOptions): Promise<ContainerRecord | undefined>;
  /**
   * Returns the containers of this owner whose pods are no longer needed: those that are `failed` or
   * `destroying`. With a handle, only the container of this handle.
   */
  findFinished(
    workerName: string,
    owner: ContainerOwner,
    options?: FindFinishedOptions,
  ): Promise<readonly ContainerRecord[]>;
  /**
   * Returns a page of the worker's containers that match the query, in the order of their
   * insertion. A container that exists from the first page to the last is on exactly one of them,
   * even if others are inserted and deleted in the meantime.
   *
   * @throws InvalidSpecError if a field of the query is invalid
   */
  list(workerName: string, query: ContainerQuery, options?: AbortOptions): Promise<ContainerRows>;
  /**
   * Returns the stored results of a container's processes, in no particular order. Throws
   * `ContainerDisappearedError` if the container's row no longer exists.
   */
  processResults(handle: string, options?: AbortOptions): Promise<readonly StoredProcess[]>;
  /**
   * Returns the stored results of the processes of at most 1,000 containers, in no particular order.
   * Leaves out containers whose rows no longer exist.
   */
  processResultsOf(handles: readonly string[], options?: AbortOptions): Promise<readonly StoredProcessOf[]>;
  /**
   * Returns the rows that `findDestroyable` of containers and of artifact volumes would return now,
   * at most `limit` of each, oldest first, and why. Moves none of them.
   */
  findReapable(
    workerName: string,
    limit: number,
    options?: FindDestroyableOptions,
  ): Promise<Pick<ReapPlan, 'containers' | 'volumes'>>;
  /**
   * Counts the worker's live and kept containers, and the volumes that are not marked for deletion,
   * by team or by owner. Returns at most 1,000 groups, the one with the most bytes first.
   */
  usage(workerName: string, query: UsageQuery, options?: AbortOptions): Promise<readonly UsageGroup[]>;
  /** Counts the worker's containers and volumes by state, and its archives that are ready by store. */
  countRows(workerName: string, options?: AbortOptions): Promise<RowCounts>;
  /**
   * Returns those of at most 1,000 handles that no container and no volume has, in any state and of
   * any worker. Only the primary server answers. A standby may lack the newest rows, so the call
   * rejects with `RepositoryUnavailableError` there.
   */
  unknownHandles(handles: readonly string[], options?: AbortOptions): Promise<readonly string[]>;
  /**
   * Returns those of at most 1,000 names that no worker has. Only the primary server answers, as for
   * `unknownHandles`.
   */
  unknownWorkers(names: readonly string[], options?: AbortOptions): Promise<readonly string[]>;
}
