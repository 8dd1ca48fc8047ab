import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { describeRepository } from '../../contract/repository/describe-repository.ts';
import { sharedPostgresUrl } from '../../support/database/postgres.ts';
import { patienceMs } from '../../support/patience.ts';
import { silentLogger } from '../../support/silent-logger.ts';

// Two repositories share the connection. A call that needs a second one would time out.
describeRepository('a pool of one connection', async () => {
  const connectionString = await sharedPostgresUrl();
  const pool = new pg.Pool({ connectionString, max: 1, connectionTimeoutMillis: patienceMs });
  return {
    open: async (schema) => await openRepository(pool, { schema, logger: silentLogger }),
    query: async (text) => (await pool.query<Record<string, unknown>>(text)).rows,
    stop: async () => await pool.end(),
  };
});
