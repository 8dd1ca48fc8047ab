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
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';

import type { DatabaseClient, DatabasePool } from './database.ts';
import { isUnfit } from './pg-error.ts';

/** "KWRK" and "MIGR" in ASCII: no two migrations at a time, in whichever schema of the database. */
const migrationLock = '5429795880494974290';

/**
 * Kysely over any pool that is shaped like `pg`'s. Unlike kysely's own driver it survives connections that die while they are out of the pool and
 * never gives a connection back of which it doesn't know what it is doing.
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
 * Locks for as long as the migration's transaction lasts. Kysely's own lock belongs to the session: after a failed migration it would stay with a pooled
 * connection, and behind a connection pooler it may be released on another session than it was taken.
 */
class TransactionLockAdapter extends PostgresAdapter {
  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`select pg_advisory_xact_lock(${sql.raw(migrationLock)})`.execute(db);
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
    // The pool connects by itself.
  }

  async acquireConnection(): Promise<PoolConnection> {
    return new PoolConnection(await this.#pool.connect());
  }

  async releaseConnection(connection: PoolConnection): Promise<void> {
    connection.release();
  }

  async beginTransaction(connection: PoolConnection): Promise<void> {
    await connection.command('begin');
  }

  async commitTransaction(connection: PoolConnection): Promise<void> {
    await connection.command('commit');
  }

  async rollbackTransaction(connection: PoolConnection): Promise<void> {
    await connection.command('rollback');
  }

  async destroy(): Promise<void> {
    // Whoever made the pool ends it.
  }
}

class PoolConnection implements DatabaseConnection {
  readonly #client: DatabaseClient;
  #broken = false;
  // A client that is out of the pool has no listener of the pool's: without this one, a connection that dies between two statements ends the host.
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
      // Without an answer the statement may still be running on it.
      if (isUnfit(error)) this.#broken = true;
      throw error;
    }
  }

  /** What begins or ends a transaction. A connection on which it fails is in an unknown state and is not used again. */
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
