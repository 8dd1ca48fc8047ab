import { expect } from 'chai';

import { artifactOf, insert, leaseOf, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

export function describeReapPlan(world: RepositoryUnderTest): void {
  describe('findReapable', () => {
    const reasons = async (options: { readonly limit?: number; readonly hijackGraceMs?: number } = {}) => {
      const { limit = 100, hijackGraceMs } = options;
      const { containers, volumes } = await world.second.queries.findReapable('worker', limit, { hijackGraceMs });
      const pairs = [...containers, ...volumes].map(({ handle, reason }) => [handle, reason]);
      return Object.fromEntries(pairs) as Record<string, string>;
    };

    async function artifact(handle: string, timeToLiveMs = 600_000): Promise<void> {
      await world.first.volumes.insertArtifact({ ...artifactOf(handle), timeToLiveMs });
    }

    beforeEach(async () => {
      const { containers, volumes } = world.first;
      for (const handle of ['live', 'creating', 'lapsed', 'failed', 'finished']) await insert(world.first, handle);
      await containers.markCreated('live', 'holder');
      await containers.markCreated('finished', 'holder');
      await containers.markFailed('failed', 'holder');
      await containers.markOwnerFinished('worker', ownerOf('finished'));
      await world.query(
        `update ${world.table('containers')} set lease_until = now() - interval '1 millisecond' where handle = 'lapsed'`,
      );
      for (const handle of ['kept', 'expired', 'broken', 'ended']) await artifact(handle);
      await volumes.markCreated('kept');
      await volumes.markCreated('expired');
      await volumes.markFailed('broken');
      await volumes.expire('worker', 'ended');
      await world.query(
        `update ${world.table('volumes')} set expires_at = now() - interval '1 millisecond' where handle = 'expired'`,
      );
    });

    const expected = {
      lapsed: 'abandoned',
      failed: 'failed',
      finished: 'marked',
      expired: 'expired',
      broken: 'failed',
      ended: 'marked',
    };

    it('returns what the reaper would delete, and why', async () => {
      expect(await reasons()).to.deep.equal(expected);
      const { containers } = await world.first.queries.findReapable('worker', 1);
      expect(containers).to.deep.equal([
        { handle: 'lapsed', owner: ownerOf('lapsed'), podName: 'pod-lapsed', reason: 'abandoned' },
      ]);
    });

    it('moves nothing, and returns the same rows as the search of the reaper', async () => {
      await reasons();
      expect((await world.first.containers.lookup('worker', 'failed'))?.state).to.equal('failed');
      expect((await world.first.volumes.lookup('worker', 'expired'))?.state).to.equal('created');
      const found = [
        ...(await world.first.containers.findDestroyable('worker', 100)),
        ...(await world.first.volumes.findDestroyable('worker', 100)),
      ].map(({ handle }) => handle);
      expect(found).to.have.members(Object.keys(expected));
    });

    it('leaves out hijacked containers for the grace', async () => {
      await world.first.containers.recordHijack('finished', 'shell');
      expect(await reasons({ hijackGraceMs: 60_000 })).to.not.have.property('finished');
      expect(await reasons({ hijackGraceMs: 0 })).to.have.property('finished');
    });

    it('does not return rows of another worker', async () => {
      await world.first.workers.register('other');
      expect(await world.first.queries.findReapable('other', 100)).to.deep.equal({ containers: [], volumes: [] });
    });

    it('returns a live container after a takeover as live', async () => {
      const again = await world.first.containers.findOrInsert('worker', ownerOf('lapsed'), leaseOf('next'), () => {
        throw new Error('it exists');
      });
      expect(again.leased).to.equal(true);
      expect(await reasons()).to.not.have.property('lapsed');
    });

    it('rejects an invalid limit', async () => {
      const error = await rejection(world.first.queries.findReapable('worker', 0));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'limit' });
    });
  });
}
