import type { ContainerMetadata, ContainerOwner } from './container.ts';

/**
 * The state of a container. `docs/database.md` shows the moves between states.
 *
 * @public
 */
export type ContainerState = 'creating' | 'created' | 'kept' | 'failed' | 'destroying';

/**
 * The facts that the database has about a container.
 *
 * @public
 */
export interface ContainerInfo {
  /** The unique and stable ID of the container. `Worker.lookupContainer` accepts it. */
  readonly handle: string;
  /** What keeps the container alive. */
  readonly owner: ContainerOwner;
  /** The state of the container's row, which is independent of the state of its pod. */
  readonly state: ContainerState;
  /** The name of the pod, for operators and for `kubectl`. */
  readonly podName: string;
  /** The uid of the pod. `undefined` until the pod is created. */
  readonly podUid: string | undefined;
  /** Describes the container for operators. */
  readonly metadata: ContainerMetadata;
  /** When the row was inserted, by the database's clock. */
  readonly createdAt: Date;
  /**
   * When the reaper may delete a container that is `kept`, by the database's clock. Absent in every
   * other state.
   */
  readonly keptUntil?: Date | undefined;
}

/**
 * Selects containers. A container matches if it matches every field that is set.
 *
 * @public
 */
export interface ContainerQuery {
  /** Selects the container with this handle. @defaultValue every container */
  readonly handle?: string | undefined;
  /** Selects containers with this kind of owner. @defaultValue every kind */
  readonly ownerKind?: string | undefined;
  /** Selects containers in this state. @defaultValue every state */
  readonly state?: ContainerState | undefined;
  /** Selects containers whose `createdAt` is earlier. @defaultValue no limit */
  readonly createdBefore?: Date | undefined;
  /** Selects containers whose `createdAt` is later. @defaultValue no limit */
  readonly createdAfter?: Date | undefined;
  /** Continues after the page whose `ContainerPage.next` this is. @defaultValue the first page */
  readonly after?: string | undefined;
  /** The maximum number of containers in the page: 1 to 1,000. @defaultValue 100 */
  readonly limit?: number | undefined;
}

/**
 * A part of a list of containers, oldest first.
 *
 * @public
 */
export interface ContainerPage {
  /** The containers of the page. */
  readonly containers: readonly ContainerInfo[];
  /**
   * The cursor of the next page, for `ContainerQuery.after`. Absent on the last page. The text has
   * no other meaning.
   */
  readonly next?: string | undefined;
}
