import { InvalidSpecError } from '../../../errors/caller.ts';
import type { Logger } from '../../../runtime/options.ts';
import type { PoolState } from '../../../telemetry/database-metrics.ts';
import type { DatabasePool } from './database.ts';

/** The counts of connections that a pool has. */
export interface PoolCounts {
  readonly totalCount?: number | undefined;
  readonly idleCount?: number | undefined;
  readonly waitingCount?: number | undefined;
}

/** A pool that the library created. */
export interface OwnPool extends DatabasePool, PoolCounts {
  on(event: 'error', listener: (error: Error) => void): unknown;
  end(): Promise<void>;
}

/** The used subset of the package `pg`. */
export interface PgModule {
  readonly Pool: new (config: PoolConfig) => OwnPool;
  /** Parses the URL in its constructor; a pool does so only when it connects. */
  readonly Client: new (
    connectionString: string,
  ) => unknown;
}

/** The options of the library's own pool. Parameters of the URL override them. */
export interface PoolConfig {
  readonly connectionString: string;
  readonly application_name: string;
  readonly max: number;
  readonly idleTimeoutMillis: number;
  readonly connectionTimeoutMillis: number;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelayMillis: number;
  readonly maxLifetimeSeconds: number;
  readonly query_timeout: number;
}

const maxConnections = 10;

/** Returns the present connections of a pool. */
export function stateOf({ totalCount = 0, idleCount: idle = 0, waitingCount: waiting = 0 }: PoolCounts): PoolState {
  return { used: totalCount - idle, idle, waiting, limit: maxConnections };
}

/** Loads the optional package `pg`. */
async function importPg(): Promise<PgModule> {
  const { default: pg } = await import('pg');
  return pg;
}

/**
 * Returns a small pool for a URL. It has at most 10 connections, and closes them after 30 s without
 * use and at an age of 15 minutes. A connect times out after 10 s, a statement after 30 s. The pool
 * logs and replaces connections that fail while idle. It sends no start-up parameter except the
 * application's name, because poolers refuse parameters that they do not support.
 *
 * @throws InvalidSpecError - the URL is not a PostgreSQL URL, or `pg` is not installed. The message
 * never contains the URL, which may contain a password.
 */
export async function openPool(
  url: string,
  logger: Logger,
  load: () => Promise<PgModule> = importPg,
): Promise<OwnPool> {
  if (!/^postgres(ql)?:\/\/./.test(url))
    throw new InvalidSpecError('database', 'is not a URL of the form postgres://user:password@host:port/database');
  const pg = await loadPg(load);
  checkUrl(pg, url);
  const pool = createPool(pg, url);
  pool.on('error', (error) => logger.warn('an idle database connection was lost', { error: error.message }));
  return pool;
}

async function loadPg(load: () => Promise<PgModule>): Promise<PgModule> {
  try {
    return await load();
  } catch (error) {
    throw new InvalidSpecError('database', 'a URL needs the package pg, which is not installed: npm install pg', {
      cause: error,
    });
  }
}

function checkUrl(pg: PgModule, url: string): void {
  try {
    new pg.Client(url);
  } catch {
    // The cause would contain the URL.
    throw new InvalidSpecError('database', 'is not a valid URL');
  }
}

function createPool(pg: PgModule, url: string): OwnPool {
  return new pg.Pool({
    connectionString: url,
    application_name: 'kubernetes-worker',
    max: maxConnections,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    maxLifetimeSeconds: 900,
    query_timeout: 30_000,
  });
}
