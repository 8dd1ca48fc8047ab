import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { costOf, fillTables, planOf } from '../../support/database/plans.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { type RecordedStatement, RecordingPool } from '../../support/database/recording-pool.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('The plans of statements at 20,000 volumes', () => {
  const schema = schemaOf('plans of statements');
  let pool: pg.Pool;
  let reaping: readonly RecordedStatement[];
  let listing: readonly RecordedStatement[];

  before(async () => {
    pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
    await pool.query(`drop schema if exists "${schema}" cascade`);
    const recording = new RecordingPool(pool);
    const { volumes } = await openRepository(recording, { schema, logger: silentLogger });
    await volumes.findDestroyable('worker', 200);
    reaping = recording.statements.slice(-2);
    const after = Buffer.from(JSON.stringify(['2026-01-02T03:04:05+00:00', 1])).toString('base64url');
    for (const query of [{}, { after }, { containerHandle: 'c1' }]) await volumes.list('worker', query);
    listing = recording.statements.slice(-3);
    await fillTables(pool, schema, 20_000);
  });

  after(async () => {
    await pool.query(`drop schema "${schema}" cascade`);
    await pool.end();
  });

  it('H7: find the artifact volumes that have expired by the index on their expiry', async () => {
    const [marking, searching] = reaping;
    for (const statement of [marking!, searching!]) expect((await costOf(pool, statement)).scanned).to.deep.equal([]);
    expect(await planOf(pool, marking!)).to.contain(
      `Index Cond: ((worker_name = 'worker'::text) AND (expires_at < now()))`,
    );
  });

  it('find a page of volumes by the index on their time, and those of a container by its volumes', async () => {
    const [first, next, ofContainer] = listing;
    for (const statement of listing) expect((await costOf(pool, statement)).scanned, statement.text).to.deep.equal([]);
    for (const statement of [first!, next!])
      expect(await planOf(pool, statement)).to.contain('volumes_by_worker_and_time');
    expect((await costOf(pool, ofContainer!)).cost).to.be.below(100);
  });
});
