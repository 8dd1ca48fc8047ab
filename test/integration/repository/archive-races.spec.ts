import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { idOf, makeReady } from '../../contract/repository/archives-under-test.ts';
import { artifactOf } from '../../contract/repository/repository-under-test.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/**
 * Two statements that wait for the row of one archive, in a known order: each has read the references
 * before the other has changed anything.
 */
describe('Two statements about one archive', () => {
  const schema = schemaOf('archive races');
  let pool: pg.Pool;
  let repository: Repository;

  before(async () => {
    const url = await sharedPostgresUrl();
    pool = new pg.Pool({ connectionString: url });
    await pool.query(`drop schema if exists "${schema}" cascade`);
    repository = await openRepository(url, { schema, logger: silentLogger });
    await repository.workers.register('worker');
  });

  beforeEach(async () => {
    await pool.query(`truncate "${schema}".archives, "${schema}".volumes cascade`);
    await makeReady(repository, 1);
    await repository.volumes.insertArtifact(artifactOf('v'));
  });

  after(async () => {
    await repository.close();
    await pool.query(`drop schema "${schema}" cascade`);
    await pool.end();
  });

  /** Resolves when this many statements wait for a lock of the schema's archives. */
  const whenWaiting = async (count: number): Promise<void> => {
    for (;;) {
      const { rows } = await pool.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
         where wait_event_type = 'Lock' and query like '%"${schema}"."archives"%'`,
      );
      if (rows[0]?.count === count) return;
    }
  };
  const inOrder = async (calls: readonly (() => Promise<unknown>)[]): Promise<readonly unknown[]> => {
    const blocking = await pool.connect();
    try {
      await blocking.query(`begin; select from "${schema}".archives for update`);
      const results: Promise<unknown>[] = [];
      for (const call of calls) {
        results.push(call());
        await whenWaiting(results.length);
      }
      await blocking.query('commit');
      return await Promise.all(results);
    } finally {
      blocking.release();
    }
  };

  const { leaseMs: _, ...artifact } = { ...artifactOf('w'), store: 's3', location: {} };
  const uses: Readonly<Record<string, () => Promise<boolean>>> = {
    refer: async () => await repository.archives.refer(idOf(1), { handle: 'v', replaces: undefined }),
    insertArtifact: async () => (await repository.archives.insertArtifact(artifact, idOf(1))) !== undefined,
  };
  const searches: Readonly<Record<string, () => Promise<number>>> = {
    findDestroyable: async () => (await repository.archives.findDestroyable('worker', 10, { graceMs: 0 })).length,
    evict: async () => (await repository.archives.evict('worker', 's3', 10)).length,
  };
  const stateAndReferences = async () =>
    (
      await pool.query(
        `select state, (select count(*)::int from "${schema}".volumes where archive_id = archives.id) as count
         from "${schema}".archives as archives`,
      )
    ).rows;

  for (const [use, using] of Object.entries(uses))
    for (const [search, searching] of Object.entries(searches)) {
      it(`H14: ${use} before ${search} keeps the archive`, async () => {
        expect(await inOrder([using, searching])).to.deep.equal([true, 0]);
        expect(await stateAndReferences()).to.deep.equal([{ state: 'ready', count: 1 }]);
      });

      it(`${search} before ${use} destroys the archive, and no volume refers to it`, async () => {
        expect(await inOrder([searching, using])).to.deep.equal([1, false]);
        expect(await stateAndReferences()).to.deep.equal([{ state: 'destroying', count: 0 }]);
      });
    }
});
