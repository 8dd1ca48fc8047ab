import { expect } from 'chai';
import sinon from 'sinon';

import { FakeContainerRepository, FakeVolume } from '../../../fakes/index.ts';
import { PodDeletedError } from '../../../src/errors/pod.ts';
import { ContainerDisappearedError } from '../../../src/errors/repository.ts';
import type { ContainerState } from '../../../src/repository/records.ts';
import { planContainer } from '../../../src/worker/container-plan.ts';
import { type ContainerMakerComponents, findOrCreateContainer } from '../../../src/worker/find-or-create-container.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('findOrCreateContainer', () => {
  let containers: FakeContainerRepository;
  let launcher: { launch: sinon.SinonStub; discard: sinon.SinonStub };
  let pods: { exists: sinon.SinonStub; requireAlive: sinon.SinonStub; whenAgentAnswers: sinon.SinonStub };
  let clock: VirtualClock;

  const found = (state: ContainerState, leased: boolean, podUid?: string) => ({
    container: {
      handle: 'c-1',
      workerName: 'w',
      owner: { kind: 'k', key: '1' },
      state,
      podName: 'pod-1',
      podUid,
      metadata: {},
      settings: {},
      lastHijackAt: undefined,
      createdAt: new Date(0),
    },
    volumes: [],
    leased,
  });
  const wanted = () => ({ owner: { kind: 'k', key: '1' }, plan: planContainer({ image: 'busybox:1' }), metadata: {}, delegate: undefined });
  const make = (options: { signal?: AbortSignal } = {}) => {
    const components = {
      workerName: 'w',
      containers,
      launcher,
      pods,
      podStore: { name: 'pod' },
      volume: () => new FakeVolume({ handle: 'v' }),
      podName: () => 'pod-1',
      newId: () => 'id',
      leaseMs: 60_000,
      clock,
      logger: silentLogger,
    };
    return findOrCreateContainer(wanted(), components as unknown as ContainerMakerComponents, options);
  };

  beforeEach(() => {
    containers = new FakeContainerRepository();
    containers.recordPod.resolves();
    containers.markCreated.resolves();
    containers.markFailed.resolves();
    containers.renewLease.resolves(true);
    launcher = { launch: sinon.stub().resolves('uid-1'), discard: sinon.stub().resolves() };
    pods = { exists: sinon.stub().resolves(true), requireAlive: sinon.stub().resolves(), whenAgentAnswers: sinon.stub().resolves() };
    clock = new VirtualClock();
  });

  context('when there is none', () => {
    it('puts the pod on record before it is used, and is created last', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      expect(await make()).to.include({ handle: 'c-1', state: 'created' });
      sinon.assert.callOrder(launcher.launch, containers.recordPod, pods.whenAgentAnswers, containers.markCreated);
      sinon.assert.calledOnceWithMatch(containers.recordPod, 'c-1', 'uid-1');
    });

    it('is marked failed where its pod fails, with the failure itself', async () => {
      const failure = new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      containers.findOrInsert.resolves(found('creating', true));
      pods.whenAgentAnswers.rejects(failure);
      expect(await rejection(make())).to.equal(failure);
      sinon.assert.calledOnce(containers.markFailed);
    });
  });

  context('when a former holder had made the pod', () => {
    it('never makes another one, which would lack what is in that', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-0'));
      pods.requireAlive.rejects(new PodDeletedError({ namespace: 'ci', podName: 'pod-1' }));
      expect(await rejection(make())).to.include({ code: 'KW_ERR_POD_DELETED' });
      sinon.assert.notCalled(launcher.launch);
      sinon.assert.calledOnceWithMatch(pods.requireAlive, 'pod-1', { uid: 'uid-0' });
      sinon.assert.calledOnce(containers.markFailed);
    });
  });

  context('when the row is gone by the time the pod is there', () => {
    it('deletes the pod that nobody would delete', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.recordPod.rejects(new ContainerDisappearedError('c-1', 'w'));
      expect(await rejection(make())).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
      sinon.assert.calledOnceWithExactly(launcher.discard, 'pod-1', 'uid-1');
    });

    it('keeps a pod whose row merely could not be written', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.recordPod.rejects(new Error('another holder has it'));
      await rejection(make());
      sinon.assert.notCalled(launcher.discard);
    });
  });

  context('when another holder makes it', () => {
    it('waits for that', async () => {
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', false))
        .onSecondCall()
        .resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      const making = make();
      await settle();
      await clock.advance(200);
      expect(await making).to.include({ handle: 'c-1' });
      sinon.assert.notCalled(launcher.launch);
    });

    it('makes no new one for an owner that has finished meanwhile', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      containers.lookup.resolves(found('destroying', false).container);
      const making = rejection(make());
      await settle();
      await clock.advance(200);
      expect(await making).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
      sinon.assert.calledOnce(containers.findOrInsert);
    });

    it('stops waiting by the signal, with its reason', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      const abort = new AbortController();
      const reason = new Error('enough');
      const making = rejection(make({ signal: abort.signal }));
      await settle();
      abort.abort(reason);
      expect(await making).to.equal(reason);
    });
  });
});
