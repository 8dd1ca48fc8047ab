import { expect } from 'chai';

import type { MarkOwnerFinishedOptions } from '../../../src/repository/container-repository.ts';
import { containerOf, insert, leaseOf, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

/** Describes containers that are kept for a time after their owner has finished. */
export function describeKeptContainers(world: RepositoryUnderTest): void {
  const hour = 3_600_000;
  const finish = async (key: string, options?: MarkOwnerFinishedOptions) =>
    await world.second.containers.markOwnerFinished('worker', ownerOf(key), options);
  const stateOf = async (handle: string) => (await world.first.containers.lookup('worker', handle))?.state;
  const find = async (key: string, handle: string) =>
    await world.first.containers.findOrInsert('worker', ownerOf(key), leaseOf('other'), () =>
      containerOf(handle, ownerOf(key)),
    );
  const limits = { maxKept: 50, maxKeptMs: 5 * 24 * hour };
  const destroyable = async (options = limits) =>
    (await world.second.containers.findDestroyable('worker', 100, options)).map(({ handle }) => handle);
  const since = async (handle: string, hours: number) =>
    await world.query(
      `update ${world.table('containers')} set kept_at = now() - interval '${hours} hours' where handle = '${handle}'`,
    );
  const over = async (handle: string) =>
    await world.query(
      `update ${world.table('containers')} set keep_until = now() - interval '1 millisecond' where handle = '${handle}'`,
    );

  async function created(handle: string): Promise<void> {
    await insert(world.first, handle);
    await world.first.containers.markCreated(handle, 'holder');
  }

  async function kept(handle: string): Promise<void> {
    await created(handle);
    await finish(handle, { keepForMs: hour });
  }

  describe('a container that is kept', () => {
    it('leaves its owner, who may have another one, and stays with its volumes', async () => {
      await created('c');
      expect(await finish('c', { keepForMs: hour })).to.equal(1);
      expect(await stateOf('c')).to.equal('kept');
      expect(await world.first.queries.findCreated('worker', ownerOf('c'))).to.equal(undefined);
      const volumes = await world.first.containers.volumesOf('c');
      expect(volumes.map(({ state }) => state)).to.deep.equal(['created', 'created']);
      expect(await destroyable()).to.deep.equal([]);
      expect((await find('c', 'next')).container.handle).to.equal('next');
      await world.first.containers.markCreated('next', 'other');
      expect(await finish('c', { keepForMs: hour })).to.equal(1);
      expect([await stateOf('c'), await stateOf('next')]).to.deep.equal(['kept', 'kept']);
    });

    it('is listed with the time until which it is kept', async () => {
      await kept('c');
      await created('d');
      const { containers } = await world.first.queries.list('worker', { state: 'kept' });
      expect(containers.map(({ handle, state }) => [handle, state])).to.deep.equal([['c', 'kept']]);
      const now = (await world.first.workers.time()).getTime();
      expect(containers[0]!.keptUntil!.getTime() - now).to.be.within(hour - 60_000, hour);
      const all = await world.first.queries.list('worker', {});
      expect(all.containers.find(({ handle }) => handle === 'd')).to.not.have.property('keptUntil');
    });

    it('is deleted with its volumes when its time is over, and the plan has the reason', async () => {
      await kept('c');
      await over('c');
      const plan = await world.first.queries.findReapable('worker', 10, limits);
      expect(plan.containers.map(({ handle, reason }) => [handle, reason])).to.deep.equal([['c', 'kept']]);
      expect(await destroyable()).to.deep.equal(['c']);
      expect((await world.first.containers.volumesOf('c')).map(({ state }) => state)).to.deep.equal([
        'destroying',
        'destroying',
      ]);
      expect(await world.first.containers.delete('c')).to.equal(2);
    });

    it('stays while a hijack or a stream is under way', async () => {
      await kept('c');
      await world.first.streams.hold('s', ['c-result'], hour);
      await over('c');
      expect(await destroyable()).to.deep.equal([]);
      expect(await stateOf('c')).to.equal('kept');
      await world.first.containers.recordHijack('c', 'shell');
      await world.first.streams.release('s');
      const find = async (hijackGraceMs: number) =>
        await world.second.containers.findDestroyable('worker', 10, { hijackGraceMs });
      expect(await find(hour)).to.deep.equal([]);
      expect(await find(0)).to.have.length(1);
    });

    it('is deleted when newer ones fill the number that the worker keeps', async () => {
      for (const [index, handle] of ['newest', 'oldest', 'second'].entries()) {
        await kept(handle);
        await since(handle, [1, 3, 2][index]!);
      }
      expect(await destroyable({ ...limits, maxKept: 3 })).to.deep.equal([]);
      const plan = await world.first.queries.findReapable('worker', 10, { ...limits, maxKept: 2 });
      expect(plan.containers.map(({ handle }) => handle)).to.deep.equal(['oldest']);
      expect(await destroyable({ ...limits, maxKept: 2 })).to.deep.equal(['oldest']);
      expect(await destroyable({ ...limits, maxKept: 0 })).to.have.members(['oldest', 'second', 'newest']);
    });

    it('is deleted when it is older than the worker keeps any', async () => {
      await kept('c');
      await since('c', 2);
      expect(await destroyable({ ...limits, maxKeptMs: 3 * hour })).to.deep.equal([]);
      expect(await destroyable({ ...limits, maxKeptMs: hour })).to.deep.equal(['c']);
    });

    it('does not count against another worker', async () => {
      await world.first.workers.register('elsewhere');
      await world.first.containers.findOrInsert('elsewhere', ownerOf('e'), leaseOf('holder'), () => ({
        ...containerOf('e', ownerOf('e')),
        workerName: 'elsewhere',
      }));
      await world.first.containers.markCreated('e', 'holder');
      await world.first.containers.markOwnerFinished('elsewhere', ownerOf('e'), { keepForMs: hour });
      await kept('c');
      expect(await destroyable({ ...limits, maxKept: 1 })).to.deep.equal([]);
    });

    it('is ended by its handle, and not by a later finish of its owner', async () => {
      await kept('c');
      expect(await finish('c')).to.equal(0);
      expect(await finish('c', { final: true })).to.equal(0);
      expect(await stateOf('c')).to.equal('kept');
      expect(await finish('c', { handle: 'c' })).to.equal(1);
      expect(await destroyable()).to.deep.equal(['c']);
    });

    it('gets another time by its handle, and its age counts on', async () => {
      await kept('c');
      await since('c', 2);
      await over('c');
      expect(await finish('c', { keepForMs: hour })).to.equal(0);
      expect(await finish('c', { keepForMs: hour, handle: 'c' })).to.equal(1);
      expect(await destroyable()).to.deep.equal([]);
      expect(await destroyable({ ...limits, maxKeptMs: hour })).to.deep.equal(['c']);
    });

    it('may belong to an owner that has finished for good', async () => {
      await created('c');
      expect(await finish('c', { keepForMs: hour, final: true })).to.equal(1);
      expect(await stateOf('c')).to.equal('kept');
      expect(await rejection(find('c', 'late'))).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
    });
  });

  it('does not keep a container that is being created', async () => {
    await insert(world.first, 'c');
    expect(await finish('c', { keepForMs: hour })).to.equal(1);
    expect(await destroyable()).to.deep.equal(['c']);
    expect((await world.first.containers.volumesOf('c'))[0]!.state).to.equal('destroying');
    expect(await rejection(world.first.containers.markCreated('c', 'holder'))).to.include({
      code: 'KW_ERR_ILLEGAL_TRANSITION',
    });
  });

  it('refuses a negative time, and limits that are no numbers', async () => {
    await created('c');
    expect(await rejection(finish('c', { keepForMs: -1 }))).to.include({ field: 'keepForMs' });
    for (const [field, options] of [
      ['maxKept', { ...limits, maxKept: 0.5 }],
      ['maxKeptMs', { ...limits, maxKeptMs: Number.NaN }],
    ] as const)
      expect(await rejection(destroyable(options))).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
  });
}
