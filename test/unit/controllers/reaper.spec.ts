import { expect } from 'chai';
import sinon from 'sinon';

import {
  FakeArtifactStore,
  FakeContainerQueries,
  FakeContainerRepository,
  FakeVolumeRepository,
} from '../../../fakes/index.ts';
import { type PassOptions, Reaper } from '../../../src/controllers/reaper.ts';
import type { ReaperComponents } from '../../../src/controllers/reaper-components.ts';
import type { ContainerRecord, VolumeRecord } from '../../../src/repository/records.ts';
import { ArchiveRows, archiveId, installationId, keyOf } from '../../support/archives/archive-rows.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { untraced } from '../../support/untraced.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('Reaper', () => {
  let containers: FakeContainerRepository;
  let volumes: FakeVolumeRepository;
  let store: FakeArtifactStore;
  let queries: FakeContainerQueries;
  let remove: sinon.SinonStub;
  let list: sinon.SinonStub;
  let findMissing: sinon.SinonStub;
  let oldAgents: { find: sinon.SinonStub; remove: sinon.SinonStub };
  let clock: VirtualClock;
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
  const reap = (options: PassOptions = {}) => reaper().reap(options);
  const nothing = {
    deletedPods: 0,
    deletedContainers: 0,
    deletedVolumes: 0,
    deletedConfigMaps: 0,
    deletedArchives: 0,
    deletedKeys: 0,
    complete: true,
  };
  const errorsOf = (error: Error) =>
    (error as unknown as { errors: (Error & { code?: string })[] }).errors.map((each) => each.code ?? each.message);
  const reaper = (more: Partial<ReaperComponents> = {}) =>
    new Reaper({
      workerName: 'w',
      containers,
      volumes,
      queries,
      pods: { remove, list, findMissing },
      stores: new Map([['pod', store]]),
      oldAgents,
      clock,
      logger: silentLogger,
      hijackGraceMs: 60_000,
      keeping: { leaseGraceMs: 2_000, maxKept: 50, maxKeptMs: 1_000 },
      finishedOwnerTtlMs: 86_400_000,
      reservations: { prune: async () => 0 },
      emit: () => undefined,
      tracing: untraced,
      ...more,
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
    queries.unknownWorkers.resolves([]);
    findMissing = sinon.stub().callsFake(async (pods: readonly unknown[]) => pods.map(() => false));
    store.findMissing.callsFake(async (locations) => locations.map(() => false));
    oldAgents = { find: sinon.stub().resolves([]), remove: sinon.stub().resolves(true) };
    clock = new VirtualClock();
    list = sinon.stub().resolves([]);
    remove = sinon.stub().resolves(true);
    rows = { containers: [], volumes: [] };
    containers.findDestroyable.callsFake(async (_worker, limit) => rows.containers.slice(0, limit));
    containers.delete.callsFake(async (handle) => {
      rows.containers = rows.containers.filter((row) => row.handle !== handle);
      return 2;
    });
    containers.deleteAll.callsFake(async (handles) => {
      const deleted = rows.containers.filter(({ handle }) => handles.includes(handle)).map(({ handle }) => handle);
      rows.containers = rows.containers.filter(({ handle }) => !handles.includes(handle));
      return { handles: deleted, volumes: deleted.length * 2 };
    });
    volumes.deleteAll.callsFake(async (handles) => {
      const deleted = rows.volumes.filter(({ handle }) => handles.includes(handle)).map(({ handle }) => handle);
      rows.volumes = rows.volumes.filter(({ handle }) => !handles.includes(handle));
      return deleted;
    });
    volumes.findDestroyable.callsFake(async (_worker, limit) => rows.volumes.slice(0, limit));
    volumes.delete.callsFake(async (handle) => {
      rows.volumes = rows.volumes.filter((row) => row.handle !== handle);
    });
    store.delete.resolves(true);
  });

  it('reports its counts and failures as an event, and deletes lapsed reservations', async () => {
    const [emit, prune] = [sinon.spy(), sinon.stub().resolves(0)];
    rows.containers = [container('a'), container('b')];
    remove.onFirstCall().rejects(new Error('stuck'));
    const { length } = rows.containers;
    await rejection(reaper({ emit, reservations: { prune } }).reap());
    sinon.assert.calledOnceWithMatch(prune, 'w');
    const counts = {
      deletedPods: length - 1,
      deletedContainers: length - 1,
      deletedVolumes: 2,
      deletedConfigMaps: 0,
      deletedArchives: 0,
      deletedKeys: 0,
    };
    sinon.assert.calledOnceWithExactly(emit, { kind: 'reaped', ...counts, complete: true, failures: 1 });
  });

  context('when nothing is to be deleted', () => {
    it('does nothing', async () => {
      expect(await reap()).to.deep.equal(nothing);
      sinon.assert.notCalled(remove);
      sinon.assert.notCalled(findMissing);
    });
  });

  context('when containers and artifact volumes are to be deleted', () => {
    it('deletes the pod of each by its uid, and its row last [A43]', async () => {
      rows.containers = [container('a', 'uid-a')];
      rows.volumes = [volume('v')];
      expect(await reap()).to.deep.equal({ ...nothing, deletedPods: 2, deletedContainers: 1, deletedVolumes: 3 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-a', 'a', { uid: 'uid-a' });
      sinon.assert.alwaysCalledWithMatch(containers.findDestroyable, 'w', sinon.match.number, {
        hijackGraceMs: 60_000,
        maxKept: 50,
        maxKeptMs: 1_000,
      });
      sinon.assert.callOrder(remove, containers.delete, store.delete, volumes.delete);
    });

    it('deletes all of them, however many exist', async () => {
      rows.containers = Array.from({ length: 57 }, (_, index) => container(`c${index}`));
      expect(await reap()).to.deep.equal({
        ...nothing,
        deletedPods: 57,
        deletedContainers: 57,
        deletedVolumes: 114,
      });
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
      expect(await reap()).to.deep.equal({ ...nothing, deletedContainers: 1, deletedVolumes: 3 });
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
      expect(errorsOf(error)).to.deep.equal(['stuck', 'KW_ERR_STORE_NOT_CONFIGURED']);
      expect(rows.containers.map(({ handle }) => handle)).to.deep.equal(['c3']);
      expect(rows.volumes.map(({ handle }) => handle)).to.deep.equal(['v1']);
    });

    it('tries each row once, and ends, however many fail', async () => {
      rows.containers = Array.from({ length: 500 }, (_, index) => container(`c${index}`));
      remove.rejects(new Error('stuck'));
      const error = await rejection(reap());
      expect(errorsOf(error)).to.have.length(500);
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
    const pod = (handle: string, workerName = 'w') => ({
      podName: `pod-${handle}`,
      workerName,
      handle,
      uid: `uid-${handle}`,
    });

    it('deletes them by their uid, and no others [A44]', async () => {
      list.resolves([pod('known'), pod('unknown')]);
      queries.unknownHandles.withArgs(['known', 'unknown']).resolves(['unknown']);
      expect(await reap()).to.include({ deletedPods: 1, deletedContainers: 0 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-unknown', 'unknown', { uid: 'uid-unknown' });
    });

    it('reports those that it could not delete, and the config maps, as left behind', async () => {
      list.resolves([pod('one'), pod('two'), pod('three')]);
      queries.unknownHandles.resolves(['one', 'two']);
      remove.withArgs('pod-two').rejects(new Error('stuck'));
      oldAgents.find.resolves([{ name: 'a' }, { name: 'b' }]);
      oldAgents.remove.onSecondCall().rejects(new Error('forbidden'));
      const upkeep = { reaped: sinon.spy(), leftBehind: sinon.spy() };
      await rejection(reaper({ upkeep }).reap());
      expect(upkeep.leftBehind.args).to.deep.equal([[{ pods: 1, configMaps: 1 }]]);
      expect(upkeep.reaped.called).to.equal(false);
    });

    it('reports nothing as left behind by a pass that does not look for them', async () => {
      const upkeep = { reaped: sinon.spy(), leftBehind: sinon.spy() };
      await reaper({ upkeep }).reap({ findUnknown: false });
      expect(upkeep.leftBehind.called).to.equal(false);
    });

    it('plans their deletion beside that of rows, and deletes nothing', async () => {
      list.resolves([pod('known'), pod('unknown')]);
      queries.unknownHandles.resolves(['unknown']);
      const row = { handle: 'c', owner: { kind: 'k', key: 'c' }, podName: 'pod-c', reason: 'failed' } as const;
      queries.findReapable
        .withArgs(
          'w',
          1_000,
          sinon.match({ hijackGraceMs: 60_000, leaseGraceMs: 2_000, maxKept: 50, maxKeptMs: 1_000 }),
        )
        .resolves({
          containers: [row],
          volumes: [{ handle: 'v', reason: 'expired' }],
        });
      oldAgents.find.resolves([{ name: 'old', uid: 'u', createdAt: new Date(0) }]);
      expect(await reaper().plan()).to.deep.equal({
        containers: [row],
        volumes: [{ handle: 'v', reason: 'expired' }],
        unknownPods: [{ podName: 'pod-unknown', handle: 'unknown' }],
        configMaps: [{ name: 'old', createdAt: new Date(0) }],
        archives: [],
      });
      sinon.assert.notCalled(remove);
      sinon.assert.notCalled(oldAgents.remove);
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

    it('deletes those of a worker that no longer exists, and leaves those of other workers alone', async () => {
      list.resolves([pod('a'), pod('b', 'deleted'), pod('c', 'other'), pod('d', 'deleted')]);
      queries.unknownWorkers.withArgs(['deleted', 'other']).resolves(['deleted']);
      queries.unknownHandles.withArgs(['a', 'b', 'd']).resolves(['b']);
      expect(await reap()).to.include({ deletedPods: 1 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-b', 'b', { uid: 'uid-b' });
    });

    it('deletes the store pod of a worker that no longer exists, and never that of another worker or its own', async () => {
      const storePod = (name: string, worker?: string) => ({ ...pod(name, worker), isStore: true });
      list.resolves([storePod('own'), storePod('other', 'other'), storePod('left', 'deleted')]);
      queries.unknownWorkers.withArgs(['w', 'other', 'deleted']).resolves(['deleted']);
      queries.unknownHandles.callsFake(async (handles) => handles);
      expect(await reap()).to.include({ deletedPods: 1 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-left', 'left', { uid: 'uid-left' });
    });

    it('deletes its own store pod if its worker was retired', async () => {
      list.resolves([{ ...pod('own'), isStore: true }, pod('container')]);
      queries.unknownWorkers.withArgs(['w']).resolves(['w']);
      expect(await reap()).to.include({ deletedPods: 1 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-own', 'own', { uid: 'uid-own' });
    });

    it('asks for workers after the list', async () => {
      list.resolves([pod('b', 'other')]);
      await reap();
      sinon.assert.callOrder(list, queries.unknownWorkers);
    });

    it('deletes all others while the deletion of one takes long', async () => {
      const late = Promise.withResolvers<boolean>();
      list.resolves(Array.from({ length: 2_500 }, (_, index) => pod(`p${index}`)));
      queries.unknownHandles.callsFake(async (handles) => handles);
      remove.withArgs('pod-p0').returns(late.promise);
      const reaping = reap();
      while (remove.callCount < 2_500) await settle();
      late.resolve(true);
      expect(await reaping).to.include({ deletedPods: 2_500 });
    });

    it('H5: marks and deletes nothing, and rejects, if they cannot be listed or looked up [A45]', async () => {
      rows = { containers: [container('a')], volumes: [volume('v')] };
      list.rejects(new Error('no list'));
      expect(await rejection(reap())).to.include({ code: 'KW_ERR_RECONCILE' });
      list.resolves([pod('a')]);
      queries.unknownHandles.rejects(new Error('standby'));
      expect(await rejection(reap())).to.include({ code: 'KW_ERR_RECONCILE' });
      for (const change of [
        remove,
        containers.pruneFinishedOwners,
        containers.findDestroyable,
        volumes.findDestroyable,
      ])
        sinon.assert.notCalled(change);
    });

    it('deletes the others if one cannot be deleted', async () => {
      list.resolves([pod('a'), pod('b')]);
      queries.unknownHandles.resolves(['a', 'b']);
      remove.withArgs('pod-a').rejects(new Error('stuck'));
      expect(await rejection(reap())).to.include({ code: 'KW_ERR_RECONCILE' });
      sinon.assert.calledWithMatch(remove, 'pod-b', 'b');
    });
  });

  context('when pods no longer exist', () => {
    const missingAll = async (places: readonly unknown[]) => places.map(() => true);

    beforeEach(() => {
      findMissing.callsFake(missingAll);
      store.findMissing.callsFake(missingAll);
    });

    it('deletes their rows together, without a request for each', async () => {
      rows.containers = Array.from({ length: 1_500 }, (_, index) => container(`c${index}`, `uid-${index}`));
      rows.volumes = Array.from({ length: 2_500 }, (_, index) => volume(`v${index}`));
      expect(await reap()).to.deep.equal({ ...nothing, deletedContainers: 1_500, deletedVolumes: 5_500 });
      sinon.assert.notCalled(remove);
      sinon.assert.notCalled(store.delete);
      expect(containers.deleteAll.args.map(([handles]) => handles.length)).to.deep.equal([1_000, 500]);
      expect(volumes.deleteAll.args.map(([handles]) => handles.length)).to.deep.equal([1_000, 1_000, 500]);
      sinon.assert.notCalled(containers.delete);
      expect(findMissing.firstCall.args[0][7]).to.deep.equal({ podName: 'pod-c7', uid: 'uid-7' });
    });

    it('looks for the pods of a row after it has found the row', async () => {
      // The cluster as it is at each call. The second container gets its pod and is marked while the
      // first page is under way: a list from before that would lack the pod.
      const existing = new Set<string>();
      rows.containers = [container('a')];
      containers.findDestroyable.onSecondCall().callsFake(async () => {
        existing.add('pod-b');
        rows.containers.push(container('b'));
        return rows.containers;
      });
      findMissing.callsFake(async (pods: readonly { podName: string }[]) =>
        pods.map(({ podName }) => !existing.has(podName)),
      );
      expect(await reap()).to.include({ deletedPods: 1, deletedContainers: 2 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-b', 'b');
      sinon.assert.callOrder(containers.findDestroyable, findMissing, containers.findDestroyable, findMissing);
    });

    it('keeps all rows, and deletes nothing, if that cannot be determined', async () => {
      rows = { containers: [container('a'), container('b')], volumes: [volume('v')] };
      findMissing.rejects(new Error('no list'));
      store.findMissing.rejects(new Error('half a list'));
      expect(errorsOf(await rejection(reap()))).to.deep.equal(['no list', 'half a list']);
      expect(rows.containers).to.have.length(2);
      expect(rows.volumes).to.have.length(1);
      for (const deletion of [remove, store.delete, containers.deleteAll, containers.delete, volumes.delete])
        sinon.assert.notCalled(deletion);
    });

    it('deletes the rows of other stores if one store fails', async () => {
      rows.volumes = [volume('v1', 'lost-store'), volume('v2'), volume('v3', 'lost-store'), volume('v4')];
      expect(errorsOf(await rejection(reap()))).to.deep.equal(['KW_ERR_STORE_NOT_CONFIGURED']);
      expect(rows.volumes.map(({ handle }) => handle)).to.deep.equal(['v1', 'v3']);
    });

    it('removes the pods of the other rows, and deletes their rows last', async () => {
      rows.containers = ['a', 'b', 'c'].map((handle) => container(handle));
      findMissing.resolves([true, false, true]);
      expect(await reap()).to.include({ deletedPods: 1, deletedContainers: 3 });
      sinon.assert.calledOnceWithMatch(remove, 'pod-b', 'b');
      sinon.assert.callOrder(containers.deleteAll, remove, containers.delete);
    });
  });

  context('with a time budget', () => {
    it('deletes everything within the budget, and keeps no timer', async () => {
      rows.containers = [container('a')];
      expect(await reap({ budgetMs: 1_000 })).to.include({ deletedContainers: 1, complete: true });
      expect(clock.sleeping).to.equal(0);
    });

    it('resolves at its end with what was deleted, and begins nothing more', async () => {
      rows = { containers: [container('a'), container('stuck')], volumes: [volume('v')] };
      remove
        .withArgs('pod-stuck')
        .callsFake(
          async (_podName: string, _handle: string, { signal }: { signal: AbortSignal }) =>
            await new Promise((_resolve, reject) =>
              signal.addEventListener('abort', () => reject(signal.reason as Error)),
            ),
        );
      const reaping = reap({ budgetMs: 1_000 });
      await settle();
      await clock.advance(1_000);
      expect(await reaping).to.deep.equal({
        deletedPods: 1,
        deletedContainers: 1,
        deletedVolumes: 2,
        deletedConfigMaps: 0,
        deletedArchives: 0,
        deletedKeys: 0,
        complete: false,
      });
      expect(rows.containers.map(({ handle }) => handle)).to.deep.equal(['stuck']);
      sinon.assert.notCalled(volumes.findDestroyable);
      sinon.assert.notCalled(oldAgents.find);
    });

    it('does not hide a failure', async () => {
      rows.containers = [container('a')];
      remove.rejects(new Error('stuck'));
      expect(errorsOf(await rejection(reap({ budgetMs: 1_000 })))).to.deep.equal(['stuck']);
    });

    it('rejects with the reason of the caller’s signal', async () => {
      rows.containers = [container('a')];
      const caller = new AbortController();
      remove.callsFake(async () => {
        caller.abort(new Error('enough'));
        throw caller.signal.reason;
      });
      expect(await rejection(reap({ budgetMs: 1_000, signal: caller.signal }))).to.include({ message: 'enough' });
    });
  });

  context('when config maps of old agents exist', () => {
    const old = ['a', 'b'].map((name) => ({ name, uid: `uid-${name}`, createdAt: new Date(0) }));

    it('deletes and counts them', async () => {
      oldAgents.find.resolves(old);
      oldAgents.remove.withArgs(old[1]).resolves(false);
      expect(await reap()).to.include({ deletedConfigMaps: 1 });
    });

    it('does not look for them in a pass out of turn', async () => {
      await reap({ findUnknown: false });
      sinon.assert.notCalled(oldAgents.find);
      sinon.assert.notCalled(list);
    });

    it('rejects with their failure after everything else', async () => {
      rows.containers = [container('a')];
      oldAgents.find.rejects(new Error('no list'));
      expect(errorsOf(await rejection(reap()))).to.deep.equal(['no list']);
      expect(rows.containers).to.deep.equal([]);
    });
  });

  it('enforces the limits of caches before it deletes volumes', async () => {
    const limit = sinon.stub().resolves(1);
    await reaper({ caches: { rows: { limit }, limits: { maxCount: 3 } } }).reap();
    sinon.assert.calledOnceWithMatch(limit, 'w', { maxCount: 3 });
    sinon.assert.callOrder(limit, volumes.findDestroyable);
  });

  context('with archive stores', () => {
    let archives: ArchiveRows;
    let bucket: MemoryArchiveStore;
    const components = () => ({
      archives: { installationId, rows: archives, stores: new Map([['memory', bucket]]) },
    });
    const keep = (key: string) => bucket.archives.set(key, { bytes: Buffer.alloc(1), modifiedAt: new Date(0) });

    beforeEach(() => {
      archives = new ArchiveRows();
      bucket = new MemoryArchiveStore();
      archives.add(1, 'destroying');
      for (const key of [keyOf(1), keyOf(2)]) keep(key);
    });

    it('deletes archives after the volumes that refer to them', async () => {
      rows.volumes = [{ ...volume('v', 'memory'), location: {} }];
      archives.fault = () => expect(rows.volumes).to.deep.equal([]);
      expect(await reaper(components()).reap()).to.deep.equal({ ...nothing, deletedVolumes: 1, deletedArchives: 1 });
      expect([...bucket.archives.keys()], 'keys without an archive').to.deep.equal([keyOf(2)]);
    });

    it('deletes the rows of volumes without a place, with no call of a store', async () => {
      rows.volumes = [{ ...volume('v', 'elsewhere'), location: {} }, volume('w')];
      expect(await reap()).to.include({ deletedVolumes: 2, deletedPods: 1 });
      sinon.assert.calledOnceWithMatch(store.delete, { pod: 'w' });
    });

    it('deletes keys without an archive on request', async () => {
      expect(await reaper(components()).reap({ sweepStores: true })).to.include({ deletedArchives: 1, deletedKeys: 1 });
      expect(bucket.archives.size).to.equal(0);
      keep(keyOf(3));
      expect(await reaper(components()).sweepStores()).to.deep.equal({ deletedKeys: 1 });
      sinon.assert.calledOnce(list);
    });

    it('rejects with the failures of a sweep of the stores', async () => {
      archives.fault = () => {
        throw new Error('away');
      };
      expect(errorsOf(await rejection(reaper(components()).sweepStores()))).to.deep.equal(['away']);
      expect(bucket.archives.size).to.equal(2);
    });

    it('plans the deletion of archives, and deletes nothing', async () => {
      queries.findReapable.resolves({ containers: [], volumes: [] });
      const plan = await reaper(components()).plan();
      expect(plan.archives).to.deep.equal([{ id: archiveId(1), store: 'memory', reason: 'marked' }]);
      expect([archives.rows.size, bucket.archives.size]).to.deep.equal([1, 2]);
    });
  });
});
