import type { ContainerOwner } from './container.ts';
import type { AbortOptions } from './options.ts';
import type { ReapResult } from './reap-result.ts';

/**
 * Options of `WorkerEvents.events`. The signal ends the iterable and frees its buffer; the iterable
 * then ends without an error.
 *
 * @public
 */
export interface EventsOptions extends AbortOptions {
  /**
   * How many events wait for the consumer, 1 to 100,000. If the buffer is full, the newest events
   * are dropped, and an `overflow` event has their number.
   *
   * @defaultValue 1,000
   */
  readonly bufferSize?: number | undefined;
}

/**
 * The part of `Worker` that reports what it did.
 *
 * @public
 */
export interface WorkerEvents {
  /**
   * Returns the events of this worker object from now on: what its calls and its reaper did, but
   * not what other hosts did. Each call returns an independent iterable with all events. It may be
   * iterated once.
   *
   * An event follows its fact: the database, the pod or the API server has already confirmed it.
   * All consumers receive the events in one order. In it, the events of one container, process or
   * volume are in the order of their facts; events of concurrent work alternate.
   *
   * The worker never waits for a consumer. The iterable ends by `break` or `return()`, by the
   * signal, or, after the buffered events, when the worker is closed. An iterable that is never
   * iterated keeps its buffer until the signal or the end of the worker.
   *
   * Events are a report and not a record: those of a host that dies are lost, and a fact whose
   * confirmation is lost has none. The state is in the lookups of `Worker`.
   *
   * @example
   * ```ts
   * const stop = new AbortController();
   * for await (const event of worker.events({ signal: stop.signal })) {
   *   if (event.kind === 'container-failed') console.warn(event.at, event.podName, event.code);
   *   else if (event.kind === 'overflow') console.warn(`${event.dropped} events are missing`);
   *   else console.log(event.at, event.kind);
   * }
   * ```
   *
   * @throws ClosedError after `close()`
   * @throws InvalidSpecError if `bufferSize` is not a whole number from 1 to 100,000
   */
  events(options?: EventsOptions): AsyncIterable<WorkerEvent>;
}

/**
 * One event of a worker object. `at` is the time of the report by the worker's clock.
 *
 * @example
 * ```ts
 * import type { WorkerEvent } from 'kubernetes-worker';
 *
 * function describe(event: WorkerEvent): string {
 *   switch (event.kind) {
 *     case 'process-ended':
 *       return `${event.processId} of ${event.handle} ended with ${event.exitStatus}`;
 *     case 'reaped':
 *       return `${event.deletedPods} pods deleted`;
 *     default:
 *       return event.kind;
 *   }
 * }
 * ```
 *
 * @public
 */
export type WorkerEvent = {
  /** When the event was reported, by the worker's clock. */
  readonly at: Date;
} & WorkerEventFacts;

/**
 * The kinds of `WorkerEvent` with their facts.
 *
 * @public
 */
export type WorkerEventFacts =
  | ContainerTakenOver
  | ContainerCreated
  | ContainerFailed
  | ContainerLeaseLost
  | ProcessStarted
  | ProcessEnded
  | VolumeCreated
  | VolumeFilled
  | VolumeStreamedOut
  | CacheNotSaved
  | OwnerFinished
  | ArtifactExpired
  | PodDeleted
  | CapacityReleased
  | Reaped
  | EventOverflow;

/**
 * The container of an event.
 *
 * @public
 */
export interface ContainerEventFacts {
  /** The handle of the container. */
  readonly handle: string;
  /** The name of its pod. */
  readonly podName: string;
  /** What keeps the container alive. */
  readonly owner: ContainerOwner;
}

/**
 * A call has acquired the lease of a container that an earlier call, perhaps of another host, had
 * begun to create.
 *
 * @public
 */
export interface ContainerTakenOver extends ContainerEventFacts {
  /** The kind of the event. */
  readonly kind: 'container-taken-over';
}

/**
 * A call has completed the creation of a container.
 *
 * @public
 */
export interface ContainerCreated extends ContainerEventFacts {
  /** The kind of the event. */
  readonly kind: 'container-created';
}

/**
 * A call has marked a container failed that could not be created.
 *
 * @public
 */
export interface ContainerFailed extends ContainerEventFacts {
  /** The kind of the event. */
  readonly kind: 'container-failed';
  /** The `code` of the error. `undefined` for an error that is not the library's. */
  readonly code: string | undefined;
}

/**
 * A call that was creating a container has lost it: another holder continues, or the owner has
 * finished.
 *
 * @public
 */
export interface ContainerLeaseLost extends ContainerEventFacts {
  /** The kind of the event. */
  readonly kind: 'lease-lost';
}

/**
 * A call has started a command in a container.
 *
 * @public
 */
export interface ProcessStarted {
  /** The kind of the event. */
  readonly kind: 'process-started';
  /** The handle of the container. */
  readonly handle: string;
  /** The ID of the process in its container. */
  readonly processId: string;
}

/**
 * A process has ended, and the database has its result. Each call of this worker object that
 * awaited the process reports it.
 *
 * @public
 */
export interface ProcessEnded {
  /** The kind of the event. */
  readonly kind: 'process-ended';
  /** The handle of the container. */
  readonly handle: string;
  /** The ID of the process in its container. */
  readonly processId: string;
  /** The exit status, 0 to 255: 128 plus the number of the signal that ended the command. */
  readonly exitStatus: number;
  /** The number of the signal that ended the command. `undefined` if it exited. */
  readonly signal: number | undefined;
}

/**
 * A call has created an artifact volume.
 *
 * @public
 */
export interface VolumeCreated {
  /** The kind of the event. */
  readonly kind: 'volume-created';
  /** The handle of the volume. */
  readonly handle: string;
  /** The team of the volume. `undefined` if it belongs to none. */
  readonly teamId: string | undefined;
}

/**
 * An archive was streamed in to a volume, or an artifact was copied to it: the content is verified
 * and in place.
 *
 * @public
 */
export interface VolumeFilled {
  /** The kind of the event. */
  readonly kind: 'volume-filled';
  /** The handle of the volume. */
  readonly handle: string;
  /** The folder in the volume. */
  readonly path: string;
  /** The size of the raw archive in bytes. */
  readonly rawBytes: number;
  /** The SHA-256 of the raw archive, in hex. */
  readonly digest: string;
}

/**
 * An archive of a volume was sent to its end, and both ends have verified it. Copies from pod to
 * pod are reported as `volume-filled` of their destination only.
 *
 * @public
 */
export interface VolumeStreamedOut {
  /** The kind of the event. */
  readonly kind: 'volume-streamed-out';
  /** The handle of the volume. */
  readonly handle: string;
  /** The entry of the volume that was sent. */
  readonly path: string;
}

/**
 * The content of a volume was not made a cache. The previous cache, if there is one, stays.
 *
 * @public
 */
export interface CacheNotSaved {
  /** The kind of the event. */
  readonly kind: 'cache-not-saved';
  /** The handle of the volume. */
  readonly handle: string;
  /** The kind of the cache. */
  readonly cacheKind: 'task' | 'resource';
  /**
   * `too-large`: the content exceeds `CacheOptions.maxKeyBytes`. `failed`: the worker could not save
   * the cache of a step that has ended.
   */
  readonly reason: 'too-large' | 'failed';
  /** The cause, for logs. */
  readonly message: string;
}

/**
 * A call has marked the container of an owner for deletion, if the owner had one.
 *
 * @public
 */
export interface OwnerFinished {
  /** The kind of the event. */
  readonly kind: 'owner-finished';
  /** The owner. */
  readonly owner: ContainerOwner;
  /** Whether the owner has finished for good. */
  readonly final: boolean;
}

/**
 * A call has marked an artifact volume for deletion.
 *
 * @public
 */
export interface ArtifactExpired {
  /** The kind of the event. */
  readonly kind: 'artifact-expired';
  /** The handle of the volume. */
  readonly handle: string;
}

/**
 * The API server has accepted the deletion of a pod. The pod may still use its grace period.
 *
 * @public
 */
export interface PodDeleted {
  /** The kind of the event. */
  readonly kind: 'pod-deleted';
  /** The name of the pod. */
  readonly podName: string;
  /** The handle of the container or the volume that the pod was created for. */
  readonly handle: string;
}

/**
 * Capacity is free again: a deleted pod no longer exists, or a reservation was released. A
 * reservation that lapses has no event.
 *
 * @public
 */
export interface CapacityReleased {
  /** The kind of the event. */
  readonly kind: 'capacity-released';
  /** What has released its capacity. */
  readonly by: 'pod' | 'reservation';
  /** The name of the pod, or the kind of the reservation. */
  readonly name: string;
}

/**
 * A pass of the reaper has ended.
 *
 * @public
 */
export interface Reaped extends ReapResult {
  /** The kind of the event. */
  readonly kind: 'reaped';
  /** The number of deletions that failed. A later pass repeats them. */
  readonly failures: number;
}

/**
 * Events are missing at this place, because the consumer was slower than the worker.
 *
 * @public
 */
export interface EventOverflow {
  /** The kind of the event. */
  readonly kind: 'overflow';
  /** The number of missing events. */
  readonly dropped: number;
}
