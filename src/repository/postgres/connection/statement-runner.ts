import { addAbortListener } from 'node:events';

import type { Compilable, CompiledQuery, Kysely } from 'kysely';

import { ClosedError } from '../../../errors/caller.ts';
import { RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { Backoff } from '../../../retry/backoff.ts';
import { type RetryDecision, retry } from '../../../retry/retry.ts';
import { RetryPace } from '../../../retry/retry-pace.ts';
import type { AbortOptions, Clock } from '../../../runtime/options.ts';
import type { StatementObserver } from '../../../telemetry/database-metrics.ts';
import { outcomeOf } from '../../../telemetry/outcome.ts';
import type { Tables } from '../tables.ts';
import { isConflict, toRepositoryError } from './pg-error.ts';

/** The number of attempts at a statement that conflicts with others, the first included. */
const attempts = 6;
/** The random part of each wait makes another conflict of the same statements unlikely. */
const conflictBackoff: Backoff = { firstMs: 10, longestMs: 160 };

/** @internal */
export interface StatementRunnerOptions {
  readonly db: Kysely<Tables>;
  /** Waits before the retry of a statement that lost a conflict. */
  readonly clock: Clock;
  /** Receives the end of each statement. @defaultValue none */
  readonly observe?: StatementObserver | undefined;
}

/**
 * Runs single statements, each in its own transaction, and converts their failures to typed errors.
 *
 * A signal ends the *wait*, with the signal's own reason. A statement that was not sent is never
 * sent. A statement that was sent runs to its end, its result is discarded, and only then is its
 * connection used again. Kysely's own signal option does the same, but it also writes to the
 * console and modifies the caller's reason.
 */
export class StatementRunner {
  readonly #db: Kysely<Tables>;
  readonly #clock: Clock;
  readonly #observe: StatementObserver | undefined;
  #closed = false;

  constructor(options: StatementRunnerOptions) {
    this.#db = options.db;
    this.#clock = options.clock;
    this.#observe = options.observe;
  }

  /**
   * Returns the rows of a statement.
   *
   * @throws RepositoryUnavailableError, InvalidSpecError, ClosedError
   */
  async rows<R>(statement: Compilable<R>, options: AbortOptions = {}): Promise<R[]> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#closed) throw new ClosedError('repository');
    return await untilAborted(this.#observed(statement.compile(), signal), signal);
  }

  /** Returns the only row, or `undefined`. */
  async first<R>(statement: Compilable<R>, options: AbortOptions = {}): Promise<R | undefined> {
    const [row] = await this.rows(statement, options);
    return row;
  }

  /** Rejects all further statements. */
  close(): void {
    this.#closed = true;
  }

  async #observed<R>(query: CompiledQuery<R>, signal: AbortSignal | undefined): Promise<R[]> {
    const startedAt = this.#clock.now();
    const ended = (outcome: string): void => this.#observe?.(outcome, this.#clock.now() - startedAt);
    try {
      const rows = await this.#run(query, signal);
      ended('OK');
      return rows;
    } catch (error) {
      ended(outcomeOf(error, { signal }));
      throw error;
    }
  }

  async #run<R>(query: CompiledQuery<R>, signal: AbortSignal | undefined): Promise<R[]> {
    const pace = new RetryPace({ clock: this.#clock, backoff: conflictBackoff });
    const work = async (): Promise<R[]> => {
      const { rows } = await this.#db.connection().execute(async (connection) => {
        // The signal may have aborted during the wait for the connection.
        signal?.throwIfAborted();
        return await connection.executeQuery(query);
      });
      return rows;
    };
    const decide = (error: unknown): RetryDecision => {
      if (!isConflict(error)) throw toRepositoryError(error);
      if (pace.retries < attempts - 1) return 'wait';
      const message = `a statement lost ${attempts} conflicts with other statements`;
      throw new RepositoryUnavailableError(message, { cause: error });
    };
    return await retry(work, { pace, signal, decide });
  }
}

/**
 * Resolves with the result of the work, or rejects with the signal's reason as soon as it aborts.
 * The work continues; its result is discarded.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const aborted = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => aborted.reject(signal.reason));
  return await Promise.race([work, aborted.promise]);
}
