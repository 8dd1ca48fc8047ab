import { expect } from 'chai';
import sinon from 'sinon';

import { PodDeletedError } from '../../../../src/errors/pod.ts';
import { StoreNotConfiguredError, VolumeDisappearedError } from '../../../../src/errors/repository.ts';
import {
  ArchiveDamagedError,
  ArchiveMissingError,
  StoreDeniedError,
  StoreUnavailableError,
} from '../../../../src/errors/store.ts';
import { DiskFullError } from '../../../../src/errors/transfer.ts';
import type { Artifact } from '../../../../src/runtime/volume.ts';
import type { TakeOptions } from '../../../../src/worker/volumes/volume-content.ts';
import { CreationRig, found, input } from '../../../support/creation/creation-rig.ts';
import { rejection } from '../../../support/rejection.ts';

describe('findOrCreateContainer with task caches', () => {
  const folder = { ...input, handle: 'v-2', kind: 'cache' as const, mountPath: '/cache' };
  const key = { job: 'j', step: 's', path: '/cache' };
  const cacheOf = (handle: string) => ({ ...input, kind: 'artifact' as const, handle, sizeBytes: 1024 });
  let rig: CreationRig;
  /** What the transfer from each artifact does. */
  let transfers: Record<string, () => Promise<{ rawBytes: number }>>;

  const events = () => rig.delegate.progress.args.map(([{ at: _at, podName: _pod, ...event }]) => event);
  const cacheEvents = () => events().filter(({ kind }) => kind === 'streaming-cache' || kind === 'cache-lost');
  const creating = (volumes = [input, folder]) => ({ ...found('creating', true), volumes });

  beforeEach(() => {
    rig = new CreationRig();
    rig.taskCache = { job: 'j', step: 's' };
    rig.containers.findOrInsert.resolves(creating());
    transfers = {};
    rig.takeFrom.callsFake(async ({ handle }: Artifact, _options: TakeOptions) => {
      return (await transfers[handle]?.()) ?? { rawBytes: 2048 };
    });
  });

  it('fills the folder of a cache under the lease, and reports it', async () => {
    rig.caches.findTaskCache.resolves(cacheOf('cached'));
    await rig.findOrCreate();
    sinon.assert.calledOnceWithMatch(rig.caches.findTaskCache, key);
    const facts = { kind: 'streaming-cache', path: '/cache', handle: 'cached' };
    expect(cacheEvents()).to.deep.equal([
      { ...facts, receivedBytes: 0, totalBytes: 1024, isComplete: false },
      { ...facts, receivedBytes: 2048, totalBytes: 2048, isComplete: true },
    ]);
    const { lastCall } = rig.takeFrom.withArgs(sinon.match({ handle: 'cached' }));
    expect((lastCall.args[1] as TakeOptions).lease).to.include({ generation: 7 });
    expect(events().at(-2)).to.deep.equal({ kind: 'inputs-done' });
    sinon.assert.calledOnceWithMatch(rig.caches.filledFrom, { handle: 'cached' }, 2048);
  });

  it('leaves the folder empty without a cache', async () => {
    rig.caches.findTaskCache.resolves(undefined);
    expect((await rig.findOrCreate()).created).to.equal(true);
    expect(cacheEvents()).to.deep.equal([]);
  });

  it('keeps what an earlier holder has filled', async () => {
    rig.containers.findOrInsert.resolves(creating([input, { ...folder, readyAt: new Date(0) }]));
    await rig.findOrCreate();
    sinon.assert.notCalled(rig.caches.findTaskCache);
  });

  it('begins with an empty folder if the cache disappears, drops it and reports it', async () => {
    rig.caches.findTaskCache.onFirstCall().resolves(cacheOf('gone'));
    transfers['gone'] = async () => await Promise.reject(new VolumeDisappearedError('gone', 'w'));
    expect((await rig.findOrCreate()).created).to.equal(true);
    sinon.assert.calledOnceWithMatch(rig.caches.dropTaskCache, key, 'gone');
    expect(cacheEvents().map(({ kind }) => kind)).to.deep.equal(['streaming-cache', 'cache-lost']);
  });

  for (const error of [
    new ArchiveMissingError({ store: 's3', key: 'k' }),
    new ArchiveDamagedError({ store: 's3', key: 'k' }, 'its bytes differ'),
  ])
    it(`begins with an empty folder if the archive of the cache is lost: ${error.code}`, async () => {
      rig.caches.findTaskCache.onFirstCall().resolves(cacheOf('lost'));
      transfers['lost'] = async () => await Promise.reject(error);
      expect((await rig.findOrCreate()).created).to.equal(true);
      sinon.assert.calledOnceWithMatch(rig.caches.dropTaskCache, key, 'lost');
      expect(cacheEvents().at(-1)).to.include({ kind: 'cache-lost', handle: 'lost', message: error.message });
    });

  for (const error of [
    new StoreUnavailableError({ store: 's3', key: 'k' }, 'no answer'),
    new StoreDeniedError({ store: 's3', key: 'k' }, 's3:GetObject', 'denied'),
    new StoreNotConfiguredError('s3'),
  ])
    it(`begins with an empty folder, and keeps the cache, if its store cannot be used: ${error.code}`, async () => {
      rig.caches.findTaskCache.resolves(cacheOf('stored'));
      transfers['stored'] = async () => await Promise.reject(error);
      expect((await rig.findOrCreate()).created).to.equal(true);
      sinon.assert.calledOnce(rig.caches.findTaskCache);
      sinon.assert.notCalled(rig.caches.dropTaskCache);
      expect(cacheEvents().at(-1)).to.include({ kind: 'cache-lost', message: error.message });
    });

  it('takes the cache of a build that has finished meanwhile', async () => {
    rig.caches.findTaskCache.onFirstCall().resolves(cacheOf('replaced'));
    rig.caches.findTaskCache.onSecondCall().resolves(cacheOf('newer'));
    transfers['replaced'] = async () =>
      await Promise.reject(new PodDeletedError({ namespace: 'ci', podName: 'cache-pod' }));
    await rig.findOrCreate();
    expect(cacheEvents().at(-1)).to.include({ handle: 'newer', isComplete: true });
  });

  it('leaves the folder empty after three lost caches', async () => {
    rig.caches.findTaskCache.resolves(cacheOf('gone'));
    transfers['gone'] = async () => await Promise.reject(new VolumeDisappearedError('gone', 'w'));
    await rig.findOrCreate();
    sinon.assert.calledThrice(rig.caches.findTaskCache);
  });

  it('fails once with a cache that may be the reason of a failure, which the next attempt does not find', async () => {
    rig.caches.findTaskCache.resolves(cacheOf('large'));
    transfers['large'] = async () => await Promise.reject(new DiskFullError({ handle: 'v-2' }, 'no space'));
    expect(await rejection(rig.findOrCreate())).to.include({ code: 'KW_ERR_DISK_FULL' });
    sinon.assert.calledOnceWithMatch(rig.caches.dropTaskCache, key, 'large');
  });

  it('keeps the cache if the container’s own pod ends', async () => {
    rig.caches.findTaskCache.resolves(cacheOf('cached'));
    const cause = new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
    transfers['cached'] = async () => await Promise.reject(new VolumeDisappearedError('v-2', 'w', { cause }));
    expect(await rejection(rig.findOrCreate())).to.equal(cause);
    sinon.assert.notCalled(rig.caches.dropTaskCache);
  });
});
