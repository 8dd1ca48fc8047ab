import { expect } from 'chai';

import type { VolumeRecord } from '../../../src/repository/records.ts';
import { archiveOf, contentOf, idOf, insertReferring, makeReady, stateOf } from './archives-under-test.ts';
import { artifactOf, insert, leaseOf, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

const id = idOf(1);
const reference = { id, store: 's3', ...contentOf(1) };
const toSource = (replaces?: string) => ({ handle: 'c-source', replaces });
const ofOlderHost = { digest: 'd'.repeat(64), sizeBytes: 7 };

export function describeArchivedVolumes(world: RepositoryUnderTest): void {
  const volume = async (handle = 'c-source'): Promise<VolumeRecord> =>
    (await world.second.volumes.lookup('worker', handle))!;
  /** Inserts a container with the volumes `c-source` and `c-result`. */
  const createContainer = async () => {
    await insert(world.first, 'c');
    await world.first.containers.markCreated('c', 'holder');
  };
  /** Makes the volume ready as a version without archives does. */
  const markReadyByOlderHost = async (handle: string) =>
    await world.query(
      `update ${world.table('volumes')} set ready_at = now(), digest = '${ofOlderHost.digest}',
       size_bytes = ${ofOlderHost.sizeBytes} where handle = '${handle}'`,
    );

  describe('a volume with an archive', () => {
    beforeEach(createContainer);

    it('has its content, digest and size after the commit, and is ready and not unsaved', async () => {
      await world.first.volumes.markReady('c-source', ofOlderHost);
      await world.first.archives.markUnsaved(['c-source']);
      await world.first.archives.begin(archiveOf(1));
      expect(await world.first.archives.commit(id, 'me', contentOf(1), toSource())).to.equal(true);
      const archived = await volume();
      expect(archived).to.deep.include({ archive: reference, digest: reference.digest, sizeBytes: reference.rawBytes });
      expect(archived.readyAt).to.be.instanceOf(Date);
      expect(archived).to.not.have.property('unsavedAt');
      expect(archived).to.include({ store: 'pod', state: 'created' });
      expect((await world.second.containers.volumesOf('c'))[0]).to.deep.equal(archived);
      expect(await volume('c-result')).to.not.have.property('archive');
    });

    it('has it after a repeated commit', async () => {
      await world.first.archives.begin(archiveOf(1));
      for (const repository of [world.first, world.second])
        expect(await repository.archives.commit(id, 'me', contentOf(1), toSource())).to.equal(true);
      expect((await volume()).archive).to.deep.equal(reference);
    });

    it('has none after it became ready with other content, which a repeated commit respects', async () => {
      await world.first.archives.begin(archiveOf(1));
      await world.first.archives.commit(id, 'me', contentOf(1), toSource());
      await world.first.archives.markUnsaved(['c-source']);
      await world.first.volumes.markReady('c-source', undefined);
      const changed = await volume();
      expect(changed).to.not.have.any.keys('archive', 'unsavedAt');
      expect(await world.first.archives.commit(id, 'me', contentOf(1), toSource())).to.equal(false);
      expect(await volume()).to.deep.equal(changed);
    });

    it('H15: has none after a host of an earlier version marked it ready, and accepts another one', async () => {
      await makeReady(world.first, 1);
      await world.first.archives.refer(id, toSource());
      await markReadyByOlderHost('c-source');
      expect(await volume()).to.not.have.property('archive');
      expect(await world.first.archives.refer(await makeReady(world.first, 2), toSource(id))).to.equal(false);
      expect(await world.first.archives.refer(idOf(2), toSource())).to.equal(true);
      expect((await volume()).archive?.id).to.equal(idOf(2));
    });

    it('is not unsaved, and only a volume without an archive becomes so, since the first time', async () => {
      await makeReady(world.first, 1);
      await world.first.archives.refer(id, toSource());
      const handles = ['c-source', 'c-result', 'none'];
      await world.first.archives.markUnsaved(handles);
      expect(await volume()).to.not.have.property('unsavedAt');
      const since = (await volume('c-result')).unsavedAt;
      expect(since).to.be.instanceOf(Date);
      await world.second.archives.markUnsaved(handles);
      expect((await volume('c-result')).unsavedAt).to.deep.equal(since);
      await world.first.volumes.markReady('c-result', undefined);
      expect(await volume('c-result')).to.not.have.property('unsavedAt');
    });

    it('counts with the size of the raw archive in the usage', async () => {
      await makeReady(world.first, 1);
      await world.first.archives.refer(id, toSource());
      const [owner] = await world.second.queries.usage('worker', { by: 'owner' });
      expect(owner).to.include({ volumes: 2, knownBytes: reference.rawBytes, volumesOfUnknownSize: 1 });
    });

    it('counts among the archives of its store, with its stored bytes', async () => {
      await makeReady(world.first, 1, { storedBytes: 30 });
      await makeReady(world.first, 2, { storedBytes: 12 });
      const { archives } = await world.second.queries.countRows('worker');
      expect(archives).to.deep.equal([{ store: reference.store, count: 2, storedBytes: 42 }]);
    });
  });

  for (const call of ['commit', 'refer'] as const) {
    describe(`${call} to a volume`, () => {
      const run = async (number: number, volumeOf: { handle: string; replaces: string | undefined }) => {
        if (call === 'refer') return await world.first.archives.refer(await makeReady(world.first, number), volumeOf);
        await world.first.archives.begin(archiveOf(number));
        return await world.first.archives.commit(idOf(number), 'me', contentOf(number), volumeOf);
      };
      const refuses = async (number: number, volumeOf: { handle: string; replaces: string | undefined }) => {
        const before = await world.query(`select * from ${world.table('volumes')}`);
        expect(await run(number, volumeOf)).to.equal(false);
        expect(await world.query(`select * from ${world.table('volumes')}`)).to.deep.equal(before);
        expect(await stateOf(world.first, idOf(number))).to.equal('ready');
      };

      it('replaces the archive that is expected, and no other', async () => {
        await createContainer();
        expect(await run(1, toSource())).to.equal(true);
        await refuses(2, toSource());
        await refuses(3, toSource(idOf(2)));
        expect(await run(4, toSource(id))).to.equal(true);
        expect((await volume()).archive?.id).to.equal(idOf(4));
        await refuses(5, { handle: 'c-result', replaces: id });
      });

      it('changes none that does not exist, has failed or is destroying', async () => {
        await refuses(1, { handle: 'none', replaces: undefined });
        await world.first.volumes.insertArtifact(artifactOf('failed'));
        await world.first.volumes.markFailed('failed');
        await refuses(2, { handle: 'failed', replaces: undefined });
        await world.first.volumes.insertArtifact(artifactOf('expired'));
        await world.first.volumes.expire('worker', 'expired');
        await refuses(3, { handle: 'expired', replaces: undefined });
      });

      it('changes one that is creating', async () => {
        await world.first.volumes.insertArtifact(artifactOf('v'));
        expect(await run(1, { handle: 'v', replaces: undefined })).to.equal(true);
        expect(await volume('v')).to.deep.include({ state: 'creating', archive: reference });
      });
    });
  }

  describe('commit to a volume with content that is newer than the attempt', () => {
    beforeEach(createContainer);

    it('changes nothing, by a host of this or an earlier version, and the archive is ready', async () => {
      await world.first.archives.begin(archiveOf(1));
      await world.second.volumes.markReady('c-source', undefined);
      expect(await world.first.archives.commit(id, 'me', contentOf(1), toSource())).to.equal(false);
      expect(await volume()).to.not.have.property('archive');
      await world.first.archives.begin(archiveOf(2));
      await markReadyByOlderHost('c-result');
      const toResult = { handle: 'c-result', replaces: undefined };
      expect(await world.first.archives.commit(idOf(2), 'me', contentOf(2), toResult)).to.equal(false);
      expect(await stateOf(world.first, id)).to.equal('ready');
    });

    it('succeeds with the next attempt, which reads the newer content, also after a take-over', async () => {
      await world.first.archives.begin(archiveOf(1, { purpose: 'c-source' }));
      await world.second.volumes.markReady('c-source', undefined);
      await world.first.archives.nextAttempt(id, leaseOf('me'));
      await world.lapseLeases();
      await world.second.volumes.markReady('c-source', undefined);
      await world.second.archives.begin(archiveOf(2, { purpose: 'c-source', lease: leaseOf('another') }));
      const content = contentOf(1, { attempt: 3 });
      expect(await world.second.archives.commit(id, 'another', content, toSource())).to.equal(true);
    });
  });

  describe('an artifact volume without a place in a pod', () => {
    const { leaseMs: _, ...artifact } = { ...artifactOf('v'), store: 's3', location: {} };

    it('is created at once, not ready without an archive, and expires like another', async () => {
      const inserted = await world.first.archives.insertArtifact({ ...artifact, timeToLiveMs: 60_000 }, undefined);
      expect(inserted).to.deep.include({
        state: 'created',
        kind: 'artifact',
        store: 's3',
        location: {},
        teamId: 'team',
      });
      expect(inserted).to.include({ readyAt: undefined, digest: undefined, sizeBytes: undefined });
      expect(inserted).to.not.have.property('archive');
      expect(inserted!.expiresAt!.getTime() - inserted!.createdAt.getTime()).to.equal(60_000);
      expect(await volume('v')).to.deep.equal(inserted);
      expect(
        await world.first.archives.refer(await makeReady(world.first, 1), { handle: 'v', replaces: undefined }),
      ).to.equal(true);
      expect((await volume('v')).archive).to.deep.equal(reference);
    });

    it('is ready with the content of a ready archive', async () => {
      await makeReady(world.first, 1);
      const inserted = await world.first.archives.insertArtifact(artifact, id);
      expect(inserted).to.deep.include({ archive: reference, digest: reference.digest, sizeBytes: reference.rawBytes });
      expect(inserted!.readyAt).to.be.instanceOf(Date);
      expect(await volume('v')).to.deep.equal(inserted);
    });

    it('is not inserted with an archive that is not ready or does not exist', async () => {
      await world.first.archives.begin(archiveOf(1));
      await world.first.archives.begin(archiveOf(2));
      await world.first.archives.abandon(idOf(2), 'me');
      for (const number of [1, 2, 3])
        expect(await world.first.archives.insertArtifact(artifact, idOf(number))).to.equal(undefined);
      expect(await world.count('volumes')).to.equal(0);
    });

    it('is rejected by a worker that is not running, with and without an archive', async () => {
      await makeReady(world.first, 1);
      await world.first.workerStates.land('worker');
      for (const archiveId of [undefined, id, idOf(2)])
        expect(await rejection(world.first.archives.insertArtifact(artifact, archiveId))).to.include({
          code: 'KW_ERR_WORKER_NOT_RUNNING',
        });
    });

    it('is rejected with the field of a value that it cannot have', async () => {
      for (const [field, changes] of [
        ['handle', { handle: '' }],
        ['store', { store: '' }],
        ['timeToLiveMs', { timeToLiveMs: -1 }],
      ] as const)
        expect(await rejection(world.first.archives.insertArtifact({ ...artifact, ...changes }, undefined))).to.include(
          {
            code: 'KW_ERR_INVALID_SPEC',
            field,
          },
        );
    });

    it('is destroyed and deleted like another, which releases the archive', async () => {
      await insertReferring(world.first, 'v', await makeReady(world.first, 1));
      await world.first.volumes.expire('worker', 'v');
      expect(await world.first.archives.findDestroyable('worker', 10, { graceMs: 0 })).to.deep.equal([]);
      const due = await world.second.volumes.findDestroyable('worker', 10);
      expect(due).to.have.length(1);
      expect(due[0]).to.deep.include({ handle: 'v', store: 's3', location: {}, archive: reference });
      expect(await world.second.volumes.deleteAll(['v'])).to.deep.equal(['v']);
      expect(await world.first.archives.findDestroyable('worker', 10, { graceMs: 0 })).to.have.length(1);
    });
  });

  describe('the archive of a container’s volume', () => {
    it('is released with the row of its container', async () => {
      await createContainer();
      await makeReady(world.first, 1);
      await world.first.archives.refer(id, toSource());
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await world.first.archives.findDestroyable('worker', 10, { graceMs: 0 })).to.deep.equal([]);
      await world.first.containers.deleteAll(['c']);
      expect(await world.first.archives.findDestroyable('worker', 10, { graceMs: 0 })).to.have.length(1);
    });
  });
}
