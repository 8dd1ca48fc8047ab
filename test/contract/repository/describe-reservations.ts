import { expect } from 'chai';

import { artifactOf, insert, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

const kind = 'build';

export function describeReservations(world: RepositoryUnderTest): void {
  type Host = 'first' | 'second';
  const reserve = (host: Host, id: string, limit: number, ttlMs = 600_000): Promise<Date | undefined> =>
    world[host].reservations.reserve({ workerName: 'worker', kind, id, limit, ttlMs });
  const key = (id: string) => ({ workerName: 'worker', kind, id });
  const counts = () => world.second.reservations.count('worker');
  const lapse = (where = 'true') =>
    world.query(
      `update ${world.table('reservations')} set expires_at = now() - interval '1 millisecond' where ${where}`,
    );
  /** Reserves for many hosts at once, and returns how many have a place. */
  const race = async (limit: (index: number) => number): Promise<number> => {
    const places = await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        reserve(index % 2 === 0 ? 'first' : 'second', `r${index}`, limit(index)),
      ),
    );
    return places.filter((place) => place !== undefined).length;
  };

  describe('reserve', () => {
    it('has as many places as its limit, and none more', async () => {
      expect(await reserve('first', 'a', 2)).to.be.instanceOf(Date);
      expect(await reserve('second', 'b', 2)).to.be.instanceOf(Date);
      expect(await reserve('first', 'c', 2)).to.equal(undefined);
      expect(await counts()).to.deep.equal([{ kind, count: 2 }]);
    });

    it('returns when the place lapses, by the database’s clock', async () => {
      const now = await world.first.workers.time();
      const expiresAt = await reserve('first', 'a', 1, 60_000);
      expect(expiresAt!.getTime() - now.getTime()).to.be.within(60_000, 90_000);
    });

    it('gives exactly the limit to concurrent callers of two hosts', async () => {
      expect(await race(() => 5)).to.equal(5);
      expect(await counts()).to.deep.equal([{ kind, count: 5 }]);
    });

    it('gives exactly the limit to concurrent callers while all places have lapsed', async () => {
      await race(() => 5);
      await lapse();
      expect(await race(() => 5)).to.equal(5);
    });

    it('gives at most the largest limit to concurrent callers with different ones', async () => {
      expect(await race((index) => 3 + (index % 3))).to.be.within(3, 5);
    });

    it('refuses a caller whose limit is reached by those of a larger one', async () => {
      for (const id of ['a', 'b', 'c', 'd']) await reserve('first', id, 4);
      for (const id of ['a', 'b']) await world.first.reservations.release(key(id));
      expect(await reserve('second', 'e', 2)).to.equal(undefined);
      expect(await reserve('second', 'e', 3)).to.be.instanceOf(Date);
    });

    it('does not count what has lapsed', async () => {
      await reserve('first', 'a', 1);
      await lapse();
      expect(await counts()).to.deep.equal([]);
      expect(await reserve('second', 'b', 1)).to.be.instanceOf(Date);
      expect(await world.first.reservations.renew(key('a'), 60_000)).to.equal(undefined);
      expect(await world.first.reservations.release(key('a'))).to.equal(false);
      expect(await counts()).to.deep.equal([{ kind, count: 1 }]);
    });

    it('renews the living reservation of its ID, also when the limit is reached', async () => {
      await reserve('first', 'a', 1, 1_000);
      const renewed = await reserve('second', 'a', 1, 600_000);
      expect(renewed!.getTime() - (await world.first.workers.time()).getTime()).to.be.greaterThan(300_000);
      expect(await counts()).to.deep.equal([{ kind, count: 1 }]);
    });

    it('gives concurrent callers of one ID one place', async () => {
      const places = await Promise.all(
        Array.from({ length: 12 }, (_, index) => reserve(index % 2 === 0 ? 'first' : 'second', 'same', 20)),
      );
      expect(places).not.to.include(undefined);
      expect(await counts()).to.deep.equal([{ kind, count: 1 }]);
    });

    it('gives an ID that has lapsed a place again, also below a limit that is lower than its last place', async () => {
      for (const id of ['a', 'b', 'c']) await reserve('first', id, 3);
      await lapse();
      for (const id of ['a', 'b', 'c']) {
        expect(await reserve('second', id, 1), id).to.be.instanceOf(Date);
        await world.first.reservations.release(key(id));
      }
    });

    it('does not affect another kind, nor another worker', async () => {
      await world.first.workers.register('other');
      await reserve('first', 'a', 1);
      const { reservations } = world.second;
      const request = { ...key('a'), limit: 1, ttlMs: 60_000 };
      expect(await reservations.reserve({ ...request, kind: 'check' })).to.be.instanceOf(Date);
      expect(await reservations.reserve({ ...request, workerName: 'other' })).to.be.instanceOf(Date);
      expect(await counts()).to.deep.equal([
        { kind, count: 1 },
        { kind: 'check', count: 1 },
      ]);
    });

    it('rejects fields that are none, and a worker that is not registered', async () => {
      const { reservations } = world.first;
      const request = { ...key('a'), limit: 1, ttlMs: 60_000 };
      for (const [field, wrong] of [
        ['limit', { limit: 0 }],
        ['limit', { limit: 10_001 }],
        ['limit', { limit: 1.5 }],
        ['ttlMs', { ttlMs: -1 }],
        ['kind', { kind: '' }],
        ['id', { id: '' }],
        ['workerName', { workerName: 'none' }],
      ] as const)
        expect(await rejection(reservations.reserve({ ...request, ...wrong })), field).to.include({
          code: 'KW_ERR_INVALID_SPEC',
          field,
        });
    });
  });

  describe('renew', () => {
    it('extends a living reservation', async () => {
      await reserve('first', 'a', 1, 1_000);
      const expiresAt = await world.second.reservations.renew(key('a'), 600_000);
      expect(expiresAt!.getTime() - (await world.first.workers.time()).getTime()).to.be.greaterThan(300_000);
    });

    it('returns undefined without a reservation', async () => {
      expect(await world.first.reservations.renew(key('none'), 1)).to.equal(undefined);
    });
  });

  describe('release', () => {
    it('frees the place, once', async () => {
      await reserve('first', 'a', 1);
      expect(await world.second.reservations.release(key('a'))).to.equal(true);
      expect(await world.second.reservations.release(key('a'))).to.equal(false);
      expect(await reserve('second', 'b', 1)).to.be.instanceOf(Date);
    });
  });

  describe('prune', () => {
    it('deletes what has lapsed, and nothing else', async () => {
      for (const id of ['a', 'b', 'c']) await reserve('first', id, 3);
      await lapse(`id <> 'b'`);
      expect(await world.second.reservations.prune('worker')).to.equal(2);
      expect(await world.count('reservations')).to.equal(1);
      expect(await world.first.reservations.renew(key('b'), 60_000)).to.be.instanceOf(Date);
    });
  });

  describe('countLive', () => {
    it('counts the rows that are creating or created', async () => {
      const { placement, volumes, containers } = world.first;
      expect(await placement.countLive('worker')).to.deep.equal({ containers: 0, volumes: 0 });
      await insert(world.first, 'c');
      await insert(world.first, 'd');
      await containers.markOwnerFinished('worker', ownerOf('d'));
      for (const handle of ['a', 'b', 'x']) await volumes.insertArtifact(artifactOf(handle));
      await volumes.markCreated('a');
      await volumes.expire('worker', 'x');
      expect(await placement.countLive('worker')).to.deep.equal({ containers: 1, volumes: 4 });
      expect(await placement.countLive('other')).to.deep.equal({ containers: 0, volumes: 0 });
    });
  });

  describe('findPlaces', () => {
    it('returns created volumes with their size, of created containers and of none', async () => {
      const { placement, volumes, containers } = world.first;
      await volumes.insertArtifact(artifactOf('a'));
      await volumes.insertArtifact(artifactOf('creating'));
      await volumes.markCreated('a');
      await volumes.markReady('a', { digest: 'f'.repeat(64), sizeBytes: 2 ** 40 });
      await insert(world.first, 'c');
      await insert(world.first, 'd');
      await containers.markCreated('c', 'holder');
      const handles = ['a', 'creating', 'none', 'c-source', 'd-source'];
      const places = await placement.findPlaces('worker', handles);
      expect([...places].sort((one, other) => (one.handle < other.handle ? -1 : 1))).to.deep.equal([
        { handle: 'a', store: 'pod', location: { pod: 'pod-a' }, sizeBytes: 2 ** 40 },
        { handle: 'c-source', store: 'pod', location: { path: '/work/source' }, sizeBytes: undefined },
      ]);
      expect(await placement.findPlaces('other', handles)).to.deep.equal([]);
      expect(await placement.findPlaces('worker', [])).to.deep.equal([]);
    });

    it('rejects more than 1,000 handles', async () => {
      const handles = Array.from({ length: 1_001 }, (_, index) => `h${index}`);
      const error = await rejection(world.first.placement.findPlaces('worker', handles));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'handles' });
    });
  });
}
