import type {
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  DialectAdapter,
  Driver,
  Kysely,
  QueryCompiler,
  QueryResult,
} from 'kysely';
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';

import type { DatabaseClient, DatabasePool } from './database.ts';
import { isUnfit, sqlStateOf } from './pg-error.ts';

/**
 * "KWRK" and "MIGR" in ASCII. A database runs one migration at a time, even of different schemas.
 */
const migrationLock = '5429795880494974290';

/**
 * A kysely dialect for any pool with the interface of `pg`'s. Unlike kysely's own driver, it
 * handles the failure of a connection that is checked out, and never returns a connection in an
 * unknown state to the pool.
 */
export class PoolDialect implements Dialect {
  readonly #pool: DatabasePool;

  constructor(pool: DatabasePool) {
    this.#pool = pool;
  }

  createDriver(): Driver {
    return new PoolDriver(this.#pool);
  }

  createAdapter(): DialectAdapter {
    return new TransactionLockAdapter();
  }

  createQueryCompiler(): QueryCompiler {
    return new PostgresQueryCompiler();
  }

  createIntrospector(db: Kysely<unknown>): PostgresIntrospector {
    return new PostgresIntrospector(db);
  }
}

/**
 * Locks migrations until the end of their transaction. Kysely's own lock belongs to the session. It
 * would stay on a pooled connection after a failed migration, and a connection pooler may send the
 * release to another session than the lock.
 */
class TransactionLockAdapter extends PostgresAdapter {
  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await db
      .selectNoFrom((eb) => eb.fn('pg_advisory_xact_lock', [eb.cast(eb.val(migrationLock), 'bigint')]).as('lock'))
      .execute();
  }

  override async releaseMigrationLock(): Promise<void> {
    // The end of the transaction releases it.
  }
}

class PoolDriver implements Driver {
  readonly #pool: DatabasePool;

  constructor(pool: DatabasePool) {
    this.#pool = pool;
  }

  async init(): Promise<void> {
    // The pool connects on demand.
  }

  async acquireConnection(): Promise<PoolConnection> {
    return new PoolConnection(await this.#pool.connect());
  }

  async releaseConnection(connection: PoolConnection): Promise<void> {
    connection.release();
  }

  async beginTransaction(connection: PoolConnection): Promise<void> {
    await connection.begin();
  }

  async commitTransaction(connection: PoolConnection): Promise<void> {
    await connection.command('commit');
  }

  async rollbackTransaction(connection: PoolConnection): Promise<void> {
    await connection.command('rollback');
  }

  async destroy(): Promise<void> {
    // The owner of the pool closes it.
  }
}

class PoolConnection implements DatabaseConnection {
  readonly #client: DatabaseClient;
  #broken = false;
  /** The first failure in the transaction. The server refuses all later statements because of it. */
  #failure: Error | undefined;
  // The pool has no listener on a client that is checked out. Without this one, a connection that
  // fails between two statements would end the host.
  readonly #onError = (): void => {
    this.#broken = true;
  };

  constructor(client: DatabaseClient) {
    this.#client = client;
    client.on?.('error', this.#onError);
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      const { rows } = await this.#client.query(query.sql, [...query.parameters]);
      return { rows: rows as R[] };
    } catch (error) {
      // Without an answer, the statement may still run on this connection.
      if (isUnfit(error)) this.#broken = true;
      // Kysely's `Migrator` continues after some failures, and would report the refusal instead.
      if (sqlStateOf(error) === '25P02' && this.#failure !== undefined) throw this.#failure;
      if (error instanceof Error) this.#failure = error;
      throw error;
    }
  }

  async begin(): Promise<void> {
    this.#failure = undefined;
    await this.command('begin');
  }

  /**
   * Begins or ends a transaction. If that fails, the connection is in an unknown state and is not
   * reused.
   */
  async command(text: string): Promise<void> {
    try {
      await this.#client.query(text, []);
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new TypeError('streaming is not supported');
  }

  release(): void {
    this.#client.removeListener?.('error', this.#onError);
    this.#client.release(this.#broken);
  }
}
