import { expect } from 'chai';

import type { Repository } from '../../../src/repository/repository.ts';
import { containerOf, insert, leaseOf, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

type State = 'creating' | 'created' | 'failed' | 'destroying';

/** Every move, with the states from which it is legal and the state to which it leads. */
const moves: Readonly<
  Record<string, { from: readonly State[]; to: State; run: (repository: Repository) => Promise<unknown> }>
> = {
  recordPod: {
    from: ['creating'],
    to: 'creating',
    run: async ({ containers }) => await containers.recordPod('c', 'holder', 'uid'),
  },
  markCreated: {
    from: ['creating', 'created'],
    to: 'created',
    run: async ({ containers }) => await containers.markCreated('c', 'holder'),
  },
  markFailed: {
    from: ['creating', 'failed'],
    to: 'failed',
    run: async ({ containers }) => await containers.markFailed('c', 'holder'),
  },
};

export function describeContainers(world: RepositoryUnderTest): void {
  const states = async () => {
    const container = await world.second.containers.lookup('worker', 'c');
    const volumes = await world.second.containers.volumesOf('c');
    return [container?.state, ...volumes.map(({ state }) => state)];
  };
  const reach = async (state: State) => {
    await insert(world.first, 'c');
    if (state === 'created') await world.first.containers.markCreated('c', 'holder');
    if (state === 'failed') await world.first.containers.markFailed('c', 'holder');
    if (state === 'destroying') await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
  };

  describe('moves of a container', () => {
    for (const [name, { from, to, run }] of Object.entries(moves)) {
      for (const state of ['creating', 'created', 'failed', 'destroying'] as const) {
        if (from.includes(state)) {
          it(`${name} moves a ${state} container and its volumes to ${to}`, async () => {
            await reach(state);
            await run(world.first);
            expect(await states()).to.deep.equal([to, to, to]);
          });
        } else {
          it(`${name} of a ${state} container is an illegal transition and changes nothing`, async () => {
            await reach(state);
            const error = await rejection(run(world.first));
            expect(error).to.include({ code: 'KW_ERR_ILLEGAL_TRANSITION', from: state, to });
            expect(await states()).to.deep.equal([state, state, state]);
          });
        }
      }

      it(`${name} throws ContainerDisappearedError if the row does not exist`, async () => {
        const error = await rejection(run(world.first));
        expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'c' });
      });
    }

    it('recordPod stores the uid of the pod', async () => {
      await reach('creating');
      await world.first.containers.recordPod('c', 'holder', 'uid-1');
      expect((await world.second.containers.lookup('worker', 'c'))?.podUid).to.equal('uid-1');
    });

    for (const [name, { run }] of Object.entries(moves)) {
      it(`${name} by a holder whose lease has passed to another is rejected and changes nothing`, async () => {
        await reach('creating');
        await world.lapseLeases();
        await world.second.containers.findOrInsert('worker', ownerOf('c'), leaseOf('next'), () =>
          expect.fail('make() was called'),
        );
        expect(await rejection(run(world.first))).to.include({ code: 'KW_ERR_LEASE_LOST', handle: 'c' });
        expect(await states()).to.deep.equal(['creating', 'creating', 'creating']);
        expect((await world.second.containers.lookup('worker', 'c'))?.podUid).to.equal(undefined);
      });

      it(`${name} by a holder that has released its lease is rejected`, async () => {
        await reach('creating');
        await world.first.containers.releaseLease('c', 'holder');
        expect(await rejection(run(world.first))).to.include({ code: 'KW_ERR_LEASE_LOST', handle: 'c' });
      });
    }

    it('markReady is reserved for the lease’s holder while the container is creating, and for callers without a lease afterwards', async () => {
      await reach('creating');
      const { volumes, containers } = world.first;
      for (const holder of ['other', undefined]) {
        const refused = await rejection(volumes.markReady('c-source', undefined, { holder }));
        expect(refused).to.include({ code: 'KW_ERR_LEASE_LOST', handle: 'c-source' });
      }
      expect((await world.second.volumes.lookup('worker', 'c-source'))?.readyAt).to.equal(undefined);
      await volumes.markReady('c-source', undefined, { holder: 'holder' });
      expect((await world.second.volumes.lookup('worker', 'c-source'))?.readyAt).to.be.instanceOf(Date);
      await containers.markCreated('c', 'holder');
      // A holder that was overtaken, and whose statement is late.
      for (const holder of ['other', 'holder'])
        expect(await rejection(volumes.markReady('c-source', undefined, { holder }))).to.include({
          code: 'KW_ERR_LEASE_LOST',
        });
      await volumes.markReady('c-result', undefined);
      expect((await world.second.volumes.lookup('worker', 'c-result'))?.readyAt).to.be.instanceOf(Date);
    });

    it('a released lease passes to the next caller, with the next generation', async () => {
      await reach('creating');
      expect(await world.first.containers.releaseLease('c', 'holder')).to.equal(true);
      const taken = await world.second.containers.findOrInsert('worker', ownerOf('c'), leaseOf('next'), () =>
        expect.fail('make() was called'),
      );
      expect(taken).to.include({ leased: true, generation: 2 });
      expect(await world.first.containers.releaseLease('c', 'holder')).to.equal(false);
      const again = await world.second.containers.findOrInsert('worker', ownerOf('c'), leaseOf('next'), () =>
        expect.fail('make() was called'),
      );
      expect(again).to.include({ leased: true, generation: 2 });
    });

    it('markCreated returns the generation that completed the container, to late holders as well', async () => {
      await reach('creating');
      await world.lapseLeases();
      await world.second.containers.findOrInsert('worker', ownerOf('c'), leaseOf('next'), () =>
        expect.fail('make() was called'),
      );
      expect(await world.second.containers.markCreated('c', 'next')).to.equal(2);
      expect(await world.first.containers.markCreated('c', 'holder')).to.equal(2);
    });

    it('the reaper skips a container whose lease was released until the lease would have lapsed', async () => {
      await reach('creating');
      await world.first.containers.releaseLease('c', 'holder');
      expect(await world.second.containers.findDestroyable('worker', 10)).to.deep.equal([]);
      await world.lapseLeases();
      expect(await world.second.containers.findDestroyable('worker', 10)).to.have.length(1);
    });

    for (const state of ['created', 'failed', 'destroying'] as const) {
      it(`a lease cannot be released once the container is ${state}`, async () => {
        await reach(state);
        expect(await world.first.containers.releaseLease('c', 'holder')).to.equal(false);
        expect(await states()).to.deep.equal([state, state, state]);
      });
    }

    it('a lease cannot be renewed once the container is created', async () => {
      await reach('created');
      expect(await world.first.containers.renewLease('c', leaseOf('holder'))).to.equal(false);
    });

    it('a lease cannot be renewed by another holder', async () => {
      await reach('creating');
      expect(await world.first.containers.renewLease('c', leaseOf('other'))).to.equal(false);
    });
  });

  describe('lookup', () => {
    it('finds a container by worker and handle, in any state', async () => {
      await reach('destroying');
      expect((await world.first.containers.lookup('worker', 'c'))?.handle).to.equal('c');
    });

    it('returns undefined for another worker’s container and for an unknown handle', async () => {
      await reach('creating');
      await world.first.workers.register('elsewhere');
      expect(await world.first.containers.lookup('elsewhere', 'c')).to.equal(undefined);
      expect(await world.first.containers.lookup('worker', 'none')).to.equal(undefined);
      expect(await world.first.containers.volumesOf('none')).to.deep.equal([]);
    });
  });

  describe('markOwnerFinished', () => {
    for (const state of ['creating', 'created'] as const) {
      it(`moves the owner's ${state} container to destroying, once`, async () => {
        await reach(state);
        expect(await world.first.containers.markOwnerFinished('worker', ownerOf('c'))).to.equal(1);
        expect(await world.second.containers.markOwnerFinished('worker', ownerOf('c'))).to.equal(0);
        expect(await states()).to.deep.equal(['destroying', 'destroying', 'destroying']);
      });
    }

    it('skips the containers of other owners, and failed ones', async () => {
      await reach('failed');
      await insert(world.first, 'other');
      expect(await world.first.containers.markOwnerFinished('worker', ownerOf('c'))).to.equal(0);
      expect(await world.first.containers.markOwnerFinished('worker', ownerOf('unheard of'))).to.equal(0);
      expect((await states())[0]).to.equal('failed');
      expect((await world.first.containers.lookup('worker', 'other'))?.state).to.equal('creating');
    });
  });

  describe('findDestroyable', () => {
    const find = async (limit = 10) => await world.first.containers.findDestroyable('worker', limit);

    it('skips created containers, and creating ones under a lease [A44]', async () => {
      await reach('created');
      await insert(world.first, 'creating');
      expect(await find()).to.deep.equal([]);
      expect((await states())[0]).to.equal('created');
    });

    for (const state of ['failed', 'destroying'] as const) {
      it(`returns a ${state} container, and moves it and its volumes to destroying`, async () => {
        await reach(state);
        expect((await find()).map((each) => [each.handle, each.state])).to.deep.equal([['c', 'destroying']]);
        expect(await states()).to.deep.equal(['destroying', 'destroying', 'destroying']);
      });
    }

    it('returns a creating container whose lease has lapsed, which no holder can complete afterwards', async () => {
      await reach('creating');
      await world.lapseLeases();
      expect((await find()).map((each) => [each.handle, each.state])).to.deep.equal([['c', 'destroying']]);
      expect(await rejection(world.second.containers.markCreated('c', 'holder'))).to.include({
        code: 'KW_ERR_ILLEGAL_TRANSITION',
        from: 'destroying',
      });
      expect(await world.second.containers.renewLease('c', leaseOf('holder'))).to.equal(false);
    });

    it('leaves a creating container to a host that waits, until `leaseGraceMs` after its lease has lapsed', async () => {
      await reach('creating');
      await world.lapseLeases();
      const findAfter = async (leaseGraceMs: number) =>
        await world.first.containers.findDestroyable('worker', 10, { leaseGraceMs });
      expect(await findAfter(60_000)).to.deep.equal([]);
      expect(await states()).to.deep.equal(['creating', 'creating', 'creating']);
      await world.query(`update ${world.table('containers')} set lease_until = now() - interval '61 seconds'`);
      expect((await findAfter(60_000)).map(({ handle }) => handle)).to.deep.equal(['c']);
    });

    it('returns containers again until they are deleted', async () => {
      await reach('failed');
      await find();
      expect(await find()).to.have.length(1);
      await world.first.containers.delete('c');
      expect(await find()).to.have.length(0);
    });

    it('returns at most `limit` containers, oldest first, and reaches all of them in later calls', async () => {
      for (const [index, handle] of ['e', 'd', 'c', 'b', 'a'].entries()) {
        await insert(world.first, handle);
        await world.query(
          `update ${world.table('containers')} set created_at = now() - interval '${10 - index} minutes' where handle = '${handle}'`,
        );
        if (index % 2 === 0) await world.first.containers.markFailed(handle, 'holder');
        else await world.first.containers.markOwnerFinished('worker', ownerOf(handle));
      }
      const seen: string[][] = [];
      for (let batch = await find(2); batch.length > 0; batch = await find(2)) {
        seen.push(batch.map(({ handle }) => handle));
        for (const { handle } of batch) await world.first.containers.delete(handle);
      }
      expect(seen).to.deep.equal([['e', 'd'], ['c', 'b'], ['a']]);
    });

    it('skips the containers of other workers', async () => {
      await reach('failed');
      await world.first.workers.register('elsewhere');
      expect(await world.first.containers.findDestroyable('elsewhere', 10)).to.deep.equal([]);
      expect((await states())[0]).to.equal('failed');
    });

    it('rejects a limit that is not a positive integer', async () => {
      expect(await rejection(find(0))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'limit' });
      expect(await rejection(find(1.5))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'limit' });
    });
  });

  describe('delete', () => {
    beforeEach(async () => await insert(world.first, 'bystander'));

    context('when the container is destroying', () => {
      it('deletes its volumes, processes and properties too, returns the number of volumes, and keeps all other rows', async () => {
        await reach('created');
        await world.first.containers.setProperty('c', 'name', 'value');
        await world.first.containers.recordProcessResult('c', 'p', {
          exitStatus: 0,
          signal: undefined,
          oomKills: undefined,
        });
        await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
        expect(await world.first.containers.delete('c')).to.equal(2);
        expect(await world.first.containers.lookup('worker', 'c')).to.equal(undefined);
        expect(await world.first.volumes.lookup('worker', 'c-source')).to.equal(undefined);
        expect([await world.count('processes'), await world.count('container_properties')]).to.deep.equal([0, 0]);
        expect(await world.first.containers.volumesOf('bystander')).to.have.length(2);
      });
    });

    it('does nothing if the row no longer exists', async () => {
      expect(await world.first.containers.delete('c')).to.equal(0);
    });

    for (const state of ['creating', 'created', 'failed'] as const) {
      it(`is an illegal transition of a ${state} container`, async () => {
        await reach(state);
        expect(await rejection(world.first.containers.delete('c'))).to.include({
          code: 'KW_ERR_ILLEGAL_TRANSITION',
          from: state,
          to: 'deleted',
        });
        expect(await states()).to.deep.equal([state, state, state]);
      });
    }

    it('frees the handle and the owner for another container', async () => {
      await reach('destroying');
      await world.first.containers.delete('c');
      const found = await world.first.containers.findOrInsert('worker', ownerOf('c'), leaseOf('me'), () =>
        containerOf('c', ownerOf('c')),
      );
      expect(found.volumes).to.deep.equal([]);
    });
  });
}
