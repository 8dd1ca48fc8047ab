import { expect } from 'chai';

import type { CacheKey, NewCache } from '../../../src/repository/cache-repository.ts';
import { artifactOf, insert, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

const dayMs = 86_400_000;

export const taskKey: CacheKey = { workerName: 'worker', kind: 'task', key: '["job","step","/cache"]' };
export const resourceKey: CacheKey = { workerName: 'worker', kind: 'resource', key: 'git 4711' };

/** The cache that a test makes of a volume: a task cache replaces, a resource cache does not. */
export function cacheOf(key: CacheKey, volume: string, more: Partial<NewCache> = {}): NewCache {
  return { ...key, volume, timeToLiveMs: dayMs, replace: key.kind === 'task', ...more };
}

export function describeCaches(world: RepositoryUnderTest): void {
  const volume = async (handle: string, workerName = 'worker') => {
    await world.first.volumes.insertArtifact({ ...artifactOf(handle), teamId: undefined, workerName });
    await world.first.volumes.markCreated(handle);
  };
  const bless = async (cache: NewCache) => await world.first.caches.bless(cache);
  const found = async (key: CacheKey) => (await world.second.caches.find(key))?.handle;
  const stateOf = async (handle: string) => (await world.second.volumes.lookup('worker', handle))?.state;
  const leftMs = async (handle: string): Promise<number> => {
    const [row] = await world.query(
      `select extract(epoch from expires_at - now()) * 1000 as left_ms from ${world.table('volumes')} where handle = '${handle}'`,
    );
    return Number(row!['left_ms']);
  };
  const expireSoon = async (handle: string, ms: number) =>
    await world.query(
      `update ${world.table('volumes')} set expires_at = now() + interval '${ms} milliseconds' where handle = '${handle}'`,
    );
  const remove = async (handle: string) => {
    await world.first.volumes.expire('worker', handle);
    await world.first.volumes.delete(handle);
  };

  describe('a cache', () => {
    for (const key of [taskKey, resourceKey]) {
      describe(`of a ${key.kind}`, () => {
        it('is found by its key, by all hosts', async () => {
          await volume('v');
          expect(await found(key)).to.equal(undefined);
          expect(await bless(cacheOf(key, 'v'))).to.equal('blessed');
          expect(await world.second.caches.find(key)).to.deep.include({
            handle: 'v',
            kind: 'artifact',
            teamId: undefined,
          });
        });

        it('lives from its last use for its time to live', async () => {
          await volume('v');
          await bless(cacheOf(key, 'v', { timeToLiveMs: 2 * dayMs }));
          expect(await leftMs('v')).to.be.within(1.9 * dayMs, 2 * dayMs);
          await expireSoon('v', 60_000);
          await found(key);
          expect(await leftMs('v')).to.be.within(1.9 * dayMs, 2 * dayMs);
        });

        it('is gone when its volume has expired, also before the reaper’s next pass', async () => {
          await volume('v');
          await bless(cacheOf(key, 'v'));
          await expireSoon('v', -1);
          expect(await found(key)).to.equal(undefined);
          expect((await world.first.volumes.findDestroyable('worker', 10)).map(({ handle }) => handle)).to.deep.equal([
            'v',
          ]);
        });

        it('is followed by another one when its volume has expired', async () => {
          for (const handle of ['v', 'w']) await volume(handle);
          await bless(cacheOf(key, 'v'));
          await world.first.volumes.expire('worker', 'v');
          expect(await bless(cacheOf(key, 'w'))).to.equal('blessed');
          expect([await found(key), await world.count('caches')]).to.deep.equal(['w', 1]);
        });

        it('is blessed again without an effect', async () => {
          await volume('v');
          await bless(cacheOf(key, 'v'));
          expect(await bless(cacheOf(key, 'v'))).to.equal('blessed');
          expect([await found(key), await stateOf('v')]).to.deep.equal(['v', 'created']);
        });

        it('has a volume that is not the cache of another key', async () => {
          for (const handle of ['v', 'w']) await volume(handle);
          await bless(cacheOf(key, 'v'));
          await bless(cacheOf({ ...key, key: 'other' }, 'w'));
          expect(await bless(cacheOf({ ...key, key: 'other' }, 'v'))).to.equal('in-use');
          expect([await found(key), await found({ ...key, key: 'other' })]).to.deep.equal(['v', 'w']);
        });

        it('is dropped with its volume, if it still has that volume', async () => {
          for (const handle of ['v', 'w']) await volume(handle);
          await bless(cacheOf(key, 'v'));
          expect(await world.first.caches.drop(key, 'w')).to.equal(false);
          expect(await found(key)).to.equal('v');
          expect(await world.first.caches.drop(key, 'v')).to.equal(true);
          expect([await found(key), await stateOf('v'), await stateOf('w')]).to.deep.equal([
            undefined,
            'destroying',
            'created',
          ]);
        });
      });
    }

    describe('of either kind', () => {
      const key = taskKey;

      it('is that of its worker, its kind and its key only', async () => {
        await world.first.workers.register('elsewhere');
        await volume('v');
        await bless(cacheOf(key, 'v'));
        const others: CacheKey[] = [
          { ...key, workerName: 'elsewhere' },
          { ...key, kind: 'resource' },
          { ...key, key: 'other' },
        ];
        for (const other of others) expect(await found(other)).to.equal(undefined);
      });

      it('is deleted with the row of its volume, never before it', async () => {
        await volume('v');
        await bless(cacheOf(key, 'v'));
        await world.first.volumes.expire('worker', 'v');
        expect([await found(key), await world.count('caches')]).to.deep.equal([undefined, 1]);
        await world.first.volumes.delete('v');
        expect(await world.count('caches')).to.equal(0);
      });

      it('is never a volume that is not created, of a container, or of another worker', async () => {
        await world.first.workers.register('elsewhere');
        await world.first.volumes.insertArtifact(artifactOf('creating'));
        await volume('foreign', 'elsewhere');
        await insert(world.first, 'c');
        for (const handle of ['creating', 'foreign', 'c-source', 'none'])
          expect(await bless(cacheOf(key, handle)), handle).to.equal('refused');
        expect(await world.count('caches')).to.equal(0);
      });

      it('rejects an empty key and a negative time', async () => {
        await volume('v');
        const invalid = { code: 'KW_ERR_INVALID_SPEC' };
        expect(await rejection(bless(cacheOf({ ...key, key: '' }, 'v')))).to.include({ ...invalid, field: 'key' });
        expect(await rejection(bless(cacheOf(key, 'v', { timeToLiveMs: -1 })))).to.include({
          ...invalid,
          field: 'timeToLiveMs',
        });
      });
    });

    it('of a task is replaced, and the volume before it is destroyed', async () => {
      for (const handle of ['v', 'w']) await volume(handle);
      await bless(cacheOf(taskKey, 'v'));
      expect(await bless(cacheOf(taskKey, 'w'))).to.equal('blessed');
      expect([await found(taskKey), await stateOf('v'), await stateOf('w')]).to.deep.equal([
        'w',
        'destroying',
        'created',
      ]);
    });

    it('of a resource stays that of its first writer', async () => {
      for (const handle of ['v', 'w']) await volume(handle);
      await bless(cacheOf(resourceKey, 'v'));
      expect(await bless(cacheOf(resourceKey, 'w'))).to.equal('lost');
      expect([await found(resourceKey), await stateOf('v'), await stateOf('w')]).to.deep.equal([
        'v',
        'created',
        'created',
      ]);
    });

    it('has a volume whose expiry is postponed, never brought forward', async () => {
      await volume('v');
      expect(await world.first.caches.postponeExpiry('worker', 'v', dayMs)).to.equal(true);
      expect(await leftMs('v')).to.be.within(0.9 * dayMs, dayMs);
      expect(await world.first.caches.postponeExpiry('worker', 'v', 1)).to.equal(true);
      expect(await leftMs('v')).to.be.above(0.9 * dayMs);
      await world.first.volumes.expire('worker', 'v');
      expect(await world.first.caches.postponeExpiry('worker', 'v', dayMs)).to.equal(false);
    });
  });

  describe('an invalidated resource cache', () => {
    const elsewhere: CacheKey = { ...resourceKey, workerName: 'elsewhere' };
    const third: CacheKey = { ...resourceKey, workerName: 'third' };
    const invalidate = async (key: CacheKey, graceMs = 60_000) => await world.first.caches.invalidate(key, { graceMs });

    beforeEach(async () => {
      for (const name of ['elsewhere', 'third']) await world.first.workers.register(name);
      await volume('v');
      await volume('copy', 'elsewhere');
      await volume('copy of copy', 'third');
    });

    it('is not found, its volume expires after the grace, and another one may follow', async () => {
      await volume('w');
      await bless(cacheOf(resourceKey, 'v'));
      expect(await invalidate(resourceKey)).to.equal(1);
      expect([await found(resourceKey), await stateOf('v')]).to.deep.equal([undefined, 'created']);
      expect(await leftMs('v')).to.be.within(1, 60_000);
      expect(await bless(cacheOf(resourceKey, 'v'))).to.equal('in-use');
      expect(await bless(cacheOf(resourceKey, 'w'))).to.equal('blessed');
      expect([await found(resourceKey), await stateOf('v')]).to.deep.equal(['w', 'created']);
    });

    it('is no error if there is none', async () => {
      expect(await invalidate(resourceKey)).to.equal(0);
    });

    it('takes its copies on other workers with it, also those of copies', async () => {
      await bless(cacheOf(resourceKey, 'v'));
      expect(await bless(cacheOf(elsewhere, 'copy', { source: 'v' }))).to.equal('blessed');
      expect(await bless(cacheOf(third, 'copy of copy', { source: 'copy' }))).to.equal('blessed');
      expect(await invalidate(resourceKey)).to.equal(3);
      for (const key of [resourceKey, elsewhere, third]) expect(await found(key)).to.equal(undefined);
      expect(await leftMs('copy of copy')).to.be.within(1, 60_000);
    });

    it('that is a copy leaves its origin valid', async () => {
      await bless(cacheOf(resourceKey, 'v'));
      await bless(cacheOf(elsewhere, 'copy', { source: 'v' }));
      expect(await invalidate(elsewhere)).to.equal(1);
      expect([await found(resourceKey), await found(elsewhere)]).to.deep.equal(['v', undefined]);
    });

    it('stays the end of its copies after its own row is deleted', async () => {
      await bless(cacheOf(resourceKey, 'v'));
      await bless(cacheOf(elsewhere, 'copy', { source: 'v' }));
      await invalidate(resourceKey);
      // As if the copy was blessed while its origin became invalid.
      await world.query(`update ${world.table('caches')} set invalid_since = null where worker_name = 'elsewhere'`);
      await remove('v');
      expect(await found(elsewhere)).to.equal(undefined);
      await volume('next', 'elsewhere');
      expect(await bless(cacheOf(elsewhere, 'next'))).to.equal('blessed');
    });

    it('is forgotten when none of its copies is left', async () => {
      await bless(cacheOf(resourceKey, 'v'));
      await invalidate(resourceKey);
      await remove('v');
      await world.query(
        `update ${world.table('invalid_cache_origins')} set invalid_since = now() - interval '25 hours'`,
      );
      await invalidate(resourceKey);
      expect(await world.count('invalid_cache_origins')).to.equal(0);
    });

    it('does not end the copies of an origin that was no longer used', async () => {
      await bless(cacheOf(resourceKey, 'v'));
      await bless(cacheOf(elsewhere, 'copy', { source: 'v' }));
      await remove('v');
      expect(await found(elsewhere)).to.equal('copy');
    });

    it('is no source of a copy, as is one of another key, or one that is gone', async () => {
      await bless(cacheOf(resourceKey, 'v'));
      expect(await world.first.caches.isValid(resourceKey, 'v')).to.equal(true);
      expect(await bless(cacheOf({ ...elsewhere, key: 'other' }, 'copy', { source: 'v' }))).to.equal('refused');
      expect(await bless(cacheOf(elsewhere, 'copy', { source: 'copy of copy' }))).to.equal('refused');
      await invalidate(resourceKey);
      expect(await world.first.caches.isValid(resourceKey, 'v')).to.equal(false);
      expect(await bless(cacheOf(elsewhere, 'copy', { source: 'v' }))).to.equal('refused');
      await remove('v');
      expect(await bless(cacheOf(elsewhere, 'copy', { source: 'v' }))).to.equal('refused');
      expect(await found(elsewhere)).to.equal(undefined);
    });
  });
}
