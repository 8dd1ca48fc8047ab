import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { costOf, fillTables, planOf } from '../../support/database/plans.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { RecordingPool } from '../../support/database/recording-pool.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('The plans of the reaper at 20,000 volumes', function () {
  this.timeout(120_000);
  const schema = schemaOf('plans of the reaper');
  let pool: pg.Pool;
  let recording: RecordingPool;

  before(async () => {
    pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
    await pool.query(`drop schema if exists "${schema}" cascade`);
    recording = new RecordingPool(pool);
    const { volumes } = await openRepository(recording, { schema, logger: silentLogger });
    await volumes.findDestroyable('worker', 200);
    await fillTables(pool, schema, 20_000);
  });

  after(async () => {
    await pool.query(`drop schema "${schema}" cascade`);
    await pool.end();
  });

  it('H7: find the artifact volumes that have expired by the index on their expiry', async () => {
    const [marking, searching] = recording.statements.slice(-2);
    for (const statement of [marking!, searching!]) expect((await costOf(pool, statement)).scanned).to.deep.equal([]);
    expect(await planOf(pool, marking!)).to.contain(
      `Index Cond: ((worker_name = 'worker'::text) AND (expires_at < now()))`,
    );
  });
});
