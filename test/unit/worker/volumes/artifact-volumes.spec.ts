import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifact, FakeArtifactStore, FakeCacheRepository, FakeVolumeRepository } from '../../../../fakes/index.ts';
import { PodFailedError } from '../../../../src/errors/pod.ts';
import type { ArchiveRepository } from '../../../../src/repository/archive-repository.ts';
import type { ArchiveReference, VolumeRecord } from '../../../../src/repository/records.ts';
import { ArtifactVolumes, type TakingVolume } from '../../../../src/worker/volumes/artifact-volumes.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const terms = { teamId: 'team', ttlMs: 5_000, store: 'pod' };
const sealed = { ...terms, store: 's3' };
const expiresAt = new Date(5_000);

const record = (handle: string): VolumeRecord => ({
  handle,
  workerName: 'w',
  kind: 'artifact',
  state: 'created',
  containerHandle: undefined,
  mountPath: undefined,
  name: undefined,
  teamId: 'team',
  store: 'pod',
  location: { at: handle },
  readyAt: undefined,
  digest: undefined,
  sizeBytes: undefined,
  expiresAt: new Date(0),
  createdAt: new Date(0),
});

describe('ArtifactVolumes', () => {
  let volumes: FakeVolumeRepository;
  let caches: FakeCacheRepository;
  let store: FakeArtifactStore;
  let clock: VirtualClock;
  let takeFrom: sinon.SinonStub;
  let artifacts: ArtifactVolumes;
  let archive: ArchiveReference | undefined;
  const rows = { insertArtifact: sinon.stub<Parameters<ArchiveRepository['insertArtifact']>, Promise<VolumeRecord>>() };
  const closed = sinon.spy();
  const streams = {
    open: sinon.spy((_handles: readonly string[]) => ({ held: Promise.resolve(), close: async () => void closed() })),
  };
  const diagnose = sinon.stub();
  const emit = sinon.spy();
  const artifact = new FakeArtifact({ handle: 'a', source: 'w' });

  beforeEach(() => {
    [volumes, caches, clock] = [new FakeVolumeRepository(), new FakeCacheRepository(), new VirtualClock()];
    store = new FakeArtifactStore({ name: 'pod' });
    store.locate.callsFake((handle) => ({ at: handle }));
    store.create.resolves();
    volumes.insertArtifact.callsFake(async ({ handle }) => record(handle));
    volumes.markCreated.callsFake(async (handle) => record(handle));
    volumes.setTimeToLive.callsFake(async (_worker, handle) => ({ ...record(handle), expiresAt }));
    volumes.expire.resolves(true);
    archive = undefined;
    rows.insertArtifact.reset();
    rows.insertArtifact.callsFake(async ({ handle }) => ({ ...record(handle), store: 's3', location: {}, expiresAt }));
    caches.postponeExpiry.resolves(true);
    takeFrom = sinon.stub().resolves();
    for (const spy of [streams.open, closed, diagnose, emit]) spy.resetHistory();
    const retry = async <T>(work: () => Promise<T>): Promise<T> => await work();
    artifacts = new ArtifactVolumes({
      temporary: {
        workerName: 'w',
        volumes,
        caches,
        store,
        newId: () => 'new',
        leaseMs: 60_000,
        copyExpiryMs: 900_000,
        retry,
        clock,
        logger: silentLogger,
      },
      pods: { diagnose },
      streams,
      volume: ({ handle }) => ({ handle, takeFrom }) as unknown as TakingVolume,
      rows,
      archiveOf: async () => archive,
      emit,
    });
  });

  const copy = (signal?: AbortSignal) => artifacts.copy(artifact, terms, ['a'], { signal });

  it('gives a copy its time to live when its content is complete, and a short one before', async () => {
    const { volume, expiresAt: until } = await copy();
    expect(volume.handle).to.equal('new');
    expect(until).to.equal(expiresAt);
    sinon.assert.calledOnceWithMatch(volumes.insertArtifact, { handle: 'new', teamId: 'team', timeToLiveMs: 900_000 });
    sinon.assert.callOrder(volumes.insertArtifact, store.create, takeFrom, volumes.setTimeToLive, emit);
    sinon.assert.calledOnceWithMatch(takeFrom, artifact);
    sinon.assert.calledOnceWithMatch(volumes.setTimeToLive, 'w', 'new', 5_000);
    sinon.assert.calledOnceWithExactly(emit, { kind: 'volume-created', handle: 'new', teamId: 'team' });
    sinon.assert.notCalled(volumes.expire);
  });

  it('keeps the reaper from the artifact until the copy is complete or has failed', async () => {
    for (const fail of [false, true]) {
      closed.resetHistory();
      const copying = Promise.withResolvers<undefined>();
      takeFrom.returns(copying.promise);
      const ended = copy().catch(() => undefined);
      await settle();
      expect(streams.open.args.at(-1)).to.deep.equal([['a']]);
      sinon.assert.notCalled(closed);
      if (fail) copying.reject(new Error('lost'));
      else copying.resolve(undefined);
      await ended;
      sinon.assert.calledOnce(closed);
    }
  });

  it('renews a copy that takes long, and stops at its end', async () => {
    const copying = Promise.withResolvers<undefined>();
    takeFrom.returns(copying.promise);
    const ended = copy();
    await settle();
    await clock.advance(300_000);
    sinon.assert.calledOnceWithMatch(caches.postponeExpiry, 'w', 'new', 900_000);
    copying.resolve(undefined);
    await ended;
    await clock.advance(900_000);
    sinon.assert.calledOnce(caches.postponeExpiry);
  });

  it('expires an incomplete copy at once, with the diagnostics of its pod', async () => {
    const error = new PodFailedError({ podName: 'p', namespace: 'n' });
    const complete = new PodFailedError({ podName: 'p', namespace: 'n', diagnostics: 'because' });
    diagnose.resolves(complete);
    takeFrom.rejects(error);
    expect(await rejection(copy())).to.equal(complete);
    sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'new');
    sinon.assert.notCalled(volumes.setTimeToLive);
    sinon.assert.notCalled(emit);
  });

  it('expires a complete copy whose time to live cannot be set', async () => {
    volumes.setTimeToLive.rejects(new Error('away'));
    expect(await rejection(copy())).to.include({ message: 'away' });
    sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'new');
    sinon.assert.notCalled(emit);
  });

  it('creates a volume in an archive store with one statement, and without a pod', async () => {
    const { volume, expiresAt: until } = await artifacts.create(sealed, {});
    expect(volume.handle).to.equal('new');
    expect(until).to.equal(expiresAt);
    sinon.assert.calledOnceWithMatch(
      rows.insertArtifact,
      { handle: 'new', workerName: 'w', teamId: 'team', store: 's3', location: {}, timeToLiveMs: 5_000 },
      undefined,
    );
    for (const stub of [volumes.insertArtifact, volumes.markCreated, store.create]) sinon.assert.notCalled(stub);
    sinon.assert.calledOnceWithExactly(emit, { kind: 'volume-created', handle: 'new', teamId: 'team' });
  });

  it('copies into an archive store without a pod, under the same terms', async () => {
    await artifacts.copy(artifact, sealed, ['a'], {});
    sinon.assert.calledOnceWithMatch(rows.insertArtifact, { store: 's3', location: {}, timeToLiveMs: 900_000 });
    sinon.assert.callOrder(rows.insertArtifact, takeFrom, volumes.setTimeToLive, emit);
    sinon.assert.notCalled(store.create);
    takeFrom.rejects(new Error('lost'));
    expect(await rejection(artifacts.copy(artifact, sealed, ['a'], {}))).to.include({ message: 'lost' });
    sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'new');
  });

  describe('of an artifact that has an archive', () => {
    const ofArchive = async () => await artifacts.copy(artifact, sealed, ['a'], {});

    beforeEach(() => {
      archive = { id: 'archive', store: 's3', rawBytes: 2_048, digest: 'd' } as ArchiveReference;
    });

    it('refers to the archive with one statement, without a stream', async () => {
      const { volume, expiresAt: until } = await ofArchive();
      expect([volume.handle, until]).to.deep.equal(['new', expiresAt]);
      sinon.assert.calledOnceWithMatch(
        rows.insertArtifact,
        { handle: 'new', workerName: 'w', teamId: 'team', store: 's3', location: {}, timeToLiveMs: 5_000 },
        'archive',
      );
      for (const stub of [streams.open, takeFrom, volumes.setTimeToLive]) sinon.assert.notCalled(stub);
      expect(emit.args.map(([event]) => event)).to.deep.equal([
        { kind: 'volume-filled', handle: 'new', path: '.', rawBytes: 2_048, digest: 'd' },
        { kind: 'volume-created', handle: 'new', teamId: 'team' },
      ]);
    });

    it('copies if the archive is deleted meanwhile, or is in another store', async () => {
      rows.insertArtifact.onFirstCall().resolves(undefined);
      await ofArchive();
      sinon.assert.calledOnce(takeFrom);
      sinon.assert.calledTwice(rows.insertArtifact);
      archive = { ...archive!, store: 'pvc' };
      await ofArchive();
      sinon.assert.calledTwice(takeFrom);
      await artifacts.copy(artifact, terms, ['a'], {});
      sinon.assert.calledThrice(takeFrom);
    });

    it('expires a row whose insert has an unknown outcome', async () => {
      rows.insertArtifact.rejects(new Error('away'));
      expect(await rejection(ofArchive())).to.include({ message: 'away' });
      sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'new');
      sinon.assert.notCalled(emit);
    });
  });

  it('rejects with the first error also if the copy cannot be expired', async () => {
    takeFrom.rejects(new Error('lost'));
    volumes.expire.rejects(new Error('away'));
    expect(await rejection(copy())).to.include({ message: 'lost' });
  });
});
