import { expect } from 'chai';

import { idOf, makeReady } from '../../contract/repository/archives-under-test.ts';
import { artifactOf } from '../../contract/repository/repository-under-test.ts';
import { withRepository } from '../../support/database/repository-fixture.ts';

/**
 * Two statements that wait for the row of one archive, in a known order: each has read the references
 * before the other has changed anything.
 */
describe('Two statements about one archive', () => {
  const database = withRepository('archive races');
  const { schema } = database;

  beforeEach(async () => {
    await database.admin.query(`truncate "${schema}".archives, "${schema}".volumes cascade`);
    await makeReady(database.repository, 1);
    await database.repository.volumes.insertArtifact(artifactOf('v'));
  });

  /** Resolves when this many statements wait for a lock of the schema's archives. */
  const whenWaiting = async (count: number): Promise<void> => {
    for (;;) {
      const { rows } = await database.admin.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
         where wait_event_type = 'Lock' and query like '%"${schema}"."archives"%'`,
      );
      if (rows[0]?.count === count) return;
    }
  };
  const inOrder = async (calls: readonly (() => Promise<unknown>)[]): Promise<readonly unknown[]> => {
    const blocking = await database.admin.connect();
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
    refer: async () => await database.repository.archives.refer(idOf(1), { handle: 'v', replaces: undefined }),
    insertArtifact: async () => (await database.repository.archives.insertArtifact(artifact, idOf(1))) !== undefined,
  };
  const searches: Readonly<Record<string, () => Promise<number>>> = {
    findDestroyable: async () =>
      (await database.repository.archives.findDestroyable('worker', 10, { graceMs: 0 })).length,
    evict: async () => (await database.repository.archives.evict('worker', 's3', 10)).length,
  };
  const stateAndReferences = async () =>
    (
      await database.admin.query(
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
