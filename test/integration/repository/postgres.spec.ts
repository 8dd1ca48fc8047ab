import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { describeRepository } from '../../contract/repository/describe-repository.ts';
import { sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describeRepository('a PostgreSQL server', async () => {
  const url = await sharedPostgresUrl();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  return {
    open: async (schema) => await openRepository(url, { schema, logger: silentLogger }),
    query: async (text) => (await pool.query<Record<string, unknown>>(text)).rows,
    stop: async () => await pool.end(),
  };
});
