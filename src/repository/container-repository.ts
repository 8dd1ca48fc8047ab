import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ContainerRecord, ProcessResultRecord, VolumeKind, VolumeRecord } from './records.ts';

/**
 * A container to be, with its volumes; all rows come into being together, in state `creating`.
 *
 * @public
 */
export interface NewContainer {
  readonly handle: string;
  readonly workerName: string;
  readonly owner: ContainerOwner;
  readonly podName: string;
  readonly metadata: ContainerMetadata;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly volumes: readonly NewContainerVolume[];
}

/** @public */
export interface NewContainerVolume {
  readonly handle: string;
  readonly kind: VolumeKind;
  readonly mountPath: string;
  readonly name: string | undefined;
  readonly store: string;
  readonly location: Readonly<Record<string, string>>;
}

/**
 * Who may work on a container that is `creating`: one holder at a time, for as long as its lease
 * lasts by the database's clock. A holder's name belongs to one piece of work and is never used again.
 *
 * @public
 */
export interface Lease {
  readonly holder: string;
  readonly durationMs: number;
}

/** @public */
export interface FoundContainer {
  readonly container: ContainerRecord;
  readonly volumes: readonly VolumeRecord[];
  /** Whether the caller's lease holds it. Of a container that is `created`: false. */
  readonly leased: boolean;
  /** How many holders the container has had: 1 at its insert, one more each time that its lease passes to another. */
  readonly generation: number;
}

/** @public */
export interface FindDestroyableOptions extends AbortOptions {
  /** For so long after a hijack was last heard of a container stays, in milliseconds. @defaultValue 0 */
  readonly hijackGraceMs?: number | undefined;
}

/** @public */
export interface RecordProcessResultOptions extends AbortOptions {
  /** Properties of the container that are stored together with the result, as `setProperty` does. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

/**
 * Containers, and what belongs to them. All moves are single guarded statements by the database's clock; a move that finds the row in another state
 * throws `IllegalTransitionError`, or `ContainerDisappearedError` where the row is gone. `RepositoryUnavailableError` where the database doesn't answer.
 * What only the holder of the lease may do throws `LeaseLostError` for every other caller.
 *
 * @public
 */
export interface ContainerRepository {
  /**
   * The live (`creating` or `created`) container of this worker and owner; inserted from `make()` if there is none, also when others do so at the
   * same time: there is one live row per owner. Where it is `creating` and no lease holds it (the last one was released, or has lapsed), the caller's
   * does now. A holder that asks again still holds it. `make` is called at most once.
   */
  findOrInsert(
    workerName: string,
    owner: ContainerOwner,
    lease: Lease,
    make: () => NewContainer,
    options?: AbortOptions,
  ): Promise<FoundContainer>;
  /** Prolongs the caller's lease. `false`: it is somebody else's by now, or the container is not `creating` any more. */
  renewLease(handle: string, lease: Lease, options?: AbortOptions): Promise<boolean>;
  /**
   * Ends the holder's lease, so that the next `findOrInsert` takes the container over at once; the
   * reaper still waits until the lease would have lapsed. `false`: it was not the holder's any more.
   */
  releaseLease(handle: string, holder: string, options?: AbortOptions): Promise<boolean>;
  /** Whatever its state. */
  lookup(workerName: string, handle: string, options?: AbortOptions): Promise<ContainerRecord | undefined>;
  volumesOf(handle: string, options?: AbortOptions): Promise<readonly VolumeRecord[]>;
  /** The pod exists under this uid. Only by the lease's holder, and only while `creating`; otherwise `IllegalTransitionError`. */
  recordPod(handle: string, holder: string, podUid: string, options?: AbortOptions): Promise<void>;
  /** `creating` to `created`, with its volumes, by the lease's holder; that ends the lease. Idempotent. */
  markCreated(handle: string, holder: string, options?: AbortOptions): Promise<void>;
  /** `creating` to `failed`, with its volumes, by the lease's holder; that ends the lease. Idempotent. */
  markFailed(handle: string, holder: string, options?: AbortOptions): Promise<void>;
  /** The live container of this owner to `destroying`, with its volumes. The number of containers moved. */
  markOwnerFinished(workerName: string, owner: ContainerOwner, options?: AbortOptions): Promise<number>;
  /**
   * What the reaper has to delete: `destroying`; `failed` and `creating` with a lapsed lease become `destroying` first. Not those that are hijacked: of
   * which `recordHijack` said so within `hijackGraceMs`, and `endHijack` nothing since. At most `limit`, oldest first.
   */
  findDestroyable(
    workerName: string,
    limit: number,
    options?: FindDestroyableOptions,
  ): Promise<readonly ContainerRecord[]>;
  /** The row of a `destroying` container, its processes' and its volumes'. Idempotent. The number of volumes that went with it.
   * `IllegalTransitionError` in any other state. */
  delete(handle: string, options?: AbortOptions): Promise<number>;
  /** Whatever its state. `ContainerDisappearedError` where its row is gone, here and below. */
  properties(handle: string, options?: AbortOptions): Promise<Readonly<Record<string, string>>>;
  setProperty(handle: string, name: string, value: string, options?: AbortOptions): Promise<void>;
  /** Somebody works in it by hand, through this process, now by the database's clock. Whatever its state. */
  recordHijack(handle: string, processId: string, options?: AbortOptions): Promise<void>;
  /** Nobody works in it through this process any more. Idempotent. */
  endHijack(handle: string, processId: string, options?: AbortOptions): Promise<void>;
  /** The first result recorded for a process stands; recording it again changes nothing. The properties are set in the same statement in any case. */
  recordProcessResult(
    handle: string,
    processId: string,
    result: ProcessResultRecord,
    options?: RecordProcessResultOptions,
  ): Promise<void>;
  findProcessResult(
    handle: string,
    processId: string,
    options?: AbortOptions,
  ): Promise<ProcessResultRecord | undefined>;
}
