import { Readable } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifactStore, FakeVolumeRepository } from '../../../../fakes/index.ts';
import { VolumeDisappearedError } from '../../../../src/errors/repository.ts';
import { ArchiveDamagedError, ArchiveMissingError } from '../../../../src/errors/store.ts';
import { DigestMismatchError } from '../../../../src/errors/transfer.ts';
import type { ArchiveReference, VolumeRecord } from '../../../../src/repository/records.ts';
import { SnapshotContent } from '../../../../src/worker/volumes/snapshot-content.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';

const digest = 'd'.repeat(64);
const content = { rawBytes: 2048, digest, storedBytes: 5, storedDigest: 'e'.repeat(64) };
const archive: ArchiveReference = { id: 'a', store: 's3', key: 'k-1', ...content };
const next: ArchiveReference = { ...archive, id: 'b', key: 'k-2' };
const received = { rawBytes: 2048, digest, entries: 1 };
const missing = new ArchiveMissingError({ store: 's3', key: 'k-1' });
const damaged = new ArchiveDamagedError({ store: 's3', key: 'k-1' }, 'another digest');
const gone = new VolumeDisappearedError('out', 'w');

describe('SnapshotContent', () => {
  let volumes: FakeVolumeRepository;
  let store: FakeArtifactStore;
  let archives: { load: sinon.SinonStub; open: sinon.SinonStub; relay: sinon.SinonStub };
  const sent = () => ({ kind: 'directory' as const, archive: Readable.from([]) });
  const has = (reference: ArchiveReference | undefined): VolumeRecord =>
    ({ handle: 'out', archive: reference }) as VolumeRecord;
  const contentOf = (handle: string, service = archives): SnapshotContent =>
    new SnapshotContent(
      { handle, workerName: 'w', location: { at: handle } },
      { volumes, store, retry: async (work) => await work(), archives: service, logger: silentLogger },
    );

  beforeEach(() => {
    volumes = new FakeVolumeRepository();
    volumes.lookup.resolves(has(archive));
    store = new FakeArtifactStore({ name: 'pod' });
    archives = {
      load: sinon.stub().resolves(received),
      open: sinon.stub().callsFake(async () => sent()),
      relay: sinon.stub().resolves(received),
    };
  });

  describe('send()', () => {
    it('reads the archive of the volume as it is now, and not from the pod', async () => {
      await contentOf('out').send('a/b');
      sinon.assert.calledOnceWithMatch(archives.open, archive, 'a/b');
      sinon.assert.notCalled(store.send);
    });

    it('reads from the pod if there is no archive', async () => {
      volumes.lookup.resolves(has(undefined));
      store.send.resolves(sent());
      await contentOf('out').send('a/b');
      sinon.assert.calledOnceWithMatch(store.send, { at: 'out' }, 'a/b');
      sinon.assert.notCalled(archives.open);
    });

    it('reads an archive that was saved while the pod was deleted', async () => {
      volumes.lookup.onFirstCall().resolves(has(undefined)).onSecondCall().resolves(has(archive));
      store.send.rejects(gone);
      await contentOf('out').send('.');
      sinon.assert.calledOnceWithMatch(archives.open, archive, '.');
    });

    it('rejects with the error of the pod if nothing was saved', async () => {
      volumes.lookup.resolves(has(undefined));
      store.send.rejects(gone);
      expect(await rejection(contentOf('out').send('.'))).to.equal(gone);
    });

    it('reads the successor of an archive that is missing', async () => {
      volumes.lookup.onFirstCall().resolves(has(archive)).onSecondCall().resolves(has(next));
      archives.open.onFirstCall().rejects(missing);
      await contentOf('out').send('.');
      sinon.assert.calledWithMatch(archives.open.secondCall, next, '.');
    });

    for (const lost of [missing, damaged]) {
      it(`reads from the pod if the archive is lost: ${lost.code}`, async () => {
        archives.open.rejects(lost);
        store.send.resolves(sent());
        await contentOf('out').send('.');
        sinon.assert.calledOnceWithMatch(store.send, { at: 'out' }, '.');
      });

      it(`rejects with volume and key if the pod no longer exists either: ${lost.code}`, async () => {
        archives.open.rejects(lost);
        store.send.rejects(gone);
        const error = await rejection(contentOf('out').send('.'));
        expect(error).to.include({ code: lost.code, store: 's3', key: 'k-1', volume: 'out', cause: lost });
      });
    }

    it('rejects with any other error of the store', async () => {
      const error = new Error('away');
      archives.open.rejects(error);
      expect(await rejection(contentOf('out').send('.'))).to.equal(error);
      sinon.assert.notCalled(store.send);
    });
  });

  describe('take()', () => {
    const lease = { holder: 'me', generation: 7 };

    it('unpacks the archive under the fence, and marks the volume ready under the lease', async () => {
      const progress = (): void => undefined;
      expect(await contentOf('in').take(contentOf('out'), { lease, progress })).to.equal(received);
      sinon.assert.calledOnceWithMatch(archives.load, archive, { at: 'in' }, { generation: 7, progress });
      sinon.assert.calledOnceWithMatch(volumes.markReady, 'in', { digest, sizeBytes: 2048 }, { holder: 'me' });
      sinon.assert.notCalled(archives.relay);
    });

    it('copies from pod to pod if there is no archive, and records only a digest that the host has computed', async () => {
      volumes.lookup.resolves(has(undefined));
      const progress = (): void => undefined;
      expect(await contentOf('in').take(contentOf('out'), { lease, progress })).to.equal(received);
      sinon.assert.calledOnceWithMatch(archives.relay, { at: 'out' }, { at: 'in' }, { generation: 7, progress });
      sinon.assert.calledOnceWithMatch(volumes.markReady, 'in', { digest, sizeBytes: 2048 }, { holder: 'me' });
      // Its digest is that of both agents, which one user may have changed.
      sinon.assert.notCalled(store.copy);
    });

    it('marks nothing ready if the bytes of the pod do not have its digest', async () => {
      volumes.lookup.resolves(has(undefined));
      const failure = new DigestMismatchError({}, 'differs');
      archives.relay.rejects(failure);
      expect(await rejection(contentOf('in').take(contentOf('out')))).to.equal(failure);
      sinon.assert.notCalled(volumes.markReady);
    });

    it('has no short way from a store of another kind', async () => {
      volumes.lookup.resolves(has(undefined));
      const other = new FakeArtifactStore({ name: 'other' });
      const from = new SnapshotContent(
        { handle: 'out', workerName: 'w', location: {} },
        { volumes, store: other, retry: async (work) => await work(), archives, logger: silentLogger },
      );
      expect(await contentOf('in').take(from)).to.equal(undefined);
      sinon.assert.notCalled(archives.relay);
    });

    it('copies from the pod of the producer if the archive is lost', async () => {
      archives.load.rejects(damaged);
      expect(await contentOf('in').take(contentOf('out'))).to.equal(received);
      sinon.assert.calledOnce(volumes.markReady);
    });

    it('does not use the archive of another service, whose stores may be others', async () => {
      await contentOf('in').take(contentOf('out', { ...archives }));
      sinon.assert.notCalled(archives.load);
      sinon.assert.calledOnce(archives.relay);
    });
  });

  it('receive() unpacks into the pod', async () => {
    store.receive.resolves(received);
    await contentOf('out').receive('.', Readable.from([]));
    sinon.assert.calledOnceWithMatch(store.receive, { at: 'out' }, '.');
    sinon.assert.calledOnce(volumes.markReady);
  });
});
