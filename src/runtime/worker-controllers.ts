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
