import { expect } from 'chai';

import type { Repository } from '../../../src/repository/repository.ts';
import { artifactOf, insert, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

type State = 'creating' | 'created' | 'failed' | 'destroying';

const moves: Readonly<
  Record<string, { from: readonly State[]; to: string; run: (repository: Repository) => Promise<unknown> }>
> = {
  markCreated: {
    from: ['creating', 'created'],
    to: 'created',
    run: async ({ volumes }) => await volumes.markCreated('v'),
  },
  markFailed: { from: ['creating', 'failed'], to: 'failed', run: async ({ volumes }) => await volumes.markFailed('v') },
  markReady: {
    from: ['creating', 'created'],
    to: 'ready',
    run: async ({ volumes }) => await volumes.markReady('v', undefined),
  },
};

export function describeArtifactVolumes(world: RepositoryUnderTest): void {
  const stateNow = async () => (await world.second.volumes.lookup('worker', 'v'))?.state;
  const reach = async (state: State) => {
    await world.first.volumes.insertArtifact(artifactOf('v'));
    if (state === 'created') await world.first.volumes.markCreated('v');
    if (state === 'failed') await world.first.volumes.markFailed('v');
    if (state === 'destroying') await world.first.volumes.expire('worker', 'v');
  };

  describe('an artifact volume', () => {
    it('is inserted as creating, and expires by the database’s clock', async () => {
      const volume = await world.first.volumes.insertArtifact({ ...artifactOf('v'), timeToLiveMs: 43_200_000 });
      expect(volume).to.deep.include({
        handle: 'v',
        workerName: 'worker',
        kind: 'artifact',
        state: 'creating',
        teamId: 'team',
        store: 'pod',
      });
      expect(volume).to.deep.include({
        containerHandle: undefined,
        mountPath: undefined,
        readyAt: undefined,
        location: { pod: 'pod-v' },
      });
      expect(volume.expiresAt!.getTime() - volume.createdAt.getTime()).to.equal(43_200_000);
      expect(await world.second.volumes.lookup('worker', 'v')).to.deep.equal(volume);
    });

    it('is visible only to its own worker', async () => {
      await reach('created');
      await world.first.workers.register('elsewhere');
      expect(await world.first.volumes.lookup('elsewhere', 'v')).to.equal(undefined);
      expect(await world.first.volumes.lookup('worker', 'none')).to.equal(undefined);
    });

    it('is rejected if its handle exists or its worker is not registered', async () => {
      await reach('created');
      expect(await rejection(world.first.volumes.insertArtifact(artifactOf('v')))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'handle of a volume',
      });
      const elsewhere = { ...artifactOf('w'), workerName: 'nobody' };
      expect(await rejection(world.first.volumes.insertArtifact(elsewhere))).to.include({
        code: 'KW_ERR_WORKER_NOT_RUNNING',
        workerName: 'nobody',
      });
    });

    for (const [name, { from, to, run }] of Object.entries(moves)) {
      for (const state of ['creating', 'created', 'failed', 'destroying'] as const) {
        if (from.includes(state)) {
          it(`${name} is legal while it is ${state}`, async () => {
            await reach(state);
            await run(world.first);
            expect(await stateNow()).to.equal(to === 'ready' ? state : to);
          });
        } else {
          it(`${name} is an illegal transition while it is ${state}`, async () => {
            await reach(state);
            expect(await rejection(run(world.first))).to.include({
              code: 'KW_ERR_ILLEGAL_TRANSITION',
              from: state,
              to,
            });
            expect(await stateNow()).to.equal(state);
          });
        }
      }

      it(`${name} throws VolumeDisappearedError if its row does not exist`, async () => {
        expect(await rejection(run(world.first))).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED', handle: 'v' });
      });
    }

    it('stores the digest and the size of the last content, also beyond 32 bits', async () => {
      await reach('created');
      await world.first.volumes.markReady('v', { digest: 'a'.repeat(64), sizeBytes: 10 });
      await world.first.volumes.markReady('v', { digest: 'b'.repeat(64), sizeBytes: 2 ** 50 });
      const volume = await world.second.volumes.lookup('worker', 'v');
      expect(volume).to.include({ digest: 'b'.repeat(64), sizeBytes: 2 ** 50 });
      expect(volume!.readyAt!.getTime()).to.be.at.least(volume!.createdAt.getTime());
    });

    it('keeps the digest of the last complete content when a change has none', async () => {
      await reach('created');
      await world.first.volumes.markReady('v', { digest: 'a'.repeat(64), sizeBytes: 10 });
      await world.first.volumes.markReady('v', undefined);
      expect(await world.second.volumes.lookup('worker', 'v')).to.include({ digest: 'a'.repeat(64), sizeBytes: 10 });
    });

    it('rejects an invalid digest', async () => {
      await reach('created');
      expect(await rejection(world.first.volumes.markReady('v', { digest: 'sha256:x', sizeBytes: 1 }))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
      });
    });

    for (const state of ['creating', 'created', 'failed', 'destroying'] as const) {
      it(`expires while it is ${state}, idempotently`, async () => {
        await reach(state);
        expect(await world.first.volumes.expire('worker', 'v')).to.equal(true);
        expect(await world.second.volumes.expire('worker', 'v')).to.equal(true);
        expect(await stateNow()).to.equal('destroying');
      });
    }

    it('has the time to live that is set last, from now and from each later use', async () => {
      await world.first.volumes.insertArtifact({ ...artifactOf('v'), timeToLiveMs: 43_200_000 });
      await world.first.volumes.markCreated('v');
      const leftMs = async () => (await world.second.volumes.lookup('worker', 'v'))!.expiresAt!.getTime() - Date.now();
      const kept = await world.first.volumes.setTimeToLive('worker', 'v', 600_000);
      expect(await world.second.volumes.lookup('worker', 'v')).to.deep.equal(kept);
      expect(await leftMs()).to.be.within(500_000, 700_000);
      await world.first.volumes.setTimeToLive('worker', 'v', 86_400_000);
      await world.first.streams.hold('s', ['v'], 1_000);
      expect(await leftMs()).to.be.within(86_000_000, 87_000_000);
    });

    for (const state of ['creating', 'failed', 'destroying'] as const) {
      it(`is not kept while it is ${state}`, async () => {
        await reach(state);
        expect(await rejection(world.first.volumes.setTimeToLive('worker', 'v', 1_000))).to.include({
          code: 'KW_ERR_ILLEGAL_TRANSITION',
          from: state,
        });
      });
    }

    it('is kept only by its own worker; a container’s volume never is', async () => {
      await reach('created');
      await insert(world.first, 'c');
      await world.first.workers.register('elsewhere');
      const keeping = (worker: string, handle: string) =>
        rejection(world.first.volumes.setTimeToLive(worker, handle, 1_000));
      expect(await keeping('worker', 'none')).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED' });
      expect(await keeping('elsewhere', 'v')).to.include({ code: 'KW_ERR_ILLEGAL_TRANSITION' });
      expect(await keeping('worker', 'c-source')).to.include({ code: 'KW_ERR_ILLEGAL_TRANSITION' });
    });

    it('expires only through its own worker; a container’s volume never does', async () => {
      await reach('created');
      await insert(world.first, 'c');
      await world.first.workers.register('elsewhere');
      expect(await world.first.volumes.expire('elsewhere', 'v')).to.equal(false);
      expect(await world.first.volumes.expire('worker', 'c-source')).to.equal(false);
      expect(await world.first.volumes.expire('worker', 'none')).to.equal(false);
      expect(await stateNow()).to.equal('created');
    });
  });

  describe('findDestroyable of artifact volumes', () => {
    const find = async (limit = 10) =>
      (await world.first.volumes.findDestroyable('worker', limit)).map(({ handle, state }) => [handle, state]);

    it('skips created volumes, creating volumes under a lease, and volumes of containers', async () => {
      await reach('created');
      await world.first.volumes.insertArtifact(artifactOf('w'));
      await insert(world.first, 'c');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await find()).to.deep.equal([]);
    });

    it('returns a creating volume whose lease has lapsed', async () => {
      await reach('creating');
      await world.lapseLeases();
      expect(await find()).to.deep.equal([['v', 'destroying']]);
      expect(await rejection(world.second.volumes.markCreated('v'))).to.include({
        code: 'KW_ERR_ILLEGAL_TRANSITION',
        from: 'destroying',
      });
    });

    for (const state of ['creating', 'created'] as const) {
      it(`returns a ${state} volume that has expired`, async () => {
        await reach(state);
        await world.query(`update ${world.table('volumes')} set expires_at = now() - interval '1 millisecond'`);
        expect(await find()).to.deep.equal([['v', 'destroying']]);
      });
    }

    for (const state of ['failed', 'destroying'] as const) {
      it(`returns a ${state} volume until it is deleted`, async () => {
        await reach(state);
        expect(await find()).to.deep.equal([['v', 'destroying']]);
        expect(await find()).to.deep.equal([['v', 'destroying']]);
        await world.first.volumes.delete('v');
        expect(await find()).to.deep.equal([]);
      });
    }

    it('returns at most `limit` volumes, oldest first', async () => {
      for (const [index, handle] of ['c', 'b', 'a'].entries()) {
        await world.first.volumes.insertArtifact(artifactOf(handle));
        await world.first.volumes.expire('worker', handle);
        await world.query(
          `update ${world.table('volumes')} set created_at = now() - interval '${10 - index} minutes' where handle = '${handle}'`,
        );
      }
      expect(await find(2)).to.deep.equal([
        ['c', 'destroying'],
        ['b', 'destroying'],
      ]);
    });
  });

  describe('delete of an artifact volume', () => {
    it('removes a destroying volume, and does nothing if the row no longer exists', async () => {
      await reach('destroying');
      await world.first.volumes.delete('v');
      await world.first.volumes.delete('v');
      expect(await stateNow()).to.equal(undefined);
    });

    for (const state of ['creating', 'created', 'failed'] as const) {
      it(`is an illegal transition while it is ${state}`, async () => {
        await reach(state);
        expect(await rejection(world.first.volumes.delete('v'))).to.include({
          code: 'KW_ERR_ILLEGAL_TRANSITION',
          from: state,
          to: 'deleted',
        });
      });
    }

    it('is an illegal transition of a container’s volume, which is deleted with its container', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await rejection(world.first.volumes.delete('c-source'))).to.include({ code: 'KW_ERR_ILLEGAL_TRANSITION' });
      expect(await world.first.containers.volumesOf('c')).to.have.length(2);
    });
  });
}
