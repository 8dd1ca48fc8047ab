import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifactStore, FakeCacheRepository, FakeVolumeRepository } from '../../../fakes/index.ts';
import type { CacheSource } from '../../../src/caches/cache-copies.ts';
import { Caches, type CachesComponents } from '../../../src/caches/caches.ts';
import type { VolumeRecord } from '../../../src/repository/records.ts';
import type { Artifact } from '../../../src/runtime/volume.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const record = (handle: string): VolumeRecord => ({
  handle,
  workerName: 'w',
  kind: 'artifact',
  state: 'created',
  containerHandle: undefined,
  mountPath: undefined,
  name: undefined,
  teamId: undefined,
  store: 'pod',
  location: { at: handle },
  readyAt: undefined,
  digest: undefined,
  sizeBytes: undefined,
  expiresAt: undefined,
  createdAt: new Date(0),
});

describe('Caches', () => {
  const key = { job: 'j', step: 's', path: '/c' };
  const taskKey = { workerName: 'w', kind: 'task', key: '["j","s","/c"]' } as const;
  const received = { rawBytes: 1024, digest: 'a'.repeat(64), entries: 1 };
  let volumes: FakeVolumeRepository;
  let repository: FakeCacheRepository;
  let store: FakeArtifactStore;
  let clock: VirtualClock;
  let caches: Caches;
  const reapSoon = sinon.spy();
  const emit = sinon.spy();
  const observer = { lookedUp: sinon.spy(), moved: sinon.spy() };
  const source = (isArtifact: boolean): CacheSource => ({
    handle: 'v',
    isArtifact,
    sizeBytes: undefined,
    archive: undefined,
    open: { store, location: { at: 'v' } },
  });

  beforeEach(() => {
    [volumes, repository, clock] = [new FakeVolumeRepository(), new FakeCacheRepository(), new VirtualClock()];
    store = new FakeArtifactStore({ name: 'pod' });
    store.locate.callsFake((handle) => ({ at: handle }));
    store.create.resolves();
    store.exists.resolves(true);
    store.copy.resolves(received);
    volumes.insertArtifact.callsFake(async ({ handle }) => record(handle));
    volumes.markCreated.callsFake(async (handle) => record(handle));
    volumes.markReady.resolves();
    volumes.expire.resolves(true);
    repository.find.resolves(undefined);
    repository.bless.resolves('blessed');
    repository.drop.resolves(true);
    repository.postponeExpiry.resolves(true);
    reapSoon.resetHistory();
    for (const spy of [emit, observer.lookedUp, observer.moved]) spy.resetHistory();
    caches = newCaches();
  });

  function newCaches(more: Partial<CachesComponents> = {}): Caches {
    return new Caches({
      workerName: 'w',
      volumes,
      caches: repository,
      store,
      stores: new Map([['pod', store]]),
      newId: () => 'copy',
      leaseMs: 60_000,
      copyExpiryMs: 900_000,
      timeToLiveMs: 7,
      retry: async (work) => await work(),
      observer,
      emit,
      reapSoon,
      clock,
      logger: silentLogger,
      ...more,
    });
  }

  it('bless an artifact volume itself, without a copy', async () => {
    await caches.keepTaskCache(source(true), key, {});
    sinon.assert.calledOnceWithMatch(repository.bless, { ...taskKey, volume: 'v', replace: true, timeToLiveMs: 7 });
    sinon.assert.notCalled(volumes.insertArtifact);
  });

  it('bless a copy of a container’s volume after its bytes are verified', async () => {
    await caches.keepTaskCache(source(false), key, { ttlMs: 5 });
    sinon.assert.callOrder(
      volumes.insertArtifact,
      store.create,
      volumes.markCreated,
      store.copy,
      volumes.markReady,
      repository.bless,
    );
    sinon.assert.calledOnceWithMatch(volumes.insertArtifact, {
      handle: 'copy',
      teamId: undefined,
      timeToLiveMs: 900_000,
    });
    sinon.assert.calledOnceWithMatch(store.copy, { at: 'v' }, { at: 'copy' });
    sinon.assert.calledOnceWithMatch(repository.bless, { volume: 'copy', timeToLiveMs: 5 });
    sinon.assert.notCalled(volumes.expire);
  });

  it('bless a copy of an artifact volume that is the cache of another key', async () => {
    repository.bless.onFirstCall().resolves('in-use');
    await caches.keepTaskCache(source(true), key, {});
    sinon.assert.calledWithMatch(repository.bless.secondCall, { volume: 'copy' });
  });

  it('renew the expiry of a copy as long as it is copied', async () => {
    const copying = Promise.withResolvers<typeof received>();
    store.copy.returns(copying.promise);
    const keeping = caches.keepTaskCache(source(false), key, {});
    await clock.advance(300_000);
    repository.postponeExpiry.rejects(new Error('away'));
    await clock.advance(300_000);
    sinon.assert.calledTwice(repository.postponeExpiry);
    sinon.assert.alwaysCalledWithMatch(repository.postponeExpiry, 'w', 'copy', 900_000);
    copying.resolve(received);
    await keeping;
    await clock.advance(900_000);
    sinon.assert.calledTwice(repository.postponeExpiry);
  });

  for (const [when, fail] of Object.entries({
    'cannot be created': () => store.create.rejects(new Error('broken')),
    'cannot be filled': () => store.copy.rejects(new Error('broken')),
    'cannot be blessed': () => repository.bless.rejects(new Error('broken')),
  })) {
    it(`expire a copy at once that ${when}`, async () => {
      fail();
      expect(await rejection(caches.keepTaskCache(source(false), key, {}))).to.include({ message: 'broken' });
      sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'copy');
    });
  }

  it('expire the copy of a loser, and resolve with false', async () => {
    repository.bless.resolves('lost');
    expect(await caches.keepResourceCache(source(false), 'k', {})).to.equal(false);
    sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'copy');
    sinon.assert.calledOnce(reapSoon);
  });

  it('copy nothing if a resource has a valid cache', async () => {
    repository.find.resolves(record('other'));
    expect(await caches.keepResourceCache(source(false), 'k', {})).to.equal(false);
    repository.find.resolves(record('v'));
    expect(await caches.keepResourceCache(source(true), 'k', {})).to.equal(true);
    sinon.assert.notCalled(volumes.insertArtifact);
    sinon.assert.notCalled(repository.bless);
  });

  it('copy nothing from a source that is not valid', async () => {
    repository.isValid.resolves(false);
    expect(await caches.keepResourceCache(source(false), 'k', { source: 's' })).to.equal(false);
    sinon.assert.notCalled(volumes.insertArtifact);
    repository.isValid.resolves(true);
    repository.bless.resolves('refused');
    expect(await caches.keepResourceCache(source(false), 'k', { source: 's' })).to.equal(false);
    sinon.assert.calledOnceWithExactly(volumes.expire, 'w', 'copy');
  });

  it('reject a volume that is gone', async () => {
    repository.bless.resolves('refused');
    expect(await rejection(caches.keepTaskCache(source(true), key, {}))).to.include({
      code: 'KW_ERR_VOLUME_DISAPPEARED',
      handle: 'v',
    });
  });

  it('drop a cache without bytes, and conclude nothing if that cannot be determined', async () => {
    repository.find.resolves(record('v'));
    store.exists.rejects(new Error('away'));
    expect(await rejection(caches.findResourceCache('k', {}))).to.include({ message: 'away' });
    sinon.assert.notCalled(repository.drop);
    store.exists.resolves(false);
    expect(await caches.findResourceCache('k', {})).to.equal(undefined);
    sinon.assert.calledOnceWithMatch(repository.drop, { kind: 'resource', key: 'k' }, 'v');
  });

  it('stream a volume of another store into a copy', async () => {
    const other = new FakeArtifactStore({ name: 'other' });
    const archive = {} as Awaited<ReturnType<Artifact['streamOut']>>;
    other.send.resolves({ kind: 'directory', archive });
    store.receive.callsFake(async (_location, _path, from) => {
      expect(typeof from === 'function' ? await from() : from).to.equal(archive);
      return received;
    });
    await caches.keepTaskCache({ ...source(false), open: { store: other, location: { at: 'v' } } }, key, {});
    sinon.assert.calledOnceWithMatch(other.send, { at: 'v' }, '.');
  });

  it('have one key for all forms of a path [A9]', async () => {
    await caches.findTaskCache({ ...key, path: '//c/./' }, {});
    sinon.assert.calledOnceWithMatch(repository.find, taskKey);
  });

  for (const [field, wrong] of Object.entries({
    job: { ...key, job: '' },
    step: { ...key, step: 'x'.repeat(1_025) },
    path: { ...key, path: 'relative' },
  })) {
    it(`refuse an invalid ${field}, before anything is copied`, async () => {
      const error = await rejection(caches.keepTaskCache(source(false), wrong, {}));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
      sinon.assert.notCalled(volumes.insertArtifact);
    });
  }
});
