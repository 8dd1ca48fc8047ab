import { expect } from 'chai';

import type { Repository } from '../../../src/repository/repository.ts';
import { cacheOf, resourceKey, taskKey } from './describe-caches.ts';
import type { RepositoryUnderTest } from './repository-under-test.ts';

const many = Array.from({ length: 10 }, (_, index) => index);

export function describeCacheRaces(world: RepositoryUnderTest): void {
  const either = (index: number): Repository => (index % 2 === 0 ? world.first : world.second);
  const volumes = async (workerName = 'worker') => {
    await world.query(
      `insert into ${world.table('volumes')} (handle, worker_name, kind, state, store, location, expires_at)
       select '${workerName}-' || number, '${workerName}', 'artifact', 'created', 'pod', '{}', now() + interval '1 hour'
       from generate_series(0, ${many.length - 1}) as number`,
    );
  };
  const created = async () =>
    (await world.query(`select handle from ${world.table('volumes')} where state = 'created' order by handle`)).map(
      (row) => row['handle'],
    );

  describe('when two hosts bless concurrently', () => {
    it('of ten finishers of a task one is the last, and the volumes of all others are destroyed', async () => {
      await volumes();
      const outcomes = await Promise.all(
        many.map(async (index) => await either(index).caches.bless(cacheOf(taskKey, `worker-${index}`))),
      );
      expect(new Set(outcomes)).to.deep.equal(new Set(['blessed']));
      expect([(await world.first.caches.find(taskKey))?.handle]).to.deep.equal(await created());
      expect(await world.count('caches')).to.equal(1);
    });

    it('of ten writers of a resource one is the first', async () => {
      await volumes();
      const outcomes = await Promise.all(
        many.map(async (index) => await either(index).caches.bless(cacheOf(resourceKey, `worker-${index}`))),
      );
      const winner = outcomes.indexOf('blessed');
      expect(outcomes.filter((outcome) => outcome === 'lost')).to.have.length(many.length - 1);
      expect((await world.first.caches.find(resourceKey))?.handle).to.equal(`worker-${winner}`);
      expect(await world.count('caches')).to.equal(1);
    });

    it('of ten writers after an expired cache one is the first', async () => {
      await volumes();
      await world.first.caches.bless(cacheOf(resourceKey, 'worker-0'));
      await world.first.volumes.expire('worker', 'worker-0');
      const outcomes = await Promise.all(
        many.slice(1).map(async (index) => await either(index).caches.bless(cacheOf(resourceKey, `worker-${index}`))),
      );
      expect(outcomes.filter((outcome) => outcome === 'blessed')).to.have.length(1);
      expect(await world.count('caches')).to.equal(1);
    });

    it('a copy is invalid when its origin is, whatever the order in which they become invalid', async () => {
      for (const name of ['a', 'b']) {
        await world.first.workers.register(name);
        await volumes(name);
      }
      const keys = many.map((index) => ({ ...resourceKey, key: `k${index}` }));
      for (const [index, key] of keys.entries())
        await world.first.caches.bless(cacheOf({ ...key, workerName: 'a' }, `a-${index}`));
      const outcomes = await Promise.all(
        keys.map(async (key, index) => {
          const copying = () =>
            world.first.caches.bless(cacheOf({ ...key, workerName: 'b' }, `b-${index}`, { source: `a-${index}` }));
          const ending = () => world.second.caches.invalidate({ ...key, workerName: 'a' }, { graceMs: 60_000 });
          return await Promise.all(index % 2 === 0 ? [copying(), ending()] : [ending(), copying()]);
        }),
      );
      expect(outcomes).to.have.length(many.length);
      for (const key of keys) expect(await world.first.caches.find({ ...key, workerName: 'b' })).to.equal(undefined);
    });

    it('a cache that is found while the reaper looks for expired volumes stays, or is gone for both', async () => {
      await volumes();
      const keys = many.map((index) => ({ ...resourceKey, key: `k${index}` }));
      for (const [index, key] of keys.entries()) await world.first.caches.bless(cacheOf(key, `worker-${index}`));
      await world.query(`update ${world.table('volumes')} set expires_at = now() + interval '5 milliseconds'`);
      const [found, due] = await Promise.all([
        Promise.all(keys.map(async (key) => (await world.first.caches.find(key))?.handle)),
        world.second.volumes.findDestroyable('worker', 100),
      ]);
      const destroyed = new Set(due.map(({ handle }) => handle));
      for (const handle of found) if (handle !== undefined) expect(destroyed.has(handle)).to.equal(false);
    });
  });
}
