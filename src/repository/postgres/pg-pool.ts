import { InvalidSpecError } from '../../errors/caller.ts';
import type { Logger } from '../../runtime/options.ts';
import type { DatabasePool } from './database.ts';

/** A pool that the library made itself. */
export interface OwnPool extends DatabasePool {
  on(event: 'error', listener: (error: Error) => void): unknown;
  end(): Promise<void>;
}

/** What is used of the package `pg`. */
export interface PgModule {
  readonly Pool: new (config: PoolConfig) => OwnPool;
  /** Parses the URL when it is made; a pool does so only when it connects. */
  readonly Client: new (
    connectionString: string,
  ) => unknown;
}

/** The options that a pool of ours is made with; parameters of the URL win over them. */
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

/** Loads the optional package `pg`. */
export async function importPg(): Promise<PgModule> {
  const { default: pg } = await import('pg');
  return pg;
}

/**
 * A small pool for a URL: at most 10 connections, closed after 30 s without use and when they are
 * 15 minutes old, 10 s to connect, a statement at most 30 s. Connections that die while idle are
 * logged and replaced. Beside the name of the application no start-up parameter is sent: poolers
 * refuse those that they do not know.
 *
 * @throws InvalidSpecError - it is no URL of PostgreSQL, or `pg` is not installed. The message never has the URL, which may hold a password.
 */
export async function openPool(
  url: string,
  logger: Logger,
  load: () => Promise<PgModule> = importPg,
): Promise<OwnPool> {
  if (!/^postgres(ql)?:\/\/./.test(url))
    throw new InvalidSpecError('database', 'is not a URL of the form postgres://user:password@host:port/database');
  const pg = await loadOrExplain(load);
  checkUrl(pg, url);
  const pool = createPool(pg, url);
  pool.on('error', (error) => logger.warn('an idle database connection was lost', { error: error.message }));
  return pool;
}

async function loadOrExplain(load: () => Promise<PgModule>): Promise<PgModule> {
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
    // The cause would carry the URL.
    throw new InvalidSpecError('database', 'is not a valid URL');
  }
}

function createPool(pg: PgModule, url: string): OwnPool {
  return new pg.Pool({
    connectionString: url,
    application_name: 'kubernetes-worker',
    max: 10,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    maxLifetimeSeconds: 900,
    query_timeout: 30_000,
  });
}
