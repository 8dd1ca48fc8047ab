import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { describeRepository } from '../../contract/repository/describe-repository.ts';
import { PgBouncer } from '../../support/database/pgbouncer.ts';
import { sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const missing = await PgBouncer.missing();
if (missing === undefined) {
  describeRepository('a PgBouncer in transaction mode', async () => {
    const url = await sharedPostgresUrl();
    const bouncer = await PgBouncer.start(url);
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    return {
      open: async (schema) => await openRepository(bouncer.url, { schema, logger: silentLogger }),
      query: async (text) => (await pool.query<Record<string, unknown>>(text)).rows,
      stop: async () => {
        await pool.end();
        await bouncer.stop();
      },
    };
  });
} else {
  it.skip(`Repository on a PgBouncer in transaction mode: skipped, ${missing}`);
}
