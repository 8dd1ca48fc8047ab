import { addAbortListener } from 'node:events';

import type { Kysely, RawBuilder } from 'kysely';

import { ClosedError } from '../../errors/caller.ts';
import { RepositoryUnavailableError } from '../../errors/repository.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import { isConflict, toRepositoryError } from './pg-error.ts';

/** How often a statement is tried in all, where others undo it. */
const attempts = 6;

/** @internal */
export interface StatementRunnerOptions {
  readonly db: Kysely<unknown>;
  /** Waits a moment before a statement that lost against others is tried again. */
  readonly pause: (attempt: number) => Promise<void>;
}

/**
 * Runs single statements, each its own transaction, and gives their failures types.
 *
 * A signal stops the *waiting*, with its own reason: a statement that has not been sent is not sent any more; one that was sent runs to its end, unheard, and only then is its
 * connection used again. Kysely's own signal option does the same but writes to the console, and onto the caller's reason.
 */
export class StatementRunner {
  readonly #db: Kysely<unknown>;
  readonly #pause: (attempt: number) => Promise<void>;
  #closed = false;

  constructor(options: StatementRunnerOptions) {
    this.#db = options.db;
    this.#pause = options.pause;
  }

  /** The rows that a statement gives. @throws RepositoryUnavailableError, InvalidSpecError, ClosedError */
  async rows<R>(statement: RawBuilder<R>, options: AbortOptions = {}): Promise<R[]> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#closed) throw new ClosedError('repository');
    return await untilAborted(this.#run(statement, signal), signal);
  }

  /** The only row, or `undefined`. */
  async first<R>(statement: RawBuilder<R>, options: AbortOptions = {}): Promise<R | undefined> {
    const [row] = await this.rows(statement, options);
    return row;
  }

  /** No further statements. */
  close(): void {
    this.#closed = true;
  }

  async #run<R>(statement: RawBuilder<R>, signal: AbortSignal | undefined): Promise<R[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { rows } = await this.#db.connection().execute(async (connection) => {
          // It may have taken long to get the connection.
          signal?.throwIfAborted();
          return await connection.executeQuery(statement.compile(connection));
        });
        return rows;
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason;
        if (!isConflict(error)) throw toRepositoryError(error);
        if (attempt === attempts)
          throw new RepositoryUnavailableError(`a statement was undone ${attempts} times by others`, { cause: error });
        await this.#pause(attempt);
      }
    }
  }
}

/** What the work gives, or the signal's reason as soon as it is aborted; the work goes on unheard. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const aborted = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => aborted.reject(signal.reason));
  return await Promise.race([work, aborted.promise]);
}
