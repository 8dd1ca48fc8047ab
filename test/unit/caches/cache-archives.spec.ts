import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifactStore, FakeCacheRepository, FakeVolumeRepository } from '../../../fakes/index.ts';
import type { CacheSource } from '../../../src/caches/cache-copies.ts';
import { Caches, type CachesComponents } from '../../../src/caches/caches.ts';
import { StoreUnavailableError } from '../../../src/errors/store.ts';
import type { ArchiveReference, VolumeRecord } from '../../../src/repository/records.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const archiveOf = (id: string, rawBytes = 100): ArchiveReference => ({
  id,
  store: 's3',
  key: `key-of-${id}`,
  rawBytes,
  digest: 'a'.repeat(64),
  storedBytes: 50,
  storedDigest: 'b'.repeat(64),
});

const cacheVolume = (handle: string, archive: ArchiveReference | undefined) =>
  ({ handle, store: 's3', location: {}, archive }) as unknown as VolumeRecord;

describe('Caches in an archive store', () => {
  const key = { job: 'j', step: 's', path: '/c' };
  let volumes: FakeVolumeRepository;
  let repository: FakeCacheRepository;
  let pods: FakeArtifactStore;
  let save: sinon.SinonStub;
  let insertArtifact: sinon.SinonStub;
  let caches: Caches;
  const [emit, reapSoon] = [sinon.spy(), sinon.spy()];
  const observer = { lookedUp: sinon.spy(), moved: sinon.spy() };

  const source = (more: Partial<CacheSource> = {}): CacheSource => ({
    handle: 'v',
    isArtifact: false,
    sizeBytes: undefined,
    archive: undefined,
    open: { store: pods, location: { at: 'v' } },
    ...more,
  });

  function newCaches(more: Partial<CachesComponents> = {}): Caches {
    return new Caches({
      workerName: 'w',
      volumes,
      caches: repository,
      store: pods,
      stores: new Map([['pod', pods]]),
      newId: () => 'reference',
      leaseMs: 60_000,
      copyExpiryMs: 900_000,
      timeToLiveMs: 7,
      retry: async (work) => await work(),
      archives: { service: { save }, rows: { insertArtifact }, store: 's3', budgetMs: 5_000 },
      observer,
      emit,
      reapSoon,
      clock: new VirtualClock(),
      logger: silentLogger,
      ...more,
    });
  }

  beforeEach(() => {
    [volumes, repository] = [new FakeVolumeRepository(), new FakeCacheRepository()];
    pods = new FakeArtifactStore({ name: 'pod' });
    volumes.expire.resolves(true);
    repository.find.resolves(undefined);
    repository.bless.resolves('blessed');
    repository.drop.resolves(true);
    save = sinon.stub().resolves({ archive: archiveOf('new'), isUnchanged: false, isContent: false });
    insertArtifact = sinon.stub().callsFake(async ({ handle }: { handle: string }) => cacheVolume(handle, undefined));
    for (const spy of [emit, reapSoon, observer.lookedUp, observer.moved]) spy.resetHistory();
    caches = newCaches();
  });

  it('save the content of a container’s volume, and bless a volume that refers to the archive', async () => {
    await caches.keepTaskCache(source(), key, { ttlMs: 5, purpose: 'c' });
    sinon.assert.calledOnceWithMatch(save, { handle: 'v', location: { at: 'v' } }, 's3', {
      budgetMs: 5_000,
      purpose: 'c',
      isDetached: true,
    });
    const place = { workerName: 'w', teamId: undefined, store: 's3', location: {}, timeToLiveMs: 900_000 };
    sinon.assert.calledOnceWithMatch(insertArtifact, { handle: 'reference', ...place }, 'new');
    sinon.assert.calledOnceWithMatch(repository.bless, { volume: 'reference', replace: true, timeToLiveMs: 5 });
    sinon.assert.callOrder(save, insertArtifact, repository.bless);
    sinon.assert.notCalled(volumes.insertArtifact);
    sinon.assert.calledOnceWithExactly(observer.moved, { kind: 'task', store: 's3', direction: 'in', rawBytes: 100 });
  });

  it('compare the content with the cache of the key, and change nothing if it is equal', async () => {
    const loaded = archiveOf('loaded');
    repository.find.resolves(cacheVolume('cache', loaded));
    save.resolves({ archive: loaded, isUnchanged: true, isContent: false });
    await caches.keepTaskCache(source(), key, {});
    expect(save.firstCall.args[2]).to.deep.include({ candidates: [loaded] });
    sinon.assert.notCalled(insertArtifact);
    sinon.assert.notCalled(repository.bless);
    sinon.assert.notCalled(observer.moved);
  });

  it('replace the cache of a build that has finished meanwhile', async () => {
    repository.find.resolves(cacheVolume('cache', archiveOf('of-another-build')));
    await caches.keepTaskCache(source(), key, {});
    sinon.assert.calledOnceWithMatch(repository.bless, { volume: 'reference', replace: true });
  });

  it('bless an output that has an archive by reference, without its pod', async () => {
    const archive = archiveOf('of-output');
    expect(await caches.keepResourceCache(source({ archive }), 'k', {})).to.equal(true);
    sinon.assert.notCalled(save);
    sinon.assert.calledOnceWithMatch(insertArtifact, { store: 's3' }, 'of-output');
    sinon.assert.calledOnceWithMatch(repository.bless, { kind: 'resource', volume: 'reference', replace: false });
    sinon.assert.notCalled(observer.moved);
  });

  it('save a task cache again although its volume has an archive, because it may have changed', async () => {
    const archive = archiveOf('before');
    await caches.keepTaskCache(source({ archive }), key, {});
    sinon.assert.calledOnceWithMatch(save, { archive });
  });

  it('bless a sealed artifact that is the cache of another key by reference', async () => {
    repository.bless.onFirstCall().resolves('in-use');
    await caches.keepTaskCache(source({ isArtifact: true, archive: archiveOf('a'), open: undefined }), key, {});
    sinon.assert.notCalled(save);
    sinon.assert.calledWithMatch(repository.bless.secondCall, { volume: 'reference' });
  });

  it('expire the reference of a loser, and resolve with false', async () => {
    repository.bless.resolves('lost');
    expect(await caches.keepResourceCache(source(), 'k', {})).to.equal(false);
    sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'reference');
  });

  it('bless nothing if the content cannot be saved, or its archive was deleted during the call', async () => {
    save.onFirstCall().rejects(new StoreUnavailableError({ store: 's3' }, 'away'));
    expect(await rejection(caches.keepTaskCache(source(), key, {}))).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
    insertArtifact.resolves(undefined);
    expect(await rejection(caches.keepTaskCache(source(), key, {}))).to.include({ handle: 'v' });
    sinon.assert.notCalled(repository.bless);
  });

  it('find a cache without a test of its archive', async () => {
    repository.find.resolves(cacheVolume('cache', archiveOf('a')));
    expect(await caches.findTaskCache(key, {})).to.include({ handle: 'cache' });
    sinon.assert.notCalled(pods.exists);
    sinon.assert.calledOnceWithExactly(observer.lookedUp, { kind: 'task', store: 's3', outcome: 'hit' });
  });

  it('count lookups without a cache, and bytes that fill containers', async () => {
    await caches.findResourceCache('k', {});
    sinon.assert.calledOnceWithExactly(observer.lookedUp, { kind: 'resource', store: 's3', outcome: 'miss' });
    caches.filledFrom(cacheVolume('cache', archiveOf('a')), 11);
    sinon.assert.calledOnceWithExactly(observer.moved, { kind: 'task', store: 's3', direction: 'out', rawBytes: 11 });
  });

  it('stay in pods if only outputs have a store', async () => {
    caches = newCaches({
      archives: { service: { save }, rows: { insertArtifact }, store: undefined, budgetMs: 5_000 },
    });
    pods.locate.returns({ at: 'copy' });
    pods.copy.resolves({ rawBytes: 3, digest: 'c'.repeat(64), entries: 1 });
    volumes.insertArtifact.resolves({ handle: 'copy', location: { at: 'copy' } } as unknown as VolumeRecord);
    volumes.markCreated.resolves({ handle: 'copy', location: { at: 'copy' } } as unknown as VolumeRecord);
    await caches.keepTaskCache(source({ archive: archiveOf('of-output') }), key, {});
    sinon.assert.calledOnce(pods.copy);
    sinon.assert.notCalled(save);
    await caches.keepResourceCache(source({ archive: archiveOf('of-output') }), 'k', {});
    sinon.assert.calledOnce(insertArtifact);
  });

  context('with a limit of 100 bytes for a cache', () => {
    beforeEach(() => {
      caches = newCaches({ maxKeyBytes: 100 });
    });

    const expectNotSaved = (kind: string): void => {
      sinon.assert.notCalled(repository.bless);
      sinon.assert.calledOnceWithMatch(emit, {
        kind: 'cache-not-saved',
        handle: 'v',
        cacheKind: kind,
        reason: 'too-large',
      });
    };

    it('keep what is not larger', async () => {
      expect(await caches.keepResourceCache(source(), 'k', {})).to.equal(true);
      sinon.assert.notCalled(emit);
    });

    it('stop a save as soon as it has moved more, and report it', async () => {
      save.callsFake(
        async (
          _volume: unknown,
          _store: unknown,
          options: { signal: AbortSignal; progress: (bytes: number) => void },
        ) => {
          options.progress(100);
          expect(options.signal.aborted).to.equal(false);
          options.progress(101);
          options.signal.throwIfAborted();
        },
      );
      await caches.keepTaskCache(source(), key, {});
      expectNotSaved('task');
    });

    it('bless no archive that is larger', async () => {
      save.resolves({ archive: archiveOf('large', 101), isUnchanged: true, isContent: false });
      await caches.keepTaskCache(source(), key, {});
      expect(await caches.keepResourceCache(source({ archive: archiveOf('large', 101) }), 'k', {})).to.equal(false);
      sinon.assert.notCalled(repository.bless);
      sinon.assert.calledTwice(emit);
    });

    it('bless no artifact that is larger', async () => {
      await caches.keepTaskCache(source({ isArtifact: true, sizeBytes: 101 }), key, {});
      expectNotSaved('task');
    });

    it('reject with the reason of the caller’s signal', async () => {
      const abort = new AbortController();
      save.callsFake(async (_volume: unknown, _store: unknown, { signal }: { signal: AbortSignal }) => {
        abort.abort(new Error('closing'));
        signal.throwIfAborted();
      });
      expect(await rejection(caches.keepTaskCache(source(), key, { signal: abort.signal }))).to.include({
        message: 'closing',
      });
      sinon.assert.notCalled(emit);
    });
  });
});
