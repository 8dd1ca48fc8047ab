import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { VolumeKind } from '../runtime/volume-query.ts';
import type { ContainerRecord, ProcessResultRecord, VolumeRecord } from './records.ts';

/**
 * A container to insert, with its volumes. One statement inserts all rows, in state `creating`.
 *
 * @public
 */
export interface NewContainer {
  /** The unique and stable ID of the container. */
  readonly handle: string;
  /** The name of its worker. */
  readonly workerName: string;
  /** What keeps the container alive. */
  readonly owner: ContainerOwner;
  /** The name of the pod to create. */
  readonly podName: string;
  /** Describes the container for operators. */
  readonly metadata: ContainerMetadata;
  /** What processes need of the specification. Opaque to the repository. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The SHA-256, in hex, of the specification. @defaultValue the row has none */
  readonly specDigest?: string | undefined;
  /** The volumes to insert with the container. */
  readonly volumes: readonly NewContainerVolume[];
}

/**
 * A volume to insert with its container.
 *
 * @public
 */
export interface NewContainerVolume {
  /** The unique and stable ID of the volume. */
  readonly handle: string;
  /** The purpose of the volume. */
  readonly kind: VolumeKind;
  /** Its path in the container. */
  readonly mountPath: string;
  /** The name of the output. `undefined` for the other kinds. */
  readonly name: string | undefined;
  /** The artifact store of its bytes. */
  readonly store: string;
  /** Where in the store its bytes are. Opaque to the repository. */
  readonly location: Readonly<Record<string, string>>;
}

/**
 * The right to work on a container that is `creating`. One holder has it at a time, until the lease
 * lapses by the database's clock. A holder's name belongs to one attempt and is never reused.
 *
 * @public
 */
export interface Lease {
  /** The name of the holder. */
  readonly holder: string;
  /** How long the lease lasts, in milliseconds. */
  readonly durationMs: number;
}

/**
 * A live container, and whether the caller holds its lease.
 *
 * @public
 */
export interface FoundContainer {
  /** The row of the container. */
  readonly container: ContainerRecord;
  /** The rows of its volumes. */
  readonly volumes: readonly VolumeRecord[];
  /** Whether the caller's lease holds the container. False for a container that is `created`. */
  readonly leased: boolean;
  /**
   * The number of holders that the container has had: 1 at its insert, and one more each time its
   * lease passes to another holder.
   */
  readonly generation: number;
}

/**
 * Options of `ContainerRepository.findOrInsert`.
 *
 * @public
 */
export interface FindOrInsertOptions extends AbortOptions {
  /**
   * The lease takes over only a container with this digest, or with none. A container with another
   * digest is returned unchanged, and not leased.
   *
   * @defaultValue the lease takes over a container with any digest
   */
  readonly specDigest?: string | undefined;
}

/**
 * Options of `ContainerRepository.markOwnerFinished`.
 *
 * @public
 */
export interface MarkOwnerFinishedOptions extends AbortOptions {
  /** Moves only the container of this handle. @defaultValue the live container, whichever it is */
  readonly handle?: string | undefined;
  /**
   * Records that the owner has finished for good, unless a container of another handle is live.
   *
   * @defaultValue false
   */
  readonly final?: boolean | undefined;
  /**
   * Keeps a `created` container for this time, in milliseconds: it becomes `kept`. With `handle` of a
   * container that is `kept`, sets its remaining time.
   *
   * @defaultValue every container becomes `destroying`
   */
  readonly keepForMs?: number | undefined;
}

/**
 * Options of `ContainerRepository.recordHijack`.
 *
 * @public
 */
export interface RecordHijackOptions extends AbortOptions {
  /**
   * Whether the process is known to be a hijack. Before it has been started, the ID may be that of
   * another process.
   *
   * @defaultValue false
   */
  readonly isStarted?: boolean | undefined;
}

/**
 * Options of `ContainerRepository.findDestroyable`.
 *
 * @public
 */
export interface FindDestroyableOptions extends AbortOptions {
  /**
   * How long after the last `recordHijack` a container stays, in milliseconds.
   *
   * @defaultValue 0
   */
  readonly hijackGraceMs?: number | undefined;
  /**
   * How long after its lease has lapsed a container that is `creating` stays, in milliseconds. A host
   * that waits for the lease takes the container over in this time.
   *
   * @defaultValue 0
   */
  readonly leaseGraceMs?: number | undefined;
  /** The maximum number of containers that the worker keeps. @defaultValue no limit */
  readonly maxKept?: number | undefined;
  /**
   * The maximum time for which the worker keeps a container, in milliseconds. @defaultValue no
   * limit
   */
  readonly maxKeptMs?: number | undefined;
}

/**
 * The rows that `ContainerRepository.deleteAll` has deleted.
 *
 * @public
 */
export interface DeletedContainers {
  /** The handles of the deleted containers, in no particular order. */
  readonly handles: readonly string[];
  /** The number of their volumes, which were deleted with them. */
  readonly volumes: number;
}

/**
 * Options of `ContainerRepository.recordProcessResult`.
 *
 * @public
 */
export interface RecordProcessResultOptions extends AbortOptions {
  /** Properties of the container to store in the same statement, as `setProperty` does. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

/**
 * Containers and the rows that belong to them. Every move is a single guarded statement by the
 * database's clock.
 *
 * A move throws `IllegalTransitionError` if the row is in another state, and
 * `ContainerDisappearedError` if the row no longer exists. A method that is reserved for the
 * lease's holder throws `LeaseLostError` for every other caller. Every method throws
 * `RepositoryUnavailableError` if the database does not answer.
 *
 * @public
 */
export interface ContainerRepository {
  /**
   * Returns the live (`creating` or `created`) container of this worker and owner. Inserts it from
   * `make()` if there is none. Concurrent callers get the same row: an owner has one live row.
   *
   * If the container is `creating` and its lease was released or has lapsed, the caller's lease
   * takes it over. A holder that calls again keeps its lease. `make` is called at most once, and no
   * statement or lock waits for it. The call rejects with its error.
   *
   * If the owner has finished for good, only a `created` container is returned. Without one, throws
   * `OwnerFinishedError` and changes nothing.
   *
   * Inserts only while the worker is `running`, whether or not it has stalled; otherwise throws
   * `WorkerNotRunningError`. A live container is returned, and taken over, in every state of the
   * worker.
   */
  findOrInsert(
    workerName: string,
    owner: ContainerOwner,
    lease: Lease,
    make: () => NewContainer | Promise<NewContainer>,
    options?: FindOrInsertOptions,
  ): Promise<FoundContainer>;
  /**
   * Extends the caller's lease. Returns `false` if another holder has the lease, or if the
   * container is no longer `creating`.
   */
  renewLease(handle: string, lease: Lease, options?: AbortOptions): Promise<boolean>;
  /**
   * Releases the holder's lease, so that the next `findOrInsert` takes the container over at once.
   * The reaper still waits until the lease would have lapsed. Returns `false` if the holder no
   * longer had the lease.
   */
  releaseLease(handle: string, holder: string, options?: AbortOptions): Promise<boolean>;
  /** Returns the container in any state, or `undefined` if it does not exist. */
  lookup(workerName: string, handle: string, options?: AbortOptions): Promise<ContainerRecord | undefined>;
  /** Returns the volumes of a container. */
  volumesOf(handle: string, options?: AbortOptions): Promise<readonly VolumeRecord[]>;
  /**
   * Records the uid of the container's pod. Reserved for the lease's holder, while the container is
   * `creating`; throws `IllegalTransitionError` in any other state.
   */
  recordPod(handle: string, holder: string, podUid: string, options?: AbortOptions): Promise<void>;
  /**
   * Moves the container and its volumes from `creating` to `created`, which ends the lease.
   * Reserved for the lease's holder. Idempotent. Returns the generation of the holder that
   * completed the container, which is a later one than the caller's if a later holder did. Throws
   * `OwnerFinishedError` if the owner has finished for good and the container is `creating`.
   */
  markCreated(handle: string, holder: string, options?: AbortOptions): Promise<number>;
  /**
   * Moves the container and its volumes from `creating` to `failed`, which ends the lease. Reserved
   * for the lease's holder. Idempotent.
   */
  markFailed(handle: string, holder: string, options?: AbortOptions): Promise<void>;
  /**
   * Moves the live container of this owner, and its volumes, to `destroying`; with `handle` also a
   * `kept` one. With `keepForMs`, a `created` container becomes `kept`, and its volumes do not
   * change. Returns the number of containers moved. With `final` it first records that the owner has finished for good. When that
   * call resolves, no container of the owner is `created` or becomes so, in any order of concurrent
   * calls, until `pruneFinishedOwners` deletes the record.
   */
  markOwnerFinished(workerName: string, owner: ContainerOwner, options?: MarkOwnerFinishedOptions): Promise<number>;
  /**
   * Deletes the records of this worker's owners that finished for good longer ago than
   * `olderThanMs`, by the database's clock. Returns their number.
   */
  pruneFinishedOwners(workerName: string, olderThanMs: number, options?: AbortOptions): Promise<number>;
  /**
   * Returns the containers that the reaper has to delete: those that are `destroying`. Containers
   * that are `failed`, `creating` with a lapsed lease, or `kept` beyond their time or the limits,
   * become `destroying` first. Skips hijacked containers: those with a `recordHijack` within
   * `hijackGraceMs` and no `endHijack` since. Skips containers with an open stream
   * (`VolumeStreamRepository`). Returns at most `limit`, oldest first.
   */
  findDestroyable(
    workerName: string,
    limit: number,
    options?: FindDestroyableOptions,
  ): Promise<readonly ContainerRecord[]>;
  /**
   * Deletes the row of a `destroying` container, with its processes and volumes. Returns the number
   * of volumes deleted. Idempotent. Throws `IllegalTransitionError` in any other state.
   */
  delete(handle: string, options?: AbortOptions): Promise<number>;
  /**
   * Deletes those of at most 1,000 containers that are `destroying`, as `delete` does, in one
   * statement. Leaves out containers in any other state, and rows that another statement has locked.
   */
  deleteAll(handles: readonly string[], options?: AbortOptions): Promise<DeletedContainers>;
  /**
   * Returns the container's properties, in any state. Throws `ContainerDisappearedError` if the row
   * no longer exists, as do the methods below.
   */
  properties(handle: string, options?: AbortOptions): Promise<Readonly<Record<string, string>>>;
  /** Stores one property, and replaces an earlier value. */
  setProperty(handle: string, name: string, value: string, options?: AbortOptions): Promise<void>;
  /**
   * Records a hijack of the container through this process, at the database's time, in any state.
   */
  recordHijack(handle: string, processId: string, options?: RecordHijackOptions): Promise<void>;
  /** Records the end of a hijack through this process, which no longer protects the container. Idempotent. */
  endHijack(handle: string, processId: string, options?: AbortOptions): Promise<void>;
  /**
   * Returns whether a `recordHijack` had `isStarted` for this process, also after `endHijack`. Returns
   * false if the container's row no longer exists.
   */
  isHijack(handle: string, processId: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Records the result of a process. The first result is final; a later one changes nothing. The
   * same statement sets the properties in either case.
   */
  recordProcessResult(
    handle: string,
    processId: string,
    result: ProcessResultRecord,
    options?: RecordProcessResultOptions,
  ): Promise<void>;
  /** Returns the stored result of a process. `undefined` if none is stored. */
  findProcessResult(
    handle: string,
    processId: string,
    options?: AbortOptions,
  ): Promise<ProcessResultRecord | undefined>;
}
