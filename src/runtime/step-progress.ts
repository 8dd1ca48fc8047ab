/**
 * One event of the creation of a container. `podName` is the name of the container's pod, `at` the
 * time of the report by this host's clock.
 *
 * A call of `findOrCreateContainer` reports the events of one attempt in the order of this list.
 * Each kind is reported at most once per attempt; those of inputs and caches may be repeated.
 * `ready` is the last event of a call that resolves. No event follows an abort, or the end of a
 * call. A call that waits for another host and then continues the creation reports both in one
 * attempt. A call that loses the creation to another host begins a new attempt.
 *
 * The states of a pod come from a watch, which may skip some of them. `scheduled` and `pulled` are
 * then reported late, but before `agent-ready`, because the agent's answer proves them. The other
 * events are left out if their state was not seen, or no longer holds: a pod that starts at once is
 * reported as neither `unschedulable` nor `pulling`.
 *
 * @example
 * ```ts
 * import type { StepProgress } from 'kubernetes-worker';
 *
 * function describe(event: StepProgress): string {
 *   switch (event.kind) {
 *     case 'waiting-for-quota':
 *       return `waiting for quota: ${event.message}`;
 *     case 'scheduled':
 *       return `runs on ${event.nodeName}`;
 *     case 'streaming-input':
 *       return `input ${event.inputNumber} of ${event.inputCount}: ${event.receivedBytes} bytes`;
 *     default:
 *       return event.kind;
 *   }
 * }
 * ```
 *
 * @public
 */
export type StepProgress = {
  /** When the event was reported, by this host's clock. */
  readonly at: Date;
  /** The name of the container's pod. */
  readonly podName: string;
} & StepProgressFacts;

/**
 * The kinds of `StepProgress`, in the order in which they are reported, with their facts.
 *
 * @public
 */
export type StepProgressFacts =
  /** Another host, or another call, creates the container. The call waits for it. */
  | { readonly kind: 'waiting-for-another-host' }
  /**
   * The call begins to create the pod. Left out if an earlier holder of the container has already
   * created it.
   */
  | { readonly kind: 'creating-pod' }
  | WaitingForQuota
  | UnschedulablePod
  | ScheduledPod
  | PullingImage
  | WaitingForVolumes
  | PulledImage
  /** The agent in the pod answers. */
  | { readonly kind: 'agent-ready' }
  | StreamingInput
  | StreamingCache
  | CacheLost
  /** All inputs are in place, and all caches. Left out if the container has no inputs. */
  | { readonly kind: 'inputs-done' }
  /** The container is ready for commands. Also reported for a container that existed before. */
  | { readonly kind: 'ready' };

/**
 * A quota of the namespace has no room for the pod. The pod waits in the worker's queue until there
 * is room, or until `schedulingTimeoutMs`. The first pod in the queue is retried most often. Every
 * other one is tried when it arrives and then in turn, so that a small pod can start before a large
 * one that has no room.
 *
 * @public
 */
export interface WaitingForQuota {
  /** The kind of the event. */
  readonly kind: 'waiting-for-quota';
  /** The first refusal, as the API server words it. */
  readonly message: string;
  /** The number of creations of this host that wait in the queue before this one. */
  readonly queued: number;
}

/**
 * No node accepts the pod. The library waits for a node until `schedulingTimeoutMs`.
 *
 * @public
 */
export interface UnschedulablePod {
  /** The kind of the event. */
  readonly kind: 'unschedulable';
  /** The scheduler's first message. `undefined` if it gave none. */
  readonly message: string | undefined;
}

/**
 * The pod has a node.
 *
 * @public
 */
export interface ScheduledPod {
  /** The kind of the event. */
  readonly kind: 'scheduled';
  /** The name of the node. */
  readonly nodeName: string;
}

/**
 * The node prepares the container: it pulls the image unless it has it. The status of a pod does
 * not show whether the node already has the image, nor how much of it was pulled. The time until
 * `pulled` also contains the preparation of the pod's network and volumes.
 *
 * @public
 */
export interface PullingImage {
  /** The kind of the event. */
  readonly kind: 'pulling';
  /** The image, as in the container's specification. */
  readonly image: string;
}

/**
 * The node has not attached or mounted a volume of the pod after some seconds, for example because a
 * secret does not exist. The node retries, and the library waits until `startTimeoutMs`. Left out if
 * the worker may not list the namespace's events.
 *
 * @public
 */
export interface WaitingForVolumes {
  /** The kind of the event. */
  readonly kind: 'waiting-for-volumes';
  /** What the node reports, as Kubernetes words it. */
  readonly message: string;
}

/**
 * The node has the image: the container exists there.
 *
 * @public
 */
export interface PulledImage {
  /** The kind of the event. */
  readonly kind: 'pulled';
  /** The image, as in the container's specification. */
  readonly image: string;
}

/**
 * An input is transferred into the container. Reported when the transfer begins, with 0 bytes, then
 * at most twice a second, and once when the input is in place. Inputs are transferred concurrently,
 * so that their events alternate. An input that an earlier holder has completed has no event.
 *
 * @public
 */
export interface StreamingInput {
  /** The kind of the event. */
  readonly kind: 'streaming-input';
  /** The mount path of the input. */
  readonly path: string;
  /** The handle of the artifact. */
  readonly handle: string;
  /** The number of the input, from 1, in the order of the specification. */
  readonly inputNumber: number;
  /** The number of inputs of the container. */
  readonly inputCount: number;
  /**
   * The bytes of the raw archive that the pod has received. Starts again at 0 if the pod loses what
   * it has received and the transfer restarts.
   */
  readonly receivedBytes: number;
  /**
   * The size of the raw archive. Exact in the last event of the input. Before, it is the size of
   * the archive that was last streamed in to the artifact, as an estimate. `undefined` if that is
   * not known, or if it was exceeded.
   */
  readonly totalBytes: number | undefined;
  /** Whether the input is complete and verified: the last event of this input. */
  readonly isComplete: boolean;
}

/**
 * A task cache is transferred into the container, like an input and concurrently with the inputs.
 * Reported when the transfer begins, with 0 bytes, then at most twice a second, and once when the
 * cache is in place.
 *
 * @public
 */
export interface StreamingCache {
  /** The kind of the event. */
  readonly kind: 'streaming-cache';
  /** The mount path of the cache. */
  readonly path: string;
  /** The handle of the cache's volume. */
  readonly handle: string;
  /** The bytes of the raw archive that the pod has received, as in `StreamingInput`. */
  readonly receivedBytes: number;
  /** The size of the raw archive, as in `StreamingInput`. */
  readonly totalBytes: number | undefined;
  /** Whether the cache is complete and verified: the last event of this cache. */
  readonly isComplete: boolean;
}

/**
 * A task cache has disappeared or is damaged, and is no longer found. The step begins with a newer
 * cache if there is one, otherwise with an empty folder.
 *
 * @public
 */
export interface CacheLost {
  /** The kind of the event. */
  readonly kind: 'cache-lost';
  /** The mount path of the cache. */
  readonly path: string;
  /** The handle of the cache's volume. */
  readonly handle: string;
  /** The message of the error with which the transfer failed. */
  readonly message: string;
}
