import { expect } from 'chai';
import sinon from 'sinon';

import {
  FakeArtifactStore,
  FakeContainerQueries,
  FakeContainerRepository,
  FakeVolumeRepository,
} from '../../../fakes/index.ts';
import { Reaper } from '../../../src/controllers/reaper.ts';
import type { ContainerRecord, VolumeRecord } from '../../../src/repository/records.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('Reaper', () => {
  let containers: FakeContainerRepository;
  let volumes: FakeVolumeRepository;
  let store: FakeArtifactStore;
  let queries: FakeContainerQueries;
  let remove: sinon.SinonStub;
  let list: sinon.SinonStub;
  let rows: { containers: ContainerRecord[]; volumes: VolumeRecord[] };

  const container = (handle: string, podUid?: string): ContainerRecord =>
    ({
      handle,
      podName: `pod-${handle}`,
      podUid,
      state: 'destroying',
      workerName: 'w',
      owner: { kind: 'k', key: handle },
      metadata: {},
      settings: {},
      lastHijackAt: undefined,
      createdAt: new Date(0),
    }) satisfies ContainerRecord;
  const volume = (handle: string, storeName = 'pod'): VolumeRecord =>
    ({ handle, store: storeName, location: { pod: handle }, state: 'destroying' }) as unknown as VolumeRecord;
  const reap = () => reaper().reap();
  const reaper = () =>
    new Reaper({
      workerName: 'w',
      containers,
      volumes,
      queries,
      pods: { remove, list },
      stores: new Map([['pod', store]]),
      logger: silentLogger,
      hijackGraceMs: 60_000,
      finishedOwnerTtlMs: 86_400_000,
    });

  it('deletes the records of finished owners that are older than their time to live', async () => {
    await reap();
    sinon.assert.calledOnceWithMatch(containers.pruneFinishedOwners, 'w', 86_400_000);
  });

  beforeEach(() => {
    containers = new FakeContainerRepository();
    volumes = new FakeVolumeRepository();
    store = new FakeArtifactStore({ name: 'pod' });
    queries = new FakeContainerQueries();
    queries.unknownHandles.resolves([]);
    list = sinon.stub().resolves([]);
    remove = sinon.stub().resolves(true);
    rows = { containers: [], volumes: [] };
    containers.findDestroyable.callsFake(async (_worker, limit) => rows.containers.slice(0, limit));
    containers.delete.callsFake(async (handle) => {
      rows.containers = rows.containers.filter((row) => row.handle !== handle);
      return 2;
    });
    volumes.findDestroyable.callsFake(async (_worker, limit) => rows.volumes.slice(0, limit));
    volumes.delete.callsFake(async (handle) => {
      rows.volumes = rows.volumes.filter((row) => row.handle !== handle);
    });
    store.delete.resolves(true);
  });

  context('when nothing is to be deleted', () => {
    it('does nothing', async () => {
      expect(await reap()).to.deep.equal({ deletedPods: 0, deletedContainers: 0, deletedVolumes: 0 });
      sinon.assert.notCalled(remove);
    });
  });

  context('when containers and artifact volumes are to be deleted', () => {
    it('deletes the pod of each by its uid, and its row last [A43]', async () => {
      rows.containers = [container('a', 'uid-a')];
      rows.volumes = [volume('v')];
      expect(await reap()).to.deep.equal({ deletedPods: 2, deletedContainers: 1, deletedVolumes: 3 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-a', 'a', { uid: 'uid-a' });
      sinon.assert.alwaysCalledWithMatch(containers.findDestroyable, 'w', sinon.match.number, {
        hijackGraceMs: 60_000,
      });
      sinon.assert.callOrder(remove, containers.delete, store.delete, volumes.delete);
    });

    it('deletes all of them, however many exist', async () => {
      rows.containers = Array.from({ length: 57 }, (_, index) => container(`c${index}`));
      expect(await reap()).to.deep.equal({ deletedPods: 57, deletedContainers: 57, deletedVolumes: 114 });
    });

    it('deletes all others while the deletion of one takes long', async () => {
      const late = Promise.withResolvers<boolean>();
      rows.containers = Array.from({ length: 450 }, (_, index) => container(`c${index}`));
      remove.withArgs('pod-c0').returns(late.promise);
      const reaping = reap();
      while (rows.containers.length > 1) await settle();
      late.resolve(true);
      expect(await reaping).to.include({ deletedPods: 450, deletedContainers: 450 });
      sinon.assert.callCount(remove, 450);
    });

    it('does not count a pod that no longer existed, and deletes the row [A43]', async () => {
      rows = { containers: [container('a')], volumes: [volume('v')] };
      remove.resolves(false);
      store.delete.resolves(false);
      expect(await reap()).to.deep.equal({ deletedPods: 0, deletedContainers: 1, deletedVolumes: 3 });
    });
  });

  context('when one cannot be deleted', () => {
    it('keeps its row, deletes the others, and rejects with all failures at the end [A43] [A46] [A45]', async () => {
      const failure = new Error('stuck');
      rows.containers = Array.from({ length: 30 }, (_, index) => container(`c${index}`));
      rows.volumes = [volume('v1', 'lost-store'), volume('v2')];
      remove.withArgs('pod-c3').rejects(failure);
      const error = await rejection(reap());
      expect(error).to.include({ code: 'KW_ERR_RECONCILE' });
      expect(
        (error as unknown as { errors: (Error & { code?: string })[] }).errors.map((each) => each.code ?? each.message),
      ).to.deep.equal(['stuck', 'KW_ERR_STORE_NOT_CONFIGURED']);
      expect(rows.containers.map(({ handle }) => handle)).to.deep.equal(['c3']);
      expect(rows.volumes.map(({ handle }) => handle)).to.deep.equal(['v1']);
    });

    it('tries each row once, and ends, however many fail', async () => {
      rows.containers = Array.from({ length: 500 }, (_, index) => container(`c${index}`));
      remove.rejects(new Error('stuck'));
      const error = await rejection(reap());
      expect((error as unknown as { errors: Error[] }).errors).to.have.length(500);
      sinon.assert.callCount(remove, 500);
    });

    it('rejects with the failure of a search after the deletions under way have ended', async () => {
      const late = Promise.withResolvers<boolean>();
      rows.containers = [container('a')];
      containers.findDestroyable.onSecondCall().rejects(new Error('database down'));
      remove.returns(late.promise);
      let hasEnded = false;
      const reaping = rejection(reap()).finally(() => {
        hasEnded = true;
      });
      await settle();
      expect(hasEnded).to.equal(false);
      late.resolve(true);
      expect(await reaping).to.include({ message: 'database down' });
      expect(rows.containers).to.deep.equal([]);
    });
  });

  context('when the cluster has pods without a row', () => {
    const pod = (handle: string) => ({ podName: `pod-${handle}`, handle, uid: `uid-${handle}` });

    it('deletes them by their uid, and no others [A44]', async () => {
      list.resolves([pod('known'), pod('unknown')]);
      queries.unknownHandles.withArgs(['known', 'unknown']).resolves(['unknown']);
      expect(await reap()).to.include({ deletedPods: 1, deletedContainers: 0 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-unknown', 'unknown', { uid: 'uid-unknown' });
    });

    it('plans their deletion beside that of rows, and deletes nothing', async () => {
      list.resolves([pod('known'), pod('unknown')]);
      queries.unknownHandles.resolves(['unknown']);
      const row = { handle: 'c', owner: { kind: 'k', key: 'c' }, podName: 'pod-c', reason: 'failed' } as const;
      queries.findReapable.withArgs('w', 1_000, sinon.match({ hijackGraceMs: 60_000 })).resolves({
        containers: [row],
        volumes: [{ handle: 'v', reason: 'expired' }],
      });
      expect(await reaper().plan()).to.deep.equal({
        containers: [row],
        volumes: [{ handle: 'v', reason: 'expired' }],
        unknownPods: [{ podName: 'pod-unknown', handle: 'unknown' }],
      });
      sinon.assert.notCalled(remove);
      sinon.assert.notCalled(containers.findDestroyable);
      sinon.assert.notCalled(volumes.findDestroyable);
    });

    it('asks the database after the list [A44]', async () => {
      list.resolves([pod('a')]);
      await reap();
      sinon.assert.callOrder(list, queries.unknownHandles);
    });

    it('asks for at most 1,000 at once', async () => {
      list.resolves(Array.from({ length: 2_500 }, (_, index) => pod(`p${index}`)));
      queries.unknownHandles.callsFake(async (handles) => handles);
      expect(await reap()).to.include({ deletedPods: 2_500 });
      expect(queries.unknownHandles.args.map(([handles]) => handles.length)).to.deep.equal([1_000, 1_000, 500]);
    });

    it('deletes none, and rejects, if they cannot be listed or looked up [A45]', async () => {
      list.rejects(new Error('no list'));
      expect(await rejection(reap())).to.include({ code: 'KW_ERR_RECONCILE' });
      list.resolves([pod('a')]);
      queries.unknownHandles.rejects(new Error('standby'));
      expect(await rejection(reap())).to.include({ code: 'KW_ERR_RECONCILE' });
      sinon.assert.notCalled(remove);
    });

    it('deletes the others if one cannot be deleted', async () => {
      list.resolves([pod('a'), pod('b')]);
      queries.unknownHandles.resolves(['a', 'b']);
      remove.withArgs('pod-a').rejects(new Error('stuck'));
      expect(await rejection(reap())).to.include({ code: 'KW_ERR_RECONCILE' });
      sinon.assert.calledWithMatch(remove, 'pod-b', 'b');
    });
  });
});
