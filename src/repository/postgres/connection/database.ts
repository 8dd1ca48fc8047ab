/**
 * The result of a statement, as `pg` returns it.
 *
 * @public
 */
export interface DatabaseResult {
  /** The rows of the result. */
  readonly rows: unknown[];
}

/**
 * A client of a pool: the used subset of `pg`'s `PoolClient`.
 *
 * @public
 */
export interface DatabaseClient {
  /** Runs one statement. */
  query(text: string, values: unknown[]): Promise<DatabaseResult>;
  /** Returns the connection to the pool, or closes it if `destroy` is `true`. */
  release(destroy?: boolean): void;
  /** Adds a listener for errors of the connection. */
  on?(event: 'error', listener: (error: Error) => void): unknown;
  /** Removes a listener. */
  removeListener?(event: 'error', listener: (error: Error) => void): unknown;
}

/**
 * A pool of connections: the used subset of `pg`'s `Pool`.
 *
 * @public
 */
export interface DatabasePool {
  /** Acquires a client. */
  connect(): Promise<DatabaseClient>;
}

/**
 * PostgreSQL in this process: the used subset of `@electric-sql/pglite`.
 *
 * @public
 */
export interface DatabaseInProcess {
  /** Whether the instance is closed. */
  readonly closed: boolean;
  /** Whether the instance is ready for statements. */
  readonly ready: boolean;
  /** Resolves when the instance is ready. */
  readonly waitReady: Promise<void>;
  /** Runs one statement. */
  query<T>(
    query: string,
    params?: unknown[],
    options?: { readonly rowMode?: 'array' | 'object' },
  ): Promise<DatabaseInProcessResult<T>>;
  /** Runs a callback in a transaction. */
  transaction<T>(callback: (transaction: DatabaseInProcessTransaction) => Promise<T>): Promise<T>;
  /** Closes the instance. The library never calls it. */
  close(): Promise<void>;
}

/**
 * The result of a statement of PGlite.
 *
 * @public
 */
export interface DatabaseInProcessResult<T> {
  /** The rows of the result. */
  rows: T[];
  /** The number of rows that the statement has changed. */
  affectedRows?: number;
  /** The columns of the result. */
  fields: { name: string; dataTypeID: number }[];
}

/**
 * A transaction of PGlite.
 *
 * @public
 */
export interface DatabaseInProcessTransaction {
  /** Runs one statement in the transaction. */
  query<T>(
    query: string,
    params?: unknown[],
    options?: { readonly rowMode?: 'array' | 'object' },
  ): Promise<DatabaseInProcessResult<T>>;
  /** Rolls the transaction back. */
  rollback(): Promise<void>;
}

/**
 * Returns the present URL of a database. It is called when the database is opened, and again when a
 * connection cannot be opened. If the URL differs, it replaces the one before: new connections use it,
 * and those that exist are closed when they are returned. So a password can be replaced while a worker
 * is open. The library never logs the URL.
 *
 * @public
 */
export type DatabaseUrl = () => string | Promise<string>;

/**
 * The database that stores all state: a URL (`postgres://…`, which requires the package `pg`), a
 * function that returns one, a pool, or a PGlite instance. The library never closes a pool or an
 * instance of the caller's.
 *
 * @public
 */
export type Database = string | DatabaseUrl | DatabasePool | DatabaseInProcess;

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
