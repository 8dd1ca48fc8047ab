import { expect } from 'chai';

import { leaseOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

export function describeReaperLease(world: RepositoryUnderTest): void {
  describe('beginReap', () => {
    const begin = (host: 'first' | 'second', sinceMs = 0): Promise<boolean> =>
      world[host].workers.beginReap('worker', leaseOf(host), { sinceMs });

    it('has one holder at a time', async () => {
      expect(await begin('first')).to.equal(true);
      expect(await begin('second')).to.equal(false);
      await world.second.workers.endReap('worker', 'second');
      expect(await begin('second')).to.equal(false);
      await world.first.workers.endReap('worker', 'first');
      expect(await begin('second')).to.equal(true);
    });

    it('returns true for one of twenty concurrent callers', async () => {
      const begun = await Promise.all(
        Array.from({ length: 20 }, async (_, index) =>
          world.first.workers.beginReap('worker', leaseOf(`host-${index}`), { sinceMs: 0 }),
        ),
      );
      expect(begun.filter(Boolean)).to.have.length(1);
    });

    it('passes to another holder when the lease has lapsed', async () => {
      await begin('first');
      await world.query(`update ${world.table('workers')} set reaper_until = now() - interval '1 millisecond'`);
      expect(await begin('second')).to.equal(true);
      await world.first.workers.endReap('worker', 'first');
      expect(await begin('first')).to.equal(false);
    });

    it('lasts longer if its holder renews it, and only then', async () => {
      await begin('first');
      const lapse = (): Promise<unknown> =>
        world.query(`update ${world.table('workers')} set reaper_until = now() - interval '1 millisecond'`);
      await lapse();
      expect(await world.second.workers.renewReap('worker', leaseOf('second'))).to.equal(false);
      expect(await world.first.workers.renewReap('worker', leaseOf('first'))).to.equal(true);
      expect(await begin('second')).to.equal(false);
      await lapse();
      expect(await begin('second')).to.equal(true);
      expect(await world.first.workers.renewReap('worker', leaseOf('first'))).to.equal(false);
    });

    it('returns false within `sinceMs` of the last pass, also to its own holder', async () => {
      await begin('first');
      await world.first.workers.endReap('worker', 'first');
      for (const host of ['first', 'second'] as const) expect(await begin(host, 60_000)).to.equal(false);
      await world.query(`update ${world.table('workers')} set reaped_at = now() - interval '61 seconds'`);
      expect(await begin('second', 60_000)).to.equal(true);
    });

    it('does not affect another worker', async () => {
      await world.first.workers.register('other');
      await begin('first');
      expect(await world.first.workers.beginReap('other', leaseOf('second'), { sinceMs: 60_000 })).to.equal(true);
    });

    it('rejects a time that is not one', async () => {
      const error = await rejection(world.first.workers.beginReap('worker', leaseOf('h'), { sinceMs: -1 }));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'sinceMs' });
    });
  });
}
