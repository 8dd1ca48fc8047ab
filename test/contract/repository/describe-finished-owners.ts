import { expect } from 'chai';

import type { MarkOwnerFinishedOptions } from '../../../src/repository/container-repository.ts';
import { containerOf, insert, leaseOf, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

/** Describes `markOwnerFinished` with its options, and what follows for late callers. */
export function describeFinishedOwners(world: RepositoryUnderTest): void {
  const finish = async (options?: MarkOwnerFinishedOptions) =>
    await world.second.containers.markOwnerFinished('worker', ownerOf('c'), options);
  const find = async (handle: string, holder = 'other') =>
    await world.first.containers.findOrInsert('worker', ownerOf('c'), leaseOf(holder), () =>
      containerOf(handle, ownerOf('c')),
    );
  const stateOf = async (handle: string) => (await world.first.containers.lookup('worker', handle))?.state;
  /** Records the owner as finished, as if its container had been inserted too late for the move. */
  const finishUnseen = async () => {
    const finished = world.table('finished_owners');
    await world.query(
      `insert into ${finished} (worker_name, owner_digest) select worker_name, owner_digest from ${world.table('containers')}`,
    );
  };

  describe('an owner that finishes', () => {
    context('with a handle', () => {
      it('moves the container of this handle', async () => {
        await insert(world.first, 'c');
        expect(await finish({ handle: 'c' })).to.equal(1);
        expect(await stateOf('c')).to.equal('destroying');
      });

      it('does not move a newer container', async () => {
        await insert(world.first, 'c');
        await world.first.containers.markFailed('c', 'holder');
        await find('newer');
        expect(await finish({ handle: 'c' })).to.equal(0);
        expect(await stateOf('newer')).to.equal('creating');
      });

      it('does not finish for good while a newer container is live', async () => {
        await insert(world.first, 'c');
        await world.first.containers.markFailed('c', 'holder');
        await find('newer');
        expect(await finish({ handle: 'c', final: true })).to.equal(0);
        expect(await world.count('finished_owners')).to.equal(0);
        await world.first.containers.markCreated('newer', 'other');
        expect((await find('x')).container.handle).to.equal('newer');
      });
    });

    context('without being final', () => {
      it('may have another container', async () => {
        await insert(world.first, 'c');
        await finish();
        expect((await find('again')).container.handle).to.equal('again');
      });
    });

    context('for good', () => {
      const refused = { code: 'KW_ERR_OWNER_FINISHED', owner: ownerOf('c'), workerName: 'worker' };

      it('moves its container, and a late caller inserts no other', async () => {
        await insert(world.first, 'c');
        expect(await finish({ final: true })).to.equal(1);
        expect(await stateOf('c')).to.equal('destroying');
        expect(await rejection(find('late'))).to.deep.include(refused);
        expect(await world.count('containers')).to.equal(1);
      });

      it('needs no container, and may do so again', async () => {
        expect([await finish({ final: true }), await finish({ final: true })]).to.deep.equal([0, 0]);
        expect(await rejection(find('late'))).to.deep.include(refused);
      });

      it('does not affect other owners, nor the same owner on another worker', async () => {
        await finish({ final: true });
        await insert(world.first, 'other');
        await world.first.workers.register('elsewhere');
        const { container } = await world.first.containers.findOrInsert(
          'elsewhere',
          ownerOf('c'),
          leaseOf('me'),
          () => ({ ...containerOf('there', ownerOf('c')), workerName: 'elsewhere' }),
        );
        expect(container.handle).to.equal('there');
      });

      it('lets no caller take over or complete a container that was inserted meanwhile', async () => {
        await insert(world.first, 'c');
        await finishUnseen();
        expect(await rejection(world.first.containers.markCreated('c', 'holder'))).to.deep.include(refused);
        expect(await rejection(find('x', 'holder'))).to.deep.include(refused);
        await world.lapseLeases();
        expect(await rejection(find('x'))).to.deep.include(refused);
        expect(await stateOf('c')).to.equal('creating');
        const [row] = await world.query(`select lease_holder as holder from ${world.table('containers')}`);
        expect(row).to.deep.equal({ holder: 'holder' });
        await world.first.containers.markFailed('c', 'holder');
        expect(await world.second.containers.findDestroyable('worker', 10)).to.have.length(1);
      });

      it('still has the container that was created meanwhile, until it is finished as well', async () => {
        await insert(world.first, 'c');
        await world.first.containers.markCreated('c', 'holder');
        await finishUnseen();
        expect((await find('x')).container).to.include({ handle: 'c', state: 'created' });
        expect(await world.first.containers.markCreated('c', 'holder')).to.equal(1);
      });

      it('may be used again once the record is old enough', async () => {
        await finish({ final: true });
        const { containers } = world.first;
        expect(await containers.pruneFinishedOwners('worker', 60_000)).to.equal(0);
        expect(await containers.pruneFinishedOwners('elsewhere', 0)).to.equal(0);
        await world.query(`update ${world.table('finished_owners')} set finished_at = now() - interval '61 seconds'`);
        expect(await containers.pruneFinishedOwners('worker', 60_000)).to.equal(1);
        expect((await find('again')).container.handle).to.equal('again');
      });

      it('is recorded again by each call', async () => {
        await finish({ final: true });
        await world.query(`update ${world.table('finished_owners')} set finished_at = now() - interval '61 seconds'`);
        await finish({ final: true });
        expect(await world.first.containers.pruneFinishedOwners('worker', 60_000)).to.equal(0);
      });
    });
  });
}
