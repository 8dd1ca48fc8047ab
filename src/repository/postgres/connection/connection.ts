import type { Dialect } from 'kysely';
import { Kysely, PGliteDialect } from 'kysely';

import { InvalidSpecError } from '../../../errors/caller.ts';
import type { Logger } from '../../../runtime/options.ts';
import { poolMetrics } from '../../../telemetry/database-metrics.ts';
import type { Tables } from '../tables.ts';
import { type Database, isInProcess, isPool } from './database.ts';
import { openPool, stateOf } from './pg-pool.ts';
import { PoolDialect } from './pool-driver.ts';
import { RenewedPool } from './renewed-pool.ts';

/** @internal */
export interface Connection {
  readonly db: Kysely<Tables>;
  /** Closes the pool that `connect` opened. A pool or an instance of the caller's stays open. */
  close(): Promise<void>;
}

/**
 * Returns kysely over the caller's database. Opens no connection yet.
 *
 * @throws InvalidSpecError
 */
export async function connect(database: Database, logger: Logger): Promise<Connection> {
  if (typeof database === 'string' || typeof database === 'function') {
    const open = async (url: string): ReturnType<typeof openPool> => await openPool(url, logger);
    const pool =
      typeof database === 'string' ? await open(database) : await RenewedPool.open({ read: database, open, logger });
    const observed = poolMetrics(() => stateOf(pool));
    const close = async (): Promise<void> => {
      observed[Symbol.dispose]();
      await pool.end();
    };
    return { db: kysely(new PoolDialect(pool)), close };
  }
  // Kysely's `destroy` is never called: it would close the caller's database, and releases nothing
  // else.
  if (isInProcess(database)) return { db: kysely(new PGliteDialect({ pglite: database })), close: async () => {} };
  if (isPool(database)) return { db: kysely(new PoolDialect(database)), close: async () => {} };
  throw new InvalidSpecError(
    'database',
    'must be a URL, a function that returns one, a pool with connect(), or a PGlite instance',
  );
}

function kysely(dialect: Dialect): Kysely<Tables> {
  // Kysely logs nothing; failures reach the caller.
  return new Kysely({ dialect, log: [] });
}
