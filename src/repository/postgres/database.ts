/**
 * What a statement gave, as `pg` says it.
 *
 * @public
 */
export interface DatabaseResult {
  readonly rows: unknown[];
}

/**
 * A client of a pool: what is used of `pg`'s `PoolClient`.
 *
 * @public
 */
export interface DatabaseClient {
  query(text: string, values: unknown[]): Promise<DatabaseResult>;
  /** With `true`, the connection is closed instead of kept. */
  release(destroy?: boolean): void;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  removeListener?(event: 'error', listener: (error: Error) => void): unknown;
}

/**
 * A pool of connections: what is used of `pg`'s `Pool`.
 *
 * @public
 */
export interface DatabasePool {
  connect(): Promise<DatabaseClient>;
}

/**
 * PostgreSQL in the process: what is used of `@electric-sql/pglite`.
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
 * Where everything is stored: a URL (`postgres://…`, which needs the package `pg`), a pool or a PGlite instance. A pool and an instance stay the
 * caller's: the library never ends them.
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
