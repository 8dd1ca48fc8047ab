import type { AbortOptions } from './options.ts';

/**
 * Whether a worker object runs the controllers of its worker: the passes of `reapEveryMs`, the
 * heartbeats of `heartbeatEveryMs` and the sweeps of stores.
 *
 * - `leader`: this object runs them.
 * - `follower`: another object has the lease, and this one takes it over when it ends.
 * - `unknown`: the database has not answered yet, or has not answered for the duration of the
 *   lease. This object runs none.
 * - `none`: the worker was opened without `leaderElection`, or its controllers were stopped.
 *
 * @public
 */
export type LeadershipRole = 'leader' | 'follower' | 'unknown' | 'none';

/**
 * The part of a worker object in the election of a leader.
 *
 * @public
 */
export interface Leadership {
  /** Whether this object runs the controllers. */
  readonly role: LeadershipRole;
  /** When the database last confirmed the role, by the worker's clock. `undefined`: never. */
  readonly confirmedAt: Date | undefined;
}

/**
 * What a worker does by itself: the passes of `reapEveryMs`, which also delete caches that exceed
 * their limits, the heartbeats of `heartbeatEveryMs`, and the sweeps of archive stores.
 *
 * @public
 */
export type ControllerName = 'reaper' | 'heartbeats' | 'store-sweep';

/**
 * What a controller of a worker object has done, by the worker's clock. A controller runs in the
 * leader only, so a follower has what it did while it led.
 *
 * @public
 */
export interface ControllerState {
  /** The name of the controller. */
  readonly name: ControllerName;
  /** The time between the beginnings of two passes, in milliseconds. */
  readonly everyMs: number;
  /** When the last pass began. `undefined`: never. */
  readonly beganAt: Date | undefined;
  /** When a pass last ended without a failure, and with nothing left to do. `undefined`: never. */
  readonly succeededAt: Date | undefined;
  /** When a pass last failed. `undefined`: never. */
  readonly failedAt: Date | undefined;
  /** The code of that failure, or `OTHER`. The log has its message. `undefined`: never. */
  readonly failure: string | undefined;
}

/**
 * How many calls of a worker object do something at once.
 *
 * @public
 */
export interface PlacesInUse {
  /** Calls that do it now. */
  readonly used: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  /** The most that may do it at once. */
  readonly limit: number;
}

/**
 * What a worker object does at once, with its limits.
 *
 * @public
 */
export interface WorkerLoad {
  /** Transfers into pods: `transfers.maxConcurrent`. */
  readonly uploads: PlacesInUse;
  /** Transfers from pods: `transfers.maxConcurrent`. */
  readonly downloads: PlacesInUse;
  /** Processes that are followed: `maxAttachments`. */
  readonly attachments: PlacesInUse;
  /** Short calls to pods, such as the start of a command. */
  readonly controls: PlacesInUse;
  /** Creations of pods that wait for room in a quota: `maxWaitingForQuota`. */
  readonly quotaQueue: Pick<PlacesInUse, 'waiting' | 'limit'>;
}

/**
 * Options of `Worker.probe`. The signal stops the requests.
 *
 * @public
 */
export interface ProbeOptions extends AbortOptions {
  /**
   * The time limit for each answer, in milliseconds. A dependency that answers later counts as
   * unavailable. @defaultValue 5,000
   */
  readonly timeoutMs?: number | undefined;
}

/**
 * Whether something that the worker depends on answers.
 *
 * @public
 */
export interface DependencyState {
  /** `database`, `api-server`, or `store:` and the name of a store. */
  readonly name: string;
  /** Whether it has answered. */
  readonly ok: boolean;
  /** The reason for operators, without secrets. */
  readonly message: string;
}

/**
 * The part of `Worker` for programs that run a worker's controllers.
 *
 * @public
 */
export interface WorkerControllers {
  /**
   * Returns whether this object runs the controllers. Sends nothing.
   *
   * @example
   * ```ts
   * const { role, confirmedAt } = worker.leadership();
   * console.log(`${role}, confirmed at ${confirmedAt?.toISOString() ?? 'no time'}`);
   * ```
   */
  leadership(): Leadership;
  /**
   * Returns what each controller of this object has done. Sends nothing. A controller whose period is
   * not an option of the worker is left out.
   *
   * @example
   * ```ts
   * for (const { name, succeededAt, failure } of worker.controllers())
   *   console.log(name, succeededAt?.toISOString() ?? 'no success yet', failure ?? '');
   * ```
   */
  controllers(): readonly ControllerState[];
  /**
   * Returns what this object does at once, and what waits for its turn. Sends nothing.
   *
   * @example
   * ```ts
   * const { uploads, quotaQueue } = worker.load();
   * console.log(`${uploads.used} of ${uploads.limit} uploads, ${quotaQueue.waiting} pods wait for a quota`);
   * ```
   */
  load(): WorkerLoad;
  /**
   * Ends the background work of this object: aborts the current pass and releases the lease of
   * `leaderElection`, so that a follower leads within about a second. Everything else continues to
   * work. `close()` does the same. Idempotent.
   *
   * @example
   * ```ts
   * await worker.stopControllers();
   * console.log(worker.leadership().role === 'none');
   * ```
   */
  stopControllers(): Promise<void>;
  /**
   * Returns for the database, the API server and each archive store whether it answers, after a cheap
   * request to each. `check` examines them in detail. Rejects only with the signal's reason.
   *
   * @example
   * ```ts
   * for (const { name, ok, message } of await worker.probe({ timeoutMs: 2_000 }))
   *   console.log(ok ? `${name} answers` : `${name}: ${message}`);
   * ```
   *
   * @throws InvalidSpecError if `timeoutMs` is not a positive number of milliseconds
   */
  probe(options?: ProbeOptions): Promise<readonly DependencyState[]>;
}
