import type { AbortOptions } from '../runtime/options.ts';

/**
 * The live rows of a worker: those that are `creating` or `created`.
 *
 * @public
 */
export interface LiveRows {
  /** The number of containers. */
  readonly containers: number;
  /** The number of volumes, with those of containers. */
  readonly volumes: number;
}

/**
 * Where a created volume is.
 *
 * @public
 */
export interface VolumePlace {
  /** The handle of the volume. */
  readonly handle: string;
  /** The artifact store that has the bytes. */
  readonly store: string;
  /** The location in that store. */
  readonly location: Readonly<Record<string, string>>;
  /** The size in bytes of the last raw archive that was streamed in to the root. */
  readonly sizeBytes: number | undefined;
  /** The store of the volume's archive. `undefined` if it has none. */
  readonly archiveStore?: string | undefined;
}

/**
 * Queries that help a host to choose a worker. Each is one statement.
 *
 * @public
 */
export interface PlacementQueries {
  /** Counts the live rows of the worker. */
  countLive(workerName: string, options?: AbortOptions): Promise<LiveRows>;
  /**
   * Returns the places of those of at most 1,000 volumes that are `created`, whose container, if
   * they have one, is `created` as well, and that belong to the worker. In no particular order.
   */
  findPlaces(workerName: string, handles: readonly string[], options?: AbortOptions): Promise<readonly VolumePlace[]>;
}
