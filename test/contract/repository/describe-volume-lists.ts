import { expect } from 'chai';

import type { VolumeQuery } from '../../../src/runtime/volume-query.ts';
import { artifactOf, insert, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

export function describeVolumeLists(world: RepositoryUnderTest): void {
  const list = async (query: VolumeQuery = {}) => await world.second.volumes.list('worker', query);
  const handlesOf = async (query: VolumeQuery = {}) => (await list(query)).volumes.map(({ handle }) => handle);

  describe('a list of volumes', () => {
    it('has every volume of the worker, oldest first, with its facts', async () => {
      await world.first.workers.register('other');
      await world.first.volumes.insertArtifact({ ...artifactOf('elsewhere'), workerName: 'other' });
      await world.first.volumes.insertArtifact(artifactOf('v'));
      await world.first.volumes.markCreated('v');
      await world.first.volumes.markReady('v', { digest: 'd'.repeat(64), sizeBytes: 7 });
      await insert(world.first, 'c');
      const { volumes, next } = await list();
      expect(next).to.equal(undefined);
      expect(volumes.map(({ handle, kind, state }) => [handle, kind, state])).to.deep.equal([
        ['v', 'artifact', 'created'],
        ['c-source', 'input', 'creating'],
        ['c-result', 'input', 'creating'],
      ]);
      const { readyAt, createdAt, expiresAt } = (await world.first.volumes.lookup('worker', 'v'))!;
      const size = { digest: 'd'.repeat(64), sizeBytes: 7 };
      expect(volumes[0]).to.deep.include({ ...size, teamId: 'team', store: 'pod', readyAt, createdAt, expiresAt });
      expect(volumes[1]).to.include({ containerHandle: 'c', mountPath: '/work/source', readyAt: undefined });
      expect(Object.keys(volumes[0]!)).to.not.include.members(['location']);
    });

    it('has the volumes that match every field of the query', async () => {
      await world.first.volumes.insertArtifact(artifactOf('v'));
      for (const handle of ['c', 'd']) await insert(world.first, handle);
      await world.first.volumes.markFailed('v');
      expect(await handlesOf({ containerHandle: 'd' })).to.deep.equal(['d-source', 'd-result']);
      expect(await handlesOf({ kind: 'artifact' })).to.deep.equal(['v']);
      expect(await handlesOf({ state: 'failed' })).to.deep.equal(['v']);
      expect(await handlesOf({ state: 'failed', kind: 'input' })).to.deep.equal([]);
    });

    it('continues after a page, also among volumes that were inserted at the same time', async () => {
      for (const handle of ['c', 'd', 'e']) await insert(world.first, handle);
      const pages: string[][] = [];
      for (let after: string | undefined; ; ) {
        const { volumes, next } = await list({ limit: 2, after });
        pages.push(volumes.map(({ handle }) => handle));
        if (next === undefined) break;
        after = next;
      }
      const handles = ['c-source', 'c-result', 'd-source', 'd-result', 'e-source', 'e-result'];
      expect(pages.map((page) => page.length)).to.deep.equal([2, 2, 2]);
      expect(pages.flat()).to.deep.equal(handles);
    });

    for (const [field, query] of Object.entries<VolumeQuery[]>({
      limit: [{ limit: 0 }, { limit: 1001 }, { limit: 1.5 }],
      after: [{ after: '' }, { after: 'x' }],
      containerHandle: [{ containerHandle: '' }, { containerHandle: 'a\0' }],
    })) {
      it(`rejects an invalid ${field}`, async () => {
        for (const invalid of query)
          expect(await rejection(list(invalid))).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
      });
    }
  });
}
