import { expect } from 'chai';

import { archiveOf, contentOf, idOf, insertReferring, makeReady, stateOf } from './archives-under-test.ts';
import { artifactOf, insert, type RepositoryUnderTest } from './repository-under-test.ts';

export function describeArchiveDeletion(world: RepositoryUnderTest): void {
  /** Returns the numbers of archives. */
  const numbersOf = (archives: readonly { readonly id: string }[]): readonly number[] =>
    archives.map(({ id }) => Number(id.slice(-12)));
  const find = async (graceMs = 0, limit = 10) =>
    numbersOf(await world.second.archives.findDestroyable('worker', limit, { graceMs }));
  const evict = async (bytes: number, store = 's3') =>
    numbersOf(await world.second.archives.evict('worker', store, bytes));
  /** Makes the last use of archives, of the first the longest ago. */
  const age = async (...numbers: readonly number[]) => {
    for (const [index, number] of numbers.entries())
      await world.query(
        `update ${world.table('archives')} set last_used_at = now() - interval '${numbers.length - index} hours'
         where id = '${idOf(number)}'`,
      );
  };
  /** Makes an archive the content of a volume that is a cache. */
  const makeCache = async (number: number, changes: Parameters<typeof makeReady>[2] = {}) => {
    await insertReferring(world.first, `cache-${number}`, await makeReady(world.first, number, changes));
    const key = { workerName: 'worker', kind: 'task', key: `key-${number}` } as const;
    await world.first.caches.bless({ ...key, volume: `cache-${number}`, timeToLiveMs: 60_000, replace: true });
    return key;
  };
  const volumeState = async (handle: string) => (await world.second.volumes.lookup('worker', handle))?.state;

  describe('findReapable of archives', () => {
    it('returns what findDestroyable would return, with the reason, and moves nothing', async () => {
      await world.first.archives.begin(archiveOf(1));
      await world.lapseLeases();
      await makeReady(world.first, 2);
      await insertReferring(world.first, 'v', await makeReady(world.first, 3));
      await world.first.archives.begin(archiveOf(4));
      await world.first.archives.abandon(idOf(4), 'me');
      await world.first.archives.begin(archiveOf(5));
      await age(2, 3);
      const plan = async (limit: number) => {
        const found = await world.second.archives.findReapable('worker', limit, { graceMs: 600_000 });
        return found.map(({ id, store, reason }) => `${Number(id.slice(-12))} ${store} ${reason}`).toSorted();
      };
      const whole = ['1 s3 abandoned', '2 s3 unreferenced', '4 s3 marked'];
      expect(await plan(10)).to.deep.equal(whole);
      expect(await plan(10), 'again').to.deep.equal(whole);
      expect(await plan(2)).to.have.length(2);
      expect((await find(600_000)).toSorted()).to.deep.equal([1, 2, 4]);
    });
  });

  describe('findDestroyable of archives', () => {
    it('returns those that are creating with a lapsed lease, which no late commit revives', async () => {
      await world.first.archives.begin(archiveOf(1));
      expect(await find()).to.deep.equal([]);
      await world.lapseLeases();
      expect(await find(600_000)).to.deep.equal([1]);
      expect(await find()).to.deep.equal([1]);
      const late = world.first.archives.commit(idOf(1), 'me', contentOf(1), undefined);
      expect(await late.catch((error: unknown) => error)).to.include({ code: 'KW_ERR_LEASE_LOST' });
      expect(await stateOf(world.first, idOf(1))).to.equal('destroying');
    });

    it('returns those that are ready without a reference, after the grace since their last use', async () => {
      await makeReady(world.first, 1);
      await makeReady(world.first, 2);
      expect(await find(600_000)).to.deep.equal([]);
      await age(1);
      expect(await find(600_000)).to.deep.equal([1]);
      await age(2);
      await world.first.archives.touch([idOf(2)]);
      expect(await find(600_000)).to.deep.equal([1]);
    });

    for (const [what, change] of Object.entries({
      created: '',
      failed: `state = 'failed'`,
      destroying: `state = 'destroying'`,
      'ready with other content': 'ready_at = now()',
    }))
      it(`never returns one that a volume refers to, which is ${what}`, async () => {
        await insertReferring(world.first, 'v', await makeReady(world.first, 1));
        await age(1);
        if (change !== '') await world.query(`update ${world.table('volumes')} set ${change}`);
        expect(await find()).to.deep.equal([]);
        expect(await stateOf(world.first, idOf(1))).to.equal('ready');
      });

    it('returns them once a volume with two references has lost one, and the other volume is deleted', async () => {
      await makeReady(world.first, 1);
      await insertReferring(world.first, 'v', idOf(1));
      await insertReferring(world.first, 'w', idOf(1));
      await world.first.volumes.markReady('v', undefined);
      expect(await find()).to.deep.equal([]);
      await world.first.volumes.expire('worker', 'w');
      await world.first.volumes.delete('w');
      expect(await find()).to.deep.equal([1]);
    });

    it('returns at most as many as the limit, the least recently used first, and the rest next', async () => {
      for (const number of [1, 2, 3]) await makeReady(world.first, number);
      await age(3, 1, 2);
      expect(await find(0, 2)).to.deep.equal([3, 1]);
      await world.first.archives.deleteAll([idOf(3), idOf(1)]);
      expect(await find(0, 2)).to.deep.equal([2]);
    });

    it('is followed by a deletion of those that are destroying, and of no others', async () => {
      await makeReady(world.first, 1);
      await find();
      await makeReady(world.first, 2);
      await world.first.archives.begin(archiveOf(3));
      const ids = [idOf(1), idOf(2), idOf(3), idOf(4)];
      expect(await world.first.archives.deleteAll(ids)).to.deep.equal([idOf(1)]);
      expect(await world.first.archives.deleteAll(ids)).to.deep.equal([]);
      expect(await world.count('archives')).to.equal(2);
    });
  });

  describe('an eviction of archives', () => {
    it('frees at least the bytes, of those without a reference, the least recently used first', async () => {
      for (const number of [1, 2, 3, 4]) await makeReady(world.first, number, { storedBytes: 100 });
      await age(3, 1, 4, 2);
      expect(await evict(0)).to.deep.equal([]);
      expect(await evict(101)).to.deep.equal([3, 1]);
      expect(await evict(100)).to.deep.equal([4]);
      expect(await stateOf(world.first, idOf(2))).to.equal('ready');
      expect(await evict(1_000_000)).to.deep.equal([2]);
      expect(await evict(1)).to.deep.equal([]);
    });

    it('then takes caches, the least recently used first, whose volumes are destroying', async () => {
      const keys = [await makeCache(1), await makeCache(2), await makeCache(3)];
      await makeReady(world.first, 4);
      await age(2, 3, 1, 4);
      expect(await evict(10)).to.deep.equal([4]);
      expect(await evict(11)).to.deep.equal([2, 3]);
      for (const number of [2, 3]) {
        expect(await volumeState(`cache-${number}`)).to.equal('destroying');
        expect(await world.second.volumes.lookup('worker', `cache-${number}`)).to.not.have.property('archive');
      }
      const found = await Promise.all(keys.map(async (key) => (await world.second.caches.find(key))?.handle));
      expect(found).to.deep.equal(['cache-1', undefined, undefined]);
      expect(await world.first.archives.deleteAll([idOf(2), idOf(3), idOf(4)])).to.have.length(3);
    });

    it('prefers those without a reference, however recently they were used', async () => {
      await makeCache(1);
      await makeReady(world.first, 2);
      await age(1, 2);
      expect(await evict(10)).to.deep.equal([2]);
      expect(await volumeState('cache-1')).to.equal('created');
    });

    it('counts the finding of a cache as a use', async () => {
      const key = await makeCache(1);
      await makeCache(2);
      await age(1, 2);
      await world.first.caches.find(key);
      expect(await evict(10)).to.deep.equal([2]);
    });

    it('leaves one that a live volume refers to, also beside a cache', async () => {
      await insertReferring(world.first, 'v', await makeReady(world.first, 1));
      await makeCache(2);
      await insertReferring(world.first, 'w', idOf(2));
      await insert(world.first, 'c');
      await world.first.archives.refer(await makeReady(world.first, 3), { handle: 'c-source', replaces: undefined });
      expect(await evict(1_000)).to.deep.equal([]);
      expect(await volumeState('cache-2')).to.equal('created');
    });

    it('leaves one whose volume has an open stream, until the stream ends', async () => {
      await makeCache(1);
      await makeCache(2);
      await world.first.volumes.expire('worker', 'cache-2');
      await world.first.streams.hold('s', ['cache-1'], 60_000);
      expect(await evict(1_000)).to.deep.equal([2]);
      expect(await volumeState('cache-1')).to.equal('created');
      await world.first.streams.release('s');
      expect(await evict(1_000)).to.deep.equal([1]);
    });

    it('leaves those that are being written, of other stores and destroying', async () => {
      await world.first.archives.begin(archiveOf(1));
      await world.lapseLeases();
      await makeReady(world.first, 2, { store: 'pvc' });
      await makeReady(world.first, 3);
      await world.query(`update ${world.table('archives')} set state = 'destroying' where id = '${idOf(3)}'`);
      expect(await evict(1_000)).to.deep.equal([]);
      expect(await evict(1_000, 'pvc')).to.deep.equal([2]);
    });
  });

  describe('when an archive is used while it is looked for', () => {
    const many = Array.from({ length: 10 }, (_, index) => index + 1);
    const referred = async () =>
      (
        await world.query(
          `select volumes.handle from ${world.table('volumes')} as volumes
           join ${world.table('archives')} as archives on archives.id = archive_id where archives.state = 'destroying'`,
        )
      ).map((row) => row['handle']);

    for (const search of ['findDestroyable', 'evict'] as const)
      it(`no volume refers to one that ${search} returns, in any order`, async () => {
        for (const number of many) {
          await makeReady(world.first, number);
          await world.first.volumes.insertArtifact(artifactOf(`v-${number}`));
        }
        const using = async (number: number) =>
          number % 2 === 0
            ? await world.first.archives.refer(idOf(number), { handle: `v-${number}`, replaces: undefined })
            : await insertReferring(world.first, `w-${number}`, idOf(number)).then(
                () => true,
                () => false,
              );
        const [destroying, used] = await Promise.all([
          search === 'evict' ? evict(55) : find(0, 5),
          Promise.all(many.map(using)),
        ]);
        expect(await referred()).to.deep.equal([]);
        for (const number of destroying) expect(used[number - 1], String(number)).to.equal(false);
      });
  });
}
