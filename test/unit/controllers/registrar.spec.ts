import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifactStore, FakeCluster, FakeLogger, FakeWorkerStates } from '../../../fakes/index.ts';
import type { PodRemoval } from '../../../src/controllers/reaper-components.ts';
import { Registrar } from '../../../src/controllers/registrar.ts';
import { ApiUnavailableError } from '../../../src/errors/cluster.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';
import type { LabelledPod } from '../../../src/pods/pod-remover.ts';
import type { WorkerMove } from '../../../src/repository/worker-states.ts';
import type { WorkerInfo, WorkerState } from '../../../src/runtime/worker-lifecycle.ts';
import { rejection } from '../../support/rejection.ts';
import { untraced } from '../../support/untraced.ts';

const down = new ApiUnavailableError(
  { verb: 'list', resource: 'pods', namespace: 'n' },
  'connect ECONNREFUSED',
  undefined,
);

function workerIn(state: WorkerState, name = 'w'): WorkerInfo {
  return { name, state, activeContainers: 1, activeVolumes: 2, registeredAt: new Date(0) };
}

function moved(from: WorkerState, to: WorkerState): WorkerMove {
  return { from, worker: workerIn(to) };
}

const podOf = (name: string, isStore: boolean, workerName = 'w'): LabelledPod => ({
  podName: name,
  handle: name,
  uid: `uid-${name}`,
  isStore,
  workerName,
});
const pods = [podOf('own', true), podOf('container', false), podOf('foreign', true, 'another')];

describe('Registrar', () => {
  let cluster: FakeCluster;
  let states: FakeWorkerStates;
  let store: FakeArtifactStore;
  let logger: FakeLogger;
  let list: sinon.SinonStub<[], Promise<readonly LabelledPod[]>>;
  let remove: sinon.SinonStub<Parameters<PodRemoval['remove']>, Promise<boolean>>;
  let registrar: Registrar;

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'n' });
    cluster.probePods.resolves();
    store = new FakeArtifactStore({ name: 'store' });
    states = new FakeWorkerStates();
    states.heartbeat.resolves(moved('running', 'running'));
    states.find.resolves(workerIn('running'));
    logger = new FakeLogger();
    list = sinon.stub<[], Promise<readonly LabelledPod[]>>().resolves(pods);
    remove = sinon.stub<Parameters<PodRemoval['remove']>, Promise<boolean>>().resolves(true);
    registrar = new Registrar({
      workerName: 'w',
      pods: { list, remove },
      states,
      cluster,
      stores: new Map([['store', store]]),
      expiresInMs: 75_000,
      tracing: untraced,
      logger,
    });
  });

  describe('a heartbeat', () => {
    it('is recorded after the API server and the store have answered', async () => {
      expect(await registrar.heartbeat()).to.deep.equal(workerIn('running'));
      sinon.assert.callOrder(cluster.probePods, store.probe, states.heartbeat);
      sinon.assert.calledOnceWithMatch(states.heartbeat, 'w', 75_000);
      sinon.assert.notCalled(states.deleteRetired);
    });

    it('lasts as long as the host wants', async () => {
      await registrar.heartbeat({ expiresInMs: 5 });
      sinon.assert.calledOnceWithMatch(states.heartbeat, 'w', 5);
      for (const expiresInMs of [0, -1, 0.5, Number.NaN])
        expect(await rejection(registrar.heartbeat({ expiresInMs }))).to.include({
          code: 'KW_ERR_INVALID_SPEC',
          field: 'expiresInMs',
        });
      sinon.assert.calledOnce(cluster.probePods);
    });

    it('is recorded with a store that has no check of its own', async () => {
      const stores = new Map([['pod', Object.assign(Object.create(store), { probe: undefined })]]);
      const other = new Registrar({
        workerName: 'w',
        pods: { list, remove },
        states,
        cluster,
        stores,
        expiresInMs: 1,
        tracing: untraced,
        logger,
      });
      await other.heartbeat();
      sinon.assert.calledOnce(states.heartbeat);
    });

    for (const [what, fail] of Object.entries({
      'the API server': () => cluster.probePods.rejects(down),
      'the store': () => store.probe.rejects(down),
    }))
      it(`H9 changes nothing while ${what} does not answer [A47]`, async () => {
        fail();
        expect(await rejection(registrar.heartbeat())).to.equal(down);
        for (const change of ['heartbeat', 'land', 'resume', 'retire', 'deleteRetired', 'prune'] as const)
          sinon.assert.notCalled(states[change]);
      });

    it('rejects with the error of the API server if the database does not answer either', async () => {
      cluster.probePods.rejects(down);
      states.find.rejects(new RepositoryUnavailableError('down'));
      expect(await rejection(registrar.heartbeat())).to.equal(down);
    });

    it('deletes a retiring worker that has nothing left', async () => {
      states.heartbeat.resolves(moved('retiring', 'retiring'));
      states.deleteRetired.resolves(false);
      expect((await registrar.heartbeat())?.state).to.equal('retiring');
      states.deleteRetired.resolves(true);
      expect(await registrar.heartbeat()).to.equal(undefined);
      sinon.assert.calledWith(logger.info, 'worker retired', { workerName: 'w' });
    });

    it('deletes the store pods of the worker after its row, and no other pod', async () => {
      states.heartbeat.resolves(moved('retiring', 'retiring'));
      states.deleteRetired.resolves(false);
      await registrar.heartbeat();
      sinon.assert.notCalled(list);
      states.deleteRetired.resolves(true);
      await registrar.heartbeat();
      sinon.assert.callOrder(states.deleteRetired, list, remove);
      sinon.assert.calledOnceWithMatch(remove, 'own', 'own', { uid: 'uid-own' });
    });

    it('deletes the store pod that its own probe has started after the worker was retired', async () => {
      states.heartbeat.resolves(undefined);
      expect(await rejection(registrar.heartbeat())).to.include({ code: 'KW_ERR_WORKER_NOT_RUNNING' });
      sinon.assert.calledOnceWithMatch(remove, 'own', 'own', { uid: 'uid-own' });
    });

    it('retires the worker although its store pods cannot be deleted, and logs that', async () => {
      states.heartbeat.resolves(moved('retiring', 'retiring'));
      states.deleteRetired.resolves(true);
      list.rejects(down);
      expect(await registrar.heartbeat()).to.equal(undefined);
      sinon.assert.calledOnceWithMatch(logger.warn, 'store pods of a retired worker not deleted', { error: down });
    });
  });

  describe('a worker without a row', () => {
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      info: () => registrar.info(),
      heartbeat: () => registrar.heartbeat(),
      land: () => registrar.land(),
      resume: () => registrar.resume(),
      retire: () => registrar.retire(),
    };
    for (const [name, call] of Object.entries(calls))
      it(`makes ${name} reject`, async () => {
        for (const method of ['find', 'heartbeat', 'land', 'resume', 'retire'] as const)
          states[method].resolves(undefined);
        const refused = { code: 'KW_ERR_WORKER_NOT_RUNNING', workerName: 'w', state: 'retired', retryable: false };
        expect(await rejection(call())).to.include(refused);
      });
  });

  describe('a change of the state', () => {
    const logged = () => logger.info.args.map(([, facts]) => facts);

    it('is logged by the host that causes it, once', async () => {
      states.land.resolves(moved('running', 'landing'));
      await registrar.land({ artifacts: 'keep' });
      sinon.assert.calledOnceWithExactly(states.land, 'w', { artifacts: 'keep' });
      states.heartbeat.resolves(moved('landing', 'landing'));
      await registrar.heartbeat();
      states.heartbeat.resolves(moved('landing', 'landed'));
      await registrar.heartbeat();
      states.resume.resolves(moved('landed', 'running'));
      await registrar.resume();
      expect(logged()).to.deep.equal([
        { workerName: 'w', from: 'running', to: 'landing' },
        { workerName: 'w', from: 'landing', to: 'landed' },
        { workerName: 'w', from: 'landed', to: 'running' },
      ]);
    });

    it('is logged once when the worker stalls, and when it runs again', async () => {
      cluster.probePods.rejects(down);
      await rejection(registrar.heartbeat());
      states.find.resolves(workerIn('stalled'));
      await rejection(registrar.heartbeat());
      await rejection(registrar.heartbeat());
      cluster.probePods.resolves();
      states.heartbeat.resolves(moved('stalled', 'running'));
      await registrar.heartbeat();
      expect(logged()).to.deep.equal([
        { workerName: 'w', from: 'running', to: 'stalled' },
        { workerName: 'w', from: 'stalled', to: 'running' },
      ]);
    });
  });

  it('lists the workers that can be read, and warns about the others', async () => {
    states.list.resolves({ workers: [workerIn('landed', 'a')], unreadable: ['b'] });
    expect(await registrar.list()).to.deep.equal([workerIn('landed', 'a')]);
    sinon.assert.calledOnceWithExactly(logger.warn, 'workers with an unreadable row', { workerNames: ['b'] });
  });

  it('prunes another worker without the cluster', async () => {
    states.prune.resolves(true);
    expect(await registrar.prune('other')).to.equal(true);
    sinon.assert.calledOnceWithMatch(states.prune, 'other');
    sinon.assert.notCalled(cluster.probePods);
    sinon.assert.calledOnceWithExactly(logger.info, 'worker pruned', { workerName: 'other' });
  });
});
