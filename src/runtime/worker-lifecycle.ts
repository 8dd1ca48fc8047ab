import type { AbortOptions } from './options.ts';

/**
 * The state of a worker. Every instance of the worker reads the same one.
 *
 * - `running`: creates containers and volumes.
 * - `stalled`: was running, and its last heartbeat has expired by the database's clock. The worker
 *   still tries to create containers, and nothing that belongs to it is deleted. The next heartbeat
 *   makes it `running` again. A worker without any heartbeat never stalls.
 * - `landing`: creates no container for an owner without one, and no artifact volume. Containers
 *   that exist, and those that are being created, continue.
 * - `landed`: has no container left, and no artifact volume that it waits for.
 * - `retiring`: like `landing`. The worker's row is deleted when it has no container and no volume.
 *
 * @public
 */
export type WorkerState = 'running' | 'stalled' | 'landing' | 'landed' | 'retiring';

/**
 * A worker of the database.
 *
 * @public
 */
export interface WorkerInfo {
  /** The name of the worker. */
  readonly name: string;
  /** The state of the worker, by the database's clock. */
  readonly state: WorkerState;
  /** The containers that were `creating` or `created` at `heartbeatAt`; 0 before a heartbeat. */
  readonly activeContainers: number;
  /** The volumes that were `creating` or `created` at `heartbeatAt`; 0 before a heartbeat. */
  readonly activeVolumes: number;
  /** The last heartbeat, by the database's clock. `undefined` before the first one. */
  readonly heartbeatAt?: Date | undefined;
  /** When the last heartbeat expires, by the database's clock. `undefined`: never. */
  readonly expiresAt?: Date | undefined;
  /**
   * The object that leads by the option `leaderElection`: the name of its machine, a slash and an ID.
   * `undefined`: none has the lease.
   */
  readonly leader?: string | undefined;
  /**
   * When the last pass of `reapEveryMs` began, of any object, by the database's clock. `undefined`
   * before the first one.
   */
  readonly reaperPassAt?: Date | undefined;
  /** When the worker's name was registered, by the database's clock. */
  readonly registeredAt: Date;
}

/**
 * Options of `Worker.heartbeat`.
 *
 * @public
 */
export interface HeartbeatOptions extends AbortOptions {
  /**
   * The time until the heartbeat expires, in milliseconds. A heartbeat never shortens the time of
   * another one.
   *
   * @defaultValue two periods of `heartbeatEveryMs` and 15,000; without that option, 75,000
   */
  readonly expiresInMs?: number | undefined;
}

/**
 * Options of `Worker.land`.
 *
 * @public
 */
export interface LandOptions extends AbortOptions {
  /**
   * Whether the worker lands while it has artifact volumes. With `'wait'`, it lands when each has
   * expired (`expireArtifact`, or its time to live): a later step may need one. With `'keep'`, it
   * does not wait for them. They are kept in both cases, and can be read until they expire.
   *
   * @defaultValue `'wait'`
   */
  readonly artifacts?: 'wait' | 'keep' | undefined;
}

/**
 * The state of a worker, as its hosts and its operators use it.
 *
 * @public
 */
export interface WorkerLifecycle {
  /**
   * Returns the state of this worker.
   *
   * @example
   * ```ts
   * const { state, activeContainers } = await worker.info();
   * console.log(`${worker.name} is ${state} with ${activeContainers} containers`);
   * ```
   *
   * @throws WorkerNotRunningError if the worker has been retired or pruned
   */
  info(options?: AbortOptions): Promise<WorkerInfo>;
  /**
   * Returns all workers of the database, by name. A row that this version cannot read is left out
   * and logged as a warning, so that it hides no other worker.
   *
   * @example
   * ```ts
   * for (const { name, state, expiresAt } of await worker.listWorkers())
   *   console.log(name, state, expiresAt?.toISOString() ?? 'no heartbeat');
   * ```
   */
  listWorkers(options?: AbortOptions): Promise<readonly WorkerInfo[]>;
  /**
   * Checks that the API server and the artifact store answer, and then renews the worker: stores
   * when the heartbeat expires, and the number of containers and volumes. A worker that is `landing`
   * or `retiring` becomes `landed` or is deleted if nothing is left. Resolves with the worker, or
   * with `undefined` if this call has deleted it.
   *
   * If the API server or the store does not answer, nothing is renewed: the worker stalls when its
   * last heartbeat expires. With the option `heartbeatEveryMs`, the worker calls this itself.
   *
   * The signal stops the call; the heartbeat may still take effect.
   *
   * @example
   * ```ts
   * const info = await worker.heartbeat({ expiresInMs: 60_000 });
   * if (info?.state === 'landed') console.log('the cluster may be shut down');
   * ```
   *
   * @throws ApiUnavailableError, ForbiddenError or another `ClusterError` if pods cannot be listed
   * @throws WorkerNotRunningError if the worker has been retired or pruned
   */
  heartbeat(options?: HeartbeatOptions): Promise<WorkerInfo | undefined>;
  /**
   * Begins to land the worker: from now on, no call of any host creates a container for an owner
   * without one, or an artifact volume. Such calls reject with `WorkerNotRunningError`, even if
   * they began before. Owners with a container continue. A heartbeat moves the worker to `landed`
   * when no container is left. A worker that has landed stays `landed`. Opening the worker does not
   * change that; only `resume` does.
   *
   * @example
   * ```ts
   * await worker.land();
   * // Each heartbeat examines whether a container is left, as those of `heartbeatEveryMs` do.
   * const hasLanded = (await worker.heartbeat())?.state === 'landed';
   * ```
   *
   * @throws WorkerNotRunningError if the worker has been retired or pruned
   */
  land(options?: LandOptions): Promise<WorkerInfo>;
  /**
   * Ends `land` and `retire`: the worker creates containers again. Has no effect on a worker that
   * is running.
   *
   * @example
   * ```ts
   * const { state } = await worker.resume();
   * console.log(state);
   * ```
   *
   * @throws WorkerNotRunningError if the worker has been retired or pruned
   */
  resume(options?: AbortOptions): Promise<WorkerInfo>;
  /**
   * Begins to retire the worker: like `land`, but a heartbeat deletes the worker's row when it has
   * no container and no volume in any state. The reaper deletes those of finished owners and expired
   * artifacts first, with their pods. Afterwards the heartbeats of every host end, and its calls
   * that need the row reject with `WorkerNotRunningError`. A host that then opens a worker of this
   * name registers a new one.
   *
   * @example
   * ```ts
   * await worker.retire();
   * await worker.reap();
   * if ((await worker.heartbeat()) === undefined) console.log(`${worker.name} is deleted`);
   * ```
   *
   * @throws WorkerNotRunningError if the worker has been retired or pruned
   */
  retire(options?: AbortOptions): Promise<WorkerInfo>;
  /**
   * Deletes a worker from the database, with the rows of all its containers and volumes, without
   * using any cluster. It is meant for a worker whose cluster no longer exists. If its cluster
   * exists after all, its pods continue to run, and the reaper of a worker of the same name finds
   * them as pods without a row. The worker has to be `landed`, `retiring`, or expired in any state.
   * Returns `false` if there is no such worker.
   *
   * @example
   * ```ts
   * for (const { name, state } of await worker.listWorkers())
   *   if (state === 'stalled' && name.startsWith('test-')) await worker.pruneWorker(name);
   * ```
   *
   * @throws IllegalTransitionError if the worker is `running` or `landing`; nothing was deleted
   */
  pruneWorker(name: string, options?: AbortOptions): Promise<boolean>;
}
