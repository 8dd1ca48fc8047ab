import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { ContainerQuery } from '../../../src/runtime/container-query.ts';
import type { VolumeQuery } from '../../../src/runtime/volume-query.ts';
import { costOf, fillTables, planOf, rowsReadBy } from '../../support/database/plans.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { type RecordedStatement, RecordingPool } from '../../support/database/recording-pool.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const place = Buffer.from(JSON.stringify(['2026-01-02T03:04:05+00:00', 1])).toString('base64url');
const limit = 100;

const containerQueries: readonly ContainerQuery[] = [
  {},
  { after: place },
  { handle: 'c1' },
  { ownerKind: 'check' },
  { ownerKind: 'build-step' },
  { ownerKind: 'none' },
  { state: 'created' },
  { state: 'failed' },
  { createdBefore: new Date() },
  { createdAfter: new Date() },
  { ownerKind: 'check', state: 'created' },
  { ownerKind: 'build-step', state: 'failed' },
  { ownerKind: 'check', after: place },
];
const volumeQueries: readonly VolumeQuery[] = [
  {},
  { after: place },
  { containerHandle: 'c1' },
  { kind: 'input' },
  { kind: 'output' },
  { kind: 'artifact' },
  { kind: 'cache' },
  { state: 'created' },
  { state: 'failed' },
  { kind: 'input', state: 'created' },
  { kind: 'input', after: place },
];

describe('The plans of statements at 20,000 volumes', () => {
  const schema = schemaOf('plans of statements');
  let pool: pg.Pool;
  let reaping: readonly RecordedStatement[];
  /** The statement of each list, by its query. */
  const listing = new Map<string, RecordedStatement>();

  before(async () => {
    pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
    await pool.query(`drop schema if exists "${schema}" cascade`);
    const recording = new RecordingPool(pool);
    const { queries, volumes } = await openRepository(recording, { schema, logger: silentLogger });
    await volumes.findDestroyable('worker', 200);
    reaping = recording.statements.slice(-2);
    for (const query of containerQueries) {
      await queries.list('worker', { limit, ...query });
      listing.set(`containers ${JSON.stringify(query)}`, recording.statements.at(-1)!);
    }
    for (const query of volumeQueries) {
      await volumes.list('worker', { limit, ...query });
      listing.set(`volumes ${JSON.stringify(query)}`, recording.statements.at(-1)!);
    }
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

  it('read no more rows for a page of a list than it has, by any filter', async () => {
    expect(listing.size).to.equal(containerQueries.length + volumeQueries.length);
    for (const [query, statement] of listing) {
      // One row more than the page, and for a volume its container.
      const most = (limit + 1) * (query.startsWith('volumes') ? 2 : 1);
      const read = await rowsReadBy(pool, statement);
      if (read > most) expect.fail(`${query} reads ${read} rows:\n${await planOf(pool, statement)}`);
    }
  });
});
