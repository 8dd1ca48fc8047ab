import type { KubernetesWorkerError } from '../errors/base.ts';
import type { ContainerInfo } from './container-query.ts';
import type { ProcessInfo } from './process-info.ts';

/**
 * A process in a list, and its container.
 *
 * @public
 */
export interface ListedProcess {
  /** The container, which `Worker.lookupContainer` finds by its handle. */
  readonly container: ContainerInfo;
  /** The process. */
  readonly process: ProcessInfo;
}

/**
 * A container whose pod did not answer.
 *
 * @public
 */
export interface UnavailableContainer {
  /** The container. Of its processes, only those with a stored result are listed. */
  readonly container: ContainerInfo;
  /** Why the others are not known. */
  readonly error: KubernetesWorkerError;
}

/**
 * Selects processes by their containers. A container matches if it matches every field that is set.
 *
 * @public
 */
export interface ProcessQuery {
  /** Selects the processes of the container with this handle. @defaultValue every container */
  readonly containerHandle?: string | undefined;
  /** Selects the processes of containers with this kind of owner. @defaultValue every kind */
  readonly ownerKind?: string | undefined;
  /** Continues after the page whose `ProcessPage.next` this is. @defaultValue the first page */
  readonly after?: string | undefined;
  /** The maximum number of processes in the page: 1 to 1,000. @defaultValue 100 */
  readonly limit?: number | undefined;
}

/**
 * A part of a list of processes: by container, the oldest first, and then by the ID of the process.
 *
 * @public
 */
export interface ProcessPage {
  /** The processes of the page. */
  readonly processes: readonly ListedProcess[];
  /** The containers of the page whose pods did not answer. */
  readonly unavailable: readonly UnavailableContainer[];
  /**
   * The cursor of the next page, for `ProcessQuery.after`. Absent on the last page. The text has no
   * other meaning.
   */
  readonly next?: string | undefined;
}
