/**
 * The result of a statement, as `pg` returns it.
 *
 * @public
 */
export interface DatabaseResult {
  readonly rows: unknown[];
}

/**
 * A client of a pool: the used subset of `pg`'s `PoolClient`.
 *
 * @public
 */
export interface DatabaseClient {
  query(text: string, values: unknown[]): Promise<DatabaseResult>;
  /** Returns the connection to the pool, or closes it if `destroy` is `true`. */
  release(destroy?: boolean): void;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  removeListener?(event: 'error', listener: (error: Error) => void): unknown;
}

/**
 * A pool of connections: the used subset of `pg`'s `Pool`.
 *
 * @public
 */
export interface DatabasePool {
  connect(): Promise<DatabaseClient>;
}

/**
 * PostgreSQL in this process: the used subset of `@electric-sql/pglite`.
 *
 * @public
 */
export interface DatabaseInProcess {
  readonly closed: boolean;
  readonly ready: boolean;
  readonly waitReady: Promise<void>;
  query<T>(
    query: string,
    params?: unknown[],
    options?: { readonly rowMode?: 'array' | 'object' },
  ): Promise<DatabaseInProcessResult<T>>;
  transaction<T>(callback: (transaction: DatabaseInProcessTransaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @public */
export interface DatabaseInProcessResult<T> {
  rows: T[];
  affectedRows?: number;
  fields: { name: string; dataTypeID: number }[];
}

/** @public */
export interface DatabaseInProcessTransaction {
  query<T>(
    query: string,
    params?: unknown[],
    options?: { readonly rowMode?: 'array' | 'object' },
  ): Promise<DatabaseInProcessResult<T>>;
  rollback(): Promise<void>;
}

/**
 * The database that stores all state: a URL (`postgres://…`, which requires the package `pg`), a
 * pool, or a PGlite instance. The library never closes a pool or an instance of the caller's.
 *
 * @public
 */
export type Database = string | DatabasePool | DatabaseInProcess;

export function isPool(database: unknown): database is DatabasePool {
  return (
    typeof database === 'object' && database !== null && 'connect' in database && typeof database.connect === 'function'
  );
}

export function isInProcess(database: unknown): database is DatabaseInProcess {
  return (
    typeof database === 'object' &&
    database !== null &&
    'waitReady' in database &&
    'query' in database &&
    'transaction' in database
  );
}
