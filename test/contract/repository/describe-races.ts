import { expect } from 'chai';

import type { Repository } from '../../../src/repository/repository.ts';
import {
  artifactOf,
  containerOf,
  insert,
  leaseOf,
  ownerOf,
  type RepositoryUnderTest,
  rejection,
  volumeOf,
} from './repository-under-test.ts';

const many = Array.from({ length: 20 }, (_, index) => index);
const some = many.slice(0, 8);

export function describeRaces(world: RepositoryUnderTest): void {
  const either = (index: number): Repository => (index % 2 === 0 ? world.first : world.second);
  const owner = ownerOf('contended');

  describe('when two hosts call concurrently', () => {
    it('twenty findOrInsert insert one row, which all return and one of them holds [A13]', async () => {
      const found = await Promise.all(
        many.map(
          async (index) =>
            await either(index).containers.findOrInsert('worker', owner, leaseOf(`holder-${index}`), () =>
              containerOf(`c${index}`, owner, [volumeOf(`v${index}`, '/a')]),
            ),
        ),
      );
      expect(new Set(found.map(({ container }) => container.handle)).size).to.equal(1);
      expect(new Set(found.map(({ volumes }) => volumes.map(({ handle }) => handle).join()))).to.have.property(
        'size',
        1,
      );
      expect(found.filter(({ leased }) => leased)).to.have.length(1);
      expect([await world.count('containers'), await world.count('volumes')]).to.deep.equal([1, 1]);
    });

    it('one of twenty callers takes over a lapsed lease', async () => {
      await insert(world.first, 'contended');
      await world.lapseLeases();
      const found = await Promise.all(
        many.map(
          async (index) =>
            await either(index).containers.findOrInsert('worker', owner, leaseOf(`holder-${index}`), () =>
              containerOf(`c${index}`, owner),
            ),
        ),
      );
      expect(found.filter(({ leased }) => leased)).to.have.length(1);
      expect(new Set(found.map(({ container }) => container.handle))).to.deep.equal(new Set(['contended']));
    });

    it('a stale holder that completes, fails or fills its container during a takeover either succeeds before it or is rejected', async () => {
      const { containers, volumes } = world.first;
      const finishing = [
        async (handle: string) => await containers.markCreated(handle, 'holder'),
        async (handle: string) => await containers.markFailed(handle, 'holder'),
        async (handle: string) => await containers.recordPod(handle, 'holder', 'stale'),
        async (handle: string) => await volumes.markReady(`${handle}-source`, undefined, { holder: 'holder' }),
      ];
      for (const index of many) await insert(world.first, `c${index}`);
      await world.lapseLeases();
      const outcomes = await Promise.all(
        many.map(async (index) => {
          const handle = `c${index}`;
          const take = world.second.containers.findOrInsert('worker', ownerOf(handle), leaseOf('next'), () =>
            containerOf(`${handle}-new`, ownerOf(handle)),
          );
          const [finished, taken] = await Promise.allSettled([finishing[index % finishing.length]!(handle), take]);
          const row = await world.second.containers.lookup('worker', handle);
          const [volume] = await world.second.containers.volumesOf(handle);
          return { index, finished, taken, row: row!, isReady: volume?.readyAt !== undefined };
        }),
      );
      for (const { index, finished, taken, row, isReady } of outcomes) {
        expect(taken.status).to.equal('fulfilled');
        if (finished.status === 'rejected') {
          // The takeover was first: the stale holder changed nothing.
          expect(finished.reason).to.include({ code: 'KW_ERR_LEASE_LOST' });
          expect({ state: row.state, podUid: row.podUid, isReady }, `c${index}`).to.deep.equal({
            state: 'creating',
            podUid: undefined,
            isReady: false,
          });
        } else if (index % finishing.length < 2) {
          expect(row.state, `c${index}`).to.be.oneOf(['created', 'failed']);
        }
      }
    });

    it('late calls of earlier holders are rejected, over twenty holders in sequence', async () => {
      await insert(world.first, 'contended');
      const late: Promise<string>[] = [];
      const answer = async (promise: Promise<unknown>) =>
        await promise.then(String, (error: unknown) => (error as { code: string }).code);
      for (const index of many) {
        await world.lapseLeases();
        const found = await either(index).containers.findOrInsert('worker', owner, leaseOf(`holder-${index}`), () =>
          containerOf('x', owner),
        );
        expect(found).to.include({ leased: true, generation: index + 2 });
        const earlier = index === 0 ? 'holder' : `holder-${index - 1}`;
        late.push(
          answer(either(index + 1).containers.markFailed('contended', earlier)),
          answer(either(index).containers.markCreated('contended', earlier)),
          answer(either(index + 1).containers.releaseLease('contended', earlier)),
        );
      }
      expect(await Promise.all(late)).to.deep.equal(
        many.flatMap(() => ['KW_ERR_LEASE_LOST', 'KW_ERR_LEASE_LOST', 'false']),
      );
      expect(await world.first.containers.renewLease('contended', leaseOf('holder-19'))).to.equal(true);
    });

    it('a lapsed lease goes either to a renewal or to the reaper', async () => {
      for (const index of many) {
        await insert(world.first, `c${index}`);
      }
      await world.lapseLeases();
      const [renewed, reaped] = await Promise.all([
        Promise.all(many.map(async (index) => await world.first.containers.renewLease(`c${index}`, leaseOf('holder')))),
        world.second.containers.findDestroyable('worker', 100),
      ]);
      const lost = many.filter((index) => renewed[index] === false).map((index) => `c${index}`);
      expect(reaped.map(({ handle }) => handle).sort()).to.deep.equal(lost.sort());
    });

    it('markOwnerFinished during a markCreated leaves the container destroying', async () => {
      await Promise.all(
        many.map(async (index) => {
          await insert(world.first, `c${index}`);
          await Promise.allSettled([
            world.first.containers.markCreated(`c${index}`, 'holder'),
            world.second.containers.markOwnerFinished('worker', ownerOf(`c${index}`)),
          ]);
        }),
      );
      const states = await Promise.all(
        many.map(async (index) => (await world.first.containers.lookup('worker', `c${index}`))?.state),
      );
      expect(new Set(states)).to.deep.equal(new Set(['destroying']));
    });

    it('an owner that finishes for good during the creation of its container has no container afterwards', async () => {
      const created = await Promise.all(
        some.map(async (index) => {
          const handle = `c${index}`;
          const create = async () => {
            await insert(either(index), handle);
            await either(index).containers.markCreated(handle, 'holder');
          };
          const [creation] = await Promise.allSettled([
            create(),
            either(index + 1).containers.markOwnerFinished('worker', ownerOf(handle), { final: true }),
          ]);
          return creation;
        }),
      );
      for (const [index, creation] of created.entries()) {
        const row = await world.first.containers.lookup('worker', `c${index}`);
        expect(row?.state, `c${index}`).to.not.equal('created');
        if (creation.status === 'rejected')
          expect(creation.reason)
            .to.have.property('code')
            .that.is.oneOf(['KW_ERR_OWNER_FINISHED', 'KW_ERR_ILLEGAL_TRANSITION']);
        expect(await rejection(insert(world.second, `c${index}`))).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
      }
    });

    it('a late call that finishes an older container for good leaves the newer one, in either order', async () => {
      const { containers } = world.first;
      for (const index of some) {
        await insert(world.first, `c${index}`);
        await containers.markFailed(`c${index}`, 'holder');
      }
      const next = async (index: number) =>
        await either(index).containers.findOrInsert('worker', ownerOf(`c${index}`), leaseOf('next'), () =>
          containerOf(`next${index}`, ownerOf(`c${index}`)),
        );
      const finish = async (index: number) =>
        await either(index + 1).containers.markOwnerFinished('worker', ownerOf(`c${index}`), {
          handle: `c${index}`,
          final: true,
        });
      const outcomes = await Promise.all(
        some.map(async (index) => {
          const calls = index % 4 < 2 ? [next(index), finish(index)] : [finish(index), next(index)];
          return await Promise.allSettled(calls);
        }),
      );
      for (const index of some) {
        const row = await containers.lookup('worker', `next${index}`);
        const refused = outcomes[index]!.find(({ status }) => status === 'rejected');
        if (refused?.status === 'rejected') expect(refused.reason).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
        expect(row?.state).to.equal(refused === undefined ? 'creating' : undefined);
      }
    });

    it('a row that fails during concurrent findOrInsert is followed by one new row', async () => {
      await insert(world.first, 'contended');
      const results = await Promise.all([
        world.first.containers.markFailed('contended', 'holder'),
        ...many.map(
          async (index) =>
            await either(index).containers.findOrInsert('worker', owner, leaseOf(`holder-${index}`), () =>
              containerOf(`c${index}`, owner),
            ),
        ),
      ]);
      const handles = new Set(results.flatMap((each) => (each === undefined ? [] : [each.container.handle])));
      handles.delete('contended');
      expect(handles.size).to.be.at.most(1);
      const live = await world.query(
        `select handle from ${world.table('containers')} where state in ('creating', 'created')`,
      );
      expect(live.map((row) => row['handle'])).to.deep.equal([...handles]);
    });

    it('all properties of different names are stored [A22]', async () => {
      await insert(world.first, 'c');
      await Promise.all(
        many.map(async (index) => await either(index).containers.setProperty('c', `name-${index}`, String(index))),
      );
      expect(await world.first.containers.properties('c')).to.deep.equal(
        Object.fromEntries(many.map((index) => [`name-${index}`, String(index)])),
      );
    });

    it('one result of a process counts, and all callers read it', async () => {
      await insert(world.first, 'c');
      await Promise.all(
        many.map(
          async (index) =>
            await either(index).containers.recordProcessResult('c', 'p', {
              exitStatus: index,
              signal: undefined,
              oomKills: undefined,
            }),
        ),
      );
      expect(await world.count('processes')).to.equal(1);
    });

    it('twenty deletes of the same container count its volumes once', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      const counts = await Promise.all(many.map(async (index) => await either(index).containers.delete('c')));
      expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(2);
    });

    it('a property that is set during the delete of its container is rejected or deleted with it', async () => {
      for (const index of many) {
        await insert(world.first, `c${index}`);
        await world.first.containers.markOwnerFinished('worker', ownerOf(`c${index}`));
      }
      const outcomes = await Promise.allSettled(
        many.flatMap((index) => [
          world.first.containers.delete(`c${index}`),
          world.second.containers.setProperty(`c${index}`, 'a', 'b'),
        ]),
      );
      const codes = outcomes.flatMap((each) =>
        each.status === 'rejected' ? [(each.reason as { code: unknown }).code] : [],
      );
      expect(new Set(codes)).to.satisfy(
        (set: Set<unknown>) => set.size === 0 || (set.size === 1 && set.has('KW_ERR_CONTAINER_DISAPPEARED')),
      );
      expect(await world.count('container_properties')).to.equal(0);
    });

    it('two reapers that search the same artifact volumes find all of them together, without an error', async () => {
      for (const index of many) {
        await world.first.volumes.insertArtifact(artifactOf(`v${index}`));
        await world.first.volumes.markFailed(`v${index}`);
      }
      const seen = await Promise.all([
        world.first.volumes.findDestroyable('worker', 100),
        world.second.volumes.findDestroyable('worker', 100),
      ]);
      expect(new Set(seen.flat().map(({ handle }) => handle))).to.have.property('size', many.length);
    });
  });
}
