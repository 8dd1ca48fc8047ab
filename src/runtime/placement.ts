import type { AbortOptions } from './options.ts';

/**
 * The part of `Worker` by which a host chooses among workers, and limits what it places on one. The
 * library reports facts and decides nothing: within a worker, Kubernetes places the pods.
 *
 * @public
 */
export interface WorkerPlacement {
  /**
   * Returns what the worker's cluster has and what the worker uses of it, at the time of the call.
   * Lists nodes, quotas and the worker's pods, and sends one statement to the database.
   *
   * What the credentials may not read is `undefined`, and `missing` has the reason.
   *
   * @example
   * ```ts
   * const { nodes, requested, activeContainers, missing } = await worker.facts();
   * const freeMilli = (nodes?.allocatable.cpuMilli ?? Infinity) - requested.cpuMilli;
   * console.log(`${activeContainers} containers, ${freeMilli} millicores not requested by them`);
   * for (const { what, reason } of missing) console.warn(`${what}: ${reason}`);
   * ```
   *
   * @throws ForbiddenError, ApiUnavailableError or another `ClusterError` if the pods cannot be
   * listed, or if the API server does not answer
   */
  facts(options?: AbortOptions): Promise<WorkerFacts>;
  /**
   * Returns for each artifact whether its bytes are reachable on this worker, and where. A handle
   * that the worker does not have is not reachable.
   *
   * @example
   * ```ts
   * const { volume } = await worker.createVolumeForArtifact('main');
   * const { reachable, reachableBytes, artifacts } = await worker.locality([volume.handle]);
   * console.log(`${reachable} inputs with ${reachableBytes} bytes`, artifacts[0]?.zone);
   * ```
   *
   * @throws InvalidSpecError if there are more than 1,000 handles
   * @throws ForbiddenError, ApiUnavailableError or another `ClusterError` if the pods cannot be
   * listed
   */
  locality(handles: readonly string[], options?: AbortOptions): Promise<ArtifactLocality>;
  /**
   * Reserves one of `limit` places of a kind, for `ttlMs` by the database's clock. Returns
   * `undefined` if all are taken. Renews the reservation of `id` if it lives, without another place.
   *
   * Hosts may reserve concurrently: with one limit for a kind, they never hold more than `limit`
   * places. If hosts use different limits, the largest one applies. The place of a host that has
   * died becomes free when it expires.
   *
   * The signal stops the call; a place that it has already taken becomes free when it expires.
   *
   * @example
   * ```ts
   * const owner = { kind: 'build-step', key: '4711/test' };
   * const place = await worker.reserve({ kind: 'build-container', limit: 50, ttlMs: 60_000 });
   * if (place === undefined) throw new Error('the worker is full');
   * try {
   *   await worker.findOrCreateContainer(owner, { image: 'node:24' });
   * } finally {
   *   await place.release();
   * }
   * ```
   *
   * @throws InvalidSpecError if a field of the request is invalid
   */
  reserve(request: ReservationRequest, options?: AbortOptions): Promise<Reservation | undefined>;
  /**
   * Returns how many places of each kind are reserved now, by any host. A kind without a reservation
   * is left out.
   *
   * @example
   * ```ts
   * for (const { kind, count } of await worker.reservations()) console.log(kind, count);
   * ```
   */
  reservations(options?: AbortOptions): Promise<readonly ReservationCount[]>;
}

/**
 * What a worker has, and what it uses.
 *
 * @public
 */
export interface WorkerFacts {
  /** The nodes of the cluster. `undefined` if the credentials may not list them. */
  readonly nodes: NodesFacts | undefined;
  /** The resource quotas of the namespace. `undefined` if the credentials may not list them. */
  readonly quotas: readonly QuotaFacts[] | undefined;
  /** Why facts are `undefined`. */
  readonly missing: readonly MissingFacts[];
  /** What the worker's pods that have not ended request of their nodes, also before they have one. */
  readonly requested: ResourceAmounts;
  /** The number of the worker's pods that have not ended, by the API server. */
  readonly activePods: number;
  /** The number of the worker's containers that are `creating` or `created`, by the database. */
  readonly activeContainers: number;
  /** The number of the worker's volumes that are `creating` or `created`, by the database. */
  readonly activeVolumes: number;
}

/**
 * Amounts of the resources of Kubernetes.
 *
 * @public
 */
export interface ResourceAmounts {
  /** CPU in millicores. */
  readonly cpuMilli: number;
  /** Memory in bytes. */
  readonly memoryBytes: number;
  /** Ephemeral storage in bytes. */
  readonly ephemeralStorageBytes: number;
}

/**
 * The nodes of the cluster, whatever their taints.
 *
 * @public
 */
export interface NodesFacts {
  /** The number of nodes. */
  readonly count: number;
  /** The number of nodes that are ready and accept pods. */
  readonly ready: number;
  /** The zones of the nodes, by their label `topology.kubernetes.io/zone`, sorted. */
  readonly zones: readonly string[];
  /** The capacity of all nodes. */
  readonly capacity: ResourceAmounts;
  /** What the ready nodes have for pods, of any worker and any namespace. */
  readonly allocatable: ResourceAmounts;
}

/**
 * A resource quota of the namespace. CPU is in millicores, and everything else in bytes or as a
 * number.
 *
 * @public
 */
export interface QuotaFacts {
  /** The name of the quota. */
  readonly name: string;
  /** The limits by the names of Kubernetes, such as `requests.cpu` or `pods`. */
  readonly hard: Readonly<Record<string, number>>;
  /** What the namespace uses of each. */
  readonly used: Readonly<Record<string, number>>;
}

/**
 * Facts that the credentials may not read.
 *
 * @public
 */
export interface MissingFacts {
  /** The property of `WorkerFacts`. */
  readonly what: 'nodes' | 'quotas';
  /** The refusal, with the permission to grant. */
  readonly reason: string;
}

/**
 * How much of the given artifacts is on a worker.
 *
 * @public
 */
export interface ArtifactLocality {
  /** A place for each handle, in the order of the call. */
  readonly artifacts: readonly ArtifactPlace[];
  /** The number of different artifacts that are reachable. */
  readonly reachable: number;
  /** The sum of the known sizes of those artifacts, in bytes. */
  readonly reachableBytes: number;
}

/**
 * Where an artifact is on a worker.
 *
 * @public
 */
export interface ArtifactPlace {
  /** The handle of the artifact. */
  readonly handle: string;
  /**
   * Whether the worker has the volume, and has an archive of it or a pod that has neither ended nor
   * is being deleted.
   */
  readonly isReachable: boolean;
  /**
   * The node of the pod. `undefined` if the artifact is not reachable, or is read from an archive,
   * which is equally near to every node.
   */
  readonly nodeName: string | undefined;
  /** The zone of that node. `undefined` if it has none, or if the credentials may not list nodes. */
  readonly zone: string | undefined;
  /**
   * The size in bytes of the last raw archive that was streamed in to the root. `undefined` if it is
   * unknown, as it is for what a command has written.
   */
  readonly sizeBytes: number | undefined;
}

/**
 * A request of `Worker.reserve`.
 *
 * @public
 */
export interface ReservationRequest {
  /** What is limited, in the host's words, such as `build-container`: 1 to 253 characters. */
  readonly kind: string;
  /** How many reservations of the kind may live at once, 1 to 10,000. */
  readonly limit: number;
  /** How long the reservation lives without a renewal, in milliseconds. */
  readonly ttlMs: number;
  /**
   * The ID of the reservation among those of its kind, 1 to 253 characters, so that a host that has
   * restarted finds its place again.
   *
   * @defaultValue a new one
   */
  readonly id?: string | undefined;
}

/**
 * A reserved place. It lives until it is released or expires. `await using` releases it.
 *
 * @public
 */
export interface Reservation extends AsyncDisposable {
  /** What is reserved. */
  readonly kind: string;
  /** The ID among the reservations of the kind. */
  readonly id: string;
  /** When the reservation lapses, by the database's clock; changed by `renew`. */
  readonly expiresAt: Date;
  /**
   * Extends the reservation to its `ttlMs` from now. Returns `false` if it has lapsed or was
   * released: another caller may have the place.
   *
   * @example
   * ```ts
   * const place = await worker.reserve({ kind: 'build-container', limit: 50, ttlMs: 60_000 });
   * if ((await place?.renew()) === false) console.warn('the place was lost');
   * ```
   *
   * @throws RepositoryUnavailableError if the database does not answer
   */
  renew(options?: AbortOptions): Promise<boolean>;
  /**
   * Frees the place. Idempotent.
   *
   * @example
   * ```ts
   * const place = await worker.reserve({ kind: 'build-container', limit: 50, ttlMs: 60_000 });
   * await place?.release();
   * ```
   *
   * @throws RepositoryUnavailableError if the database does not answer
   */
  release(options?: AbortOptions): Promise<void>;
  /**
   * Frees the place, like `release()`.
   *
   * @example
   * ```ts
   * await using place = await worker.reserve({ kind: 'upload', limit: 4, ttlMs: 60_000 });
   * if (place === undefined) console.log('four uploads are under way');
   * // The place is free at the end of this block.
   * ```
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The reservations of one kind.
 *
 * @public
 */
export interface ReservationCount {
  /** What is reserved. */
  readonly kind: string;
  /** The number of living reservations. */
  readonly count: number;
}
