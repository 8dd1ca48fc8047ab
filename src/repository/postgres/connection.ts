import type { Dialect } from 'kysely';
import { Kysely, PGliteDialect } from 'kysely';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { Logger } from '../../runtime/options.ts';
import { type Database, isInProcess, isPool } from './database.ts';
import { openPool } from './pg-pool.ts';
import { PoolDialect } from './pool-driver.ts';
import type { Tables } from './tables.ts';

/** @internal */
export interface Connection {
  readonly db: Kysely<Tables>;
  /** Ends what was opened here; nothing of the caller's. */
  close(): Promise<void>;
}

/** Kysely over whatever the caller calls a database. Nothing is connected yet. @throws InvalidSpecError */
export async function connect(database: Database, logger: Logger): Promise<Connection> {
  if (typeof database === 'string') {
    const pool = await openPool(database, logger);
    return { db: kysely(new PoolDialect(pool)), close: async () => await pool.end() };
  }
  // Kysely's `destroy` would end what is the caller's, and holds nothing else that needs to be let go.
  if (isInProcess(database)) return { db: kysely(new PGliteDialect({ pglite: database })), close: async () => {} };
  if (isPool(database)) return { db: kysely(new PoolDialect(database)), close: async () => {} };
  throw new InvalidSpecError('database', 'must be a URL, a pool with connect(), or a PGlite instance');
}

function kysely(dialect: Dialect): Kysely<Tables> {
  // Without a log of its own kysely writes nothing; failures reach whoever called.
  return new Kysely({ dialect, log: [] });
}
