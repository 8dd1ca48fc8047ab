import { expect } from 'chai';

import { cacheOf, resourceKey, taskKey } from './describe-caches.ts';
import { artifactOf, type RepositoryUnderTest } from './repository-under-test.ts';

const digest = 'a'.repeat(64);

export function describeCacheLimits(world: RepositoryUnderTest): void {
  /** Makes a cache of this size that was last used this number of minutes ago. */
  const cache = async (handle: string, minutesAgo: number, sizeBytes: number | 'unknown' = 100): Promise<void> => {
    const kind = handle.startsWith('task') ? taskKey : resourceKey;
    await world.first.volumes.insertArtifact({ ...artifactOf(handle), teamId: undefined });
    await world.first.volumes.markCreated(handle);
    if (sizeBytes !== 'unknown') await world.first.volumes.markReady(handle, { digest, sizeBytes });
    expect(await world.first.caches.bless(cacheOf({ ...kind, key: handle }, handle))).to.equal('blessed');
    await world.query(
      `update ${world.table('volumes')} set updated_at = now() - interval '${minutesAgo} minutes' where handle = '${handle}'`,
    );
  };
  const limit = async (limits: { maxBytes?: number; maxCount?: number }, workerName = 'worker') =>
    await world.second.caches.limit(workerName, limits);
  const live = async (): Promise<readonly unknown[]> => {
    const rows = await world.query(
      `select handle from ${world.table('volumes')} where state = 'created' order by updated_at`,
    );
    return rows.map(({ handle }) => handle);
  };

  describe('the limits of caches', () => {
    beforeEach(async () => {
      await cache('task-new', 1);
      await cache('old', 30);
      await cache('task-old', 20);
      await cache('new', 10);
    });

    it('delete nothing within them', async () => {
      expect(await limit({ maxCount: 4, maxBytes: 400 })).to.equal(0);
      expect(await limit({})).to.equal(0);
      expect(await live()).to.have.length(4);
    });

    it('delete the least recently used caches above a number, of both kinds', async () => {
      expect(await limit({ maxCount: 2 })).to.equal(2);
      expect(await live()).to.deep.equal(['new', 'task-new']);
      expect(await world.count('caches')).to.equal(2);
      expect(await limit({ maxCount: 2 })).to.equal(0);
    });

    it('delete the least recently used caches above a size', async () => {
      expect(await limit({ maxBytes: 399 })).to.equal(1);
      expect(await live()).to.deep.equal(['task-old', 'new', 'task-new']);
      expect(await limit({ maxBytes: 99 })).to.equal(3);
    });

    it('count a use of a cache', async () => {
      await world.first.caches.find({ ...resourceKey, key: 'old' });
      await limit({ maxCount: 1 });
      expect(await live()).to.deep.equal(['old']);
    });

    it('leave the volumes to the reaper, and the caches of other workers alone', async () => {
      await world.first.workers.register('other');
      expect(await limit({ maxCount: 0 }, 'other')).to.equal(0);
      await limit({ maxCount: 3 });
      expect((await world.first.volumes.findDestroyable('worker', 10)).map(({ handle }) => handle)).to.deep.equal([
        'old',
      ]);
      expect(await world.first.caches.find({ ...resourceKey, key: 'old' })).to.equal(undefined);
    });

    it('count neither invalid nor replaced caches, nor other volumes', async () => {
      await world.first.caches.invalidate({ ...resourceKey, key: 'new' }, { graceMs: 60_000 });
      await world.first.volumes.insertArtifact(artifactOf('artifact'));
      await world.first.volumes.markCreated('artifact');
      expect(await limit({ maxCount: 3 })).to.equal(0);
      expect(await live()).to.have.length(5);
    });

    it('count a cache of unknown size as empty', async () => {
      await cache('unknown', 0, 'unknown');
      expect(await limit({ maxBytes: 400 })).to.equal(0);
      expect(await limit({ maxBytes: 399, maxCount: 4 })).to.equal(1);
    });

    it('are whole numbers', async () => {
      for (const limits of [{ maxBytes: -1 }, { maxCount: 1.5 }])
        await expectRefused(limit(limits), Object.keys(limits)[0]!);
    });
  });

  async function expectRefused(promise: Promise<unknown>, field: string): Promise<void> {
    const error: unknown = await promise.catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
  }
}
