import { expect } from 'chai';
import sinon from 'sinon';

import { FakeContainerRepository, FakeStepDelegate } from '../../../fakes/index.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { OwnerFinishedError } from '../../../src/errors/owner.ts';
import { PodDeletedError } from '../../../src/errors/pod.ts';
import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
} from '../../../src/errors/repository.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import type { LaunchOptions } from '../../../src/pods/pod-launcher.ts';
import { PodSupervisor, type PodSupervisorComponents } from '../../../src/pods/pod-supervisor.ts';
import type { VolumeRecord } from '../../../src/repository/records.ts';
import type { ContainerState } from '../../../src/runtime/container-query.ts';
import type { Artifact } from '../../../src/runtime/volume.ts';
import type { ContainerCreationComponents } from '../../../src/worker/container-creation.ts';
import { planContainer } from '../../../src/worker/container-plan.ts';
import { findOrCreateContainer } from '../../../src/worker/find-or-create-container.ts';
import type { TakeOptions } from '../../../src/worker/stored-volume.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('findOrCreateContainer', () => {
  let containers: FakeContainerRepository;
  let launcher: { launch: sinon.SinonStub; discard: sinon.SinonStub };
  let pods: Record<'exists' | 'requireAlive' | 'whenAgentAnswers' | 'fence', sinon.SinonStub> &
    Pick<PodSupervisor, 'retry'>;
  let takeFrom: sinon.SinonStub;
  let images: { resolve: sinon.SinonStub };
  let delegate: FakeStepDelegate;
  let clock: VirtualClock;

  const found = (state: ContainerState, leased: boolean, podUid?: string, specDigest?: string) => ({
    container: {
      handle: 'c-1',
      specDigest,
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
    volumes: [input],
    leased,
    generation: 7,
  });
  const artifact = { handle: 'a-1' } as unknown as Artifact;
  const input: VolumeRecord = {
    handle: 'v-1',
    workerName: 'w',
    kind: 'input',
    state: 'creating',
    containerHandle: 'c-1',
    mountPath: '/in',
    name: undefined,
    teamId: undefined,
    store: 'pod',
    location: {},
    readyAt: undefined,
    digest: undefined,
    sizeBytes: undefined,
    expiresAt: undefined,
    createdAt: new Date(0),
  };
  const request = () => ({
    owner: { kind: 'k', key: '1' },
    plan: planContainer({ image: 'busybox:1', inputs: [{ artifact, path: '/in' }], podName: chosenName }),
    specDigest: 'mine',
    onSpecChange,
    metadata: {},
    delegate,
  });
  const away = () => new RepositoryUnavailableError('away');
  const never = (signal: AbortSignal | undefined): Promise<never> =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  let onSpecChange: 'reject' | 'keep' = 'reject';
  let chosenName: string | undefined;
  let ids = 0;
  const findOrCreate = (options: { signal?: AbortSignal } = {}) => {
    const components = {
      workerName: 'w',
      containers,
      images,
      launcher,
      pods,
      podStore: { name: 'pod', locateInContainer: () => ({}) },
      volume: () => ({ takeFrom }),
      podName: () => 'pod-1',
      newId: () => `id-${(ids += 1)}`,
      leaseMs: 60_000,
      clock,
      logger: silentLogger,
    };
    return findOrCreateContainer(request(), components as unknown as ContainerCreationComponents, options);
  };

  beforeEach(() => {
    ids = 0;
    onSpecChange = 'reject';
    chosenName = undefined;
    delegate = new FakeStepDelegate();
    takeFrom = sinon.stub().resolves({ rawBytes: 1024 });
    images = { resolve: sinon.stub().resolves({ image: 'mirror/busybox:1', sidecars: [], requestedImages: {} }) };
    containers = new FakeContainerRepository();
    containers.releaseLease.resolves(true);
    containers.recordPod.resolves();
    containers.markCreated.resolves(7);
    containers.markFailed.resolves();
    containers.renewLease.resolves(true);
    launcher = { launch: sinon.stub().resolves('uid-1'), discard: sinon.stub().resolves() };
    clock = new VirtualClock();
    const timeouts = { startMs: 300_000, schedulingMs: 300_000, reconnectMs: 300_000 };
    const supervisor = new PodSupervisor({
      clock,
      logger: silentLogger,
      timeouts,
    } as unknown as PodSupervisorComponents);
    pods = {
      exists: sinon.stub().resolves(true),
      requireAlive: sinon.stub().resolves(),
      whenAgentAnswers: sinon.stub().resolves(),
      fence: sinon.stub().resolves(),
      retry: (work, options) => supervisor.retry(work, options),
    };
  });

  context('when the owner has no container', () => {
    it('records the pod before its first use, and marks the container created last', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      const { container, created } = await findOrCreate();
      expect([container.handle, container.state, created]).to.deep.equal(['c-1', 'created', true]);
      sinon.assert.callOrder(
        launcher.launch,
        containers.recordPod,
        pods.whenAgentAnswers,
        pods.fence,
        takeFrom,
        containers.markCreated,
      );
      sinon.assert.calledOnceWithMatch(containers.recordPod, 'c-1', 'id-1', 'uid-1');
      sinon.assert.calledOnceWithMatch(containers.markCreated, 'c-1', 'id-1');
    });

    it('marks the container failed if its pod fails, and rejects with that error', async () => {
      const failure = new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      containers.findOrInsert.resolves(found('creating', true));
      pods.whenAgentAnswers.rejects(failure);
      expect(await rejection(findOrCreate())).to.equal(failure);
      sinon.assert.calledOnceWithMatch(containers.markFailed, 'c-1', 'id-1');
    });

    it('marks the container failed if its owner finishes for good meanwhile', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.markCreated.rejects(new OwnerFinishedError({ kind: 'k', key: '1' }, 'w'));
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
      sinon.assert.calledOnceWithMatch(containers.markFailed, 'c-1', 'id-1');
    });

    it('resolves the images once, before the row is inserted, and launches the pod with them', async () => {
      containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => {
        await make();
        sinon.assert.calledOnceWithMatch(images.resolve, 'main', { image: 'busybox:1', sidecars: [] });
        return found('creating', true);
      });
      await findOrCreate();
      sinon.assert.calledOnce(images.resolve);
      sinon.assert.calledOnceWithMatch(launcher.launch, { image: 'mirror/busybox:1', requestedImages: {} });
    });

    it("inserts the pod's chosen name, otherwise a generated one, and observes the pod by its uid", async () => {
      const inserted: string[] = [];
      containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => {
        inserted.push((await make()).podName);
        return found('creating', true);
      });
      await findOrCreate();
      chosenName = 'chosen';
      await findOrCreate();
      expect(inserted).to.deep.equal(['pod-1', 'chosen']);
      sinon.assert.alwaysCalledWithMatch(pods.whenAgentAnswers, { podUid: 'uid-1' });
    });

    it('inserts no row if the images are refused', async () => {
      const refusal = new InvalidSpecError('image', 'not permitted');
      images.resolve.rejects(refusal);
      let isInserted = false;
      containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => {
        await make();
        isInserted = true;
        return found('creating', true);
      });
      expect(await rejection(findOrCreate())).to.equal(refusal);
      expect(isInserted).to.equal(false);
    });

    it('fences the pod and fills the inputs with the generation of its lease', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      await findOrCreate();
      sinon.assert.calledOnceWithMatch(pods.fence, { podName: 'pod-1' }, 7);
      sinon.assert.calledOnceWithMatch(takeFrom, artifact, { lease: { holder: 'id-1', generation: 7 } });
    });
  });

  describe('its progress', () => {
    const node = { podName: 'pod-1', nodeName: 'node-1' };
    const running: Pod = {
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'busybox:1' }] },
      status: {},
    };
    const events = () => delegate.progress.args.map(([{ at: _at, ...event }]) => event);
    const kinds = () => events().map(({ kind }) => kind);

    beforeEach(() => {
      pods.whenAgentAnswers.callsFake(async (_pod, { observed }: { observed: (pod: Pod) => void }) =>
        observed(running),
      );
    });

    it('is reported from the creation of the pod until commands may run', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      launcher.launch.callsFake(async (_request, { waitingForQuota }: LaunchOptions) => {
        for (const message of ['few pods', 'few pods again']) waitingForQuota?.(message, 3);
        return 'uid-1';
      });
      takeFrom.callsFake(async (_artifact, { progress }: TakeOptions) => {
        await clock.sleep(1_000);
        progress?.(600);
        return { rawBytes: 1024 };
      });
      const creating = findOrCreate();
      await clock.advance(1_000);
      await creating;
      const inputFacts = { podName: 'pod-1', path: '/in', handle: 'a-1', inputNumber: 1, inputCount: 1 };
      expect(events()).to.deep.equal([
        { kind: 'creating-pod', podName: 'pod-1' },
        { kind: 'waiting-for-quota', podName: 'pod-1', message: 'few pods', queued: 3 },
        { kind: 'scheduled', ...node },
        { kind: 'pulled', podName: 'pod-1', image: 'busybox:1' },
        { kind: 'agent-ready', podName: 'pod-1' },
        { kind: 'streaming-input', ...inputFacts, receivedBytes: 0, totalBytes: undefined, isComplete: false },
        { kind: 'streaming-input', ...inputFacts, receivedBytes: 600, totalBytes: undefined, isComplete: false },
        { kind: 'streaming-input', ...inputFacts, receivedBytes: 1024, totalBytes: 1024, isComplete: true },
        { kind: 'inputs-done', podName: 'pod-1' },
        { kind: 'ready', podName: 'pod-1' },
      ]);
    });

    it('is only that the container is ready, if it existed', async () => {
      containers.findOrInsert.resolves(found('created', false, 'uid-1'));
      await findOrCreate();
      expect(events()).to.deep.equal([{ kind: 'ready', podName: 'pod-1' }]);
    });

    it('leaves out what an earlier holder has done: the pod, and a complete input', async () => {
      const complete = { ...input, readyAt: new Date(0) };
      containers.findOrInsert.resolves({ ...found('creating', true, 'uid-0'), volumes: [complete] });
      await findOrCreate();
      expect(kinds()).to.deep.equal(['scheduled', 'pulled', 'agent-ready', 'inputs-done', 'ready']);
    });

    it('begins again after the lease has passed to another holder, which is then awaited', async () => {
      containers.findOrInsert.onCall(0).resolves(found('creating', true));
      containers.findOrInsert.onCall(1).resolves(found('creating', false, 'uid-1'));
      containers.findOrInsert.resolves(found('creating', true, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'));
      const creating = findOrCreate();
      await clock.advance(1_000);
      await creating;
      const start = ['scheduled', 'pulled', 'agent-ready', 'streaming-input'];
      const end = ['streaming-input', 'inputs-done', 'ready'];
      expect(kinds()).to.deep.equal(['creating-pod', ...start, 'waiting-for-another-host', ...start, ...end]);
    });

    it('ends with the call: nothing is reported after a failure', async () => {
      let late: ((pod: Pod) => void) | undefined;
      pods.whenAgentAnswers.callsFake(async (_pod, { observed }: { observed: (pod: Pod) => void }) => {
        late = observed;
        throw new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      });
      containers.findOrInsert.resolves(found('creating', true));
      await rejection(findOrCreate());
      late?.(running);
      expect(kinds()).to.deep.equal(['creating-pod']);
    });

    for (const [what, fail] of [
      ['throws', () => void delegate.progress.throws(new Error('broken'))],
      ['returns a promise that rejects', () => void delegate.progress.rejects(new Error('broken'))],
      ['returns a promise that never settles', () => void delegate.progress.returns(new Promise(() => undefined))],
    ] as const) {
      it(`does not affect the step if the delegate ${what}`, async () => {
        fail();
        containers.findOrInsert.resolves(found('creating', true));
        expect((await findOrCreate()).container).to.include({ state: 'created' });
        expect(kinds().at(-1)).to.equal('ready');
        sinon.assert.notCalled(containers.markFailed);
      });
    }
  });

  context('when the owner has a container', () => {
    it('returns it without resolving its images, which the policy may refuse by now', async () => {
      containers.findOrInsert.resolves(found('created', false, 'uid-1'));
      images.resolve.rejects(new InvalidSpecError('image', 'not permitted'));
      expect((await findOrCreate()).container).to.include({ handle: 'c-1', state: 'created' });
      sinon.assert.notCalled(images.resolve);
    });
  });

  context('when an earlier holder launched the pod', () => {
    it('has created the container if it completes it', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-0'));
      expect(await findOrCreate()).to.deep.include({ created: true });
      sinon.assert.notCalled(launcher.launch);
    });

    it('never launches another pod, which would lack the inputs of the first', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-0'));
      pods.requireAlive.rejects(new PodDeletedError({ namespace: 'ci', podName: 'pod-1' }));
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_POD_DELETED' });
      sinon.assert.notCalled(launcher.launch);
      sinon.assert.calledOnceWithMatch(pods.requireAlive, 'pod-1', { uid: 'uid-0' });
      sinon.assert.calledOnce(containers.markFailed);
    });
  });

  context('when the pod cannot be recorded', () => {
    it('deletes a pod if its row no longer exists', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.recordPod.rejects(new ContainerDisappearedError('c-1', 'w'));
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
      sinon.assert.calledOnceWithExactly(launcher.discard, 'pod-1', 'uid-1');
    });

    it('keeps a pod if its row still refers to it', async () => {
      containers.findOrInsert.onFirstCall().resolves(found('creating', true)).resolves(found('created', false));
      containers.recordPod.rejects(new LeaseLostError('c-1'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      await creating;
      sinon.assert.notCalled(launcher.discard);
    });

    for (const [what, row] of [
      [
        'is being deleted, because the reaper may have checked for the pod before',
        found('destroying', false).container,
      ],
      ['has another pod', found('created', false, 'uid-2').container],
    ] as const) {
      it(`deletes a pod if its row ${what}`, async () => {
        containers.findOrInsert
          .onFirstCall()
          .resolves(found('creating', true))
          .resolves(found('created', false, 'uid-2'));
        containers.recordPod.rejects(new IllegalTransitionError('container c-1', row.state, 'creating'));
        containers.lookup.resolves(row);
        const creating = findOrCreate().catch(() => undefined);
        await settle();
        await clock.advance(200);
        await creating;
        sinon.assert.calledOnceWithExactly(launcher.discard, 'pod-1', 'uid-1');
      });
    }
  });

  context('when the lease passes to another holder', () => {
    for (const [what, stale] of [
      ['its pod is recorded', () => containers.recordPod.onFirstCall().rejects(new LeaseLostError('c-1'))],
      [
        'its pod is recorded, after the other holder has created it',
        () =>
          containers.recordPod
            .onFirstCall()
            .rejects(new IllegalTransitionError('container c-1', 'created', 'creating')),
      ],
      ['the pod is fenced', () => pods.fence.onFirstCall().rejects(new LeaseLostError('c-1'))],
      ['an input is streamed', () => takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'))],
      ['it is marked created', () => containers.markCreated.onFirstCall().rejects(new LeaseLostError('c-1'))],
    ] as const) {
      it(`finds the container again without marking it failed, if the loss appears when ${what}`, async () => {
        containers.findOrInsert
          .onFirstCall()
          .resolves(found('creating', true))
          .resolves(found('created', false, 'uid-1'));
        containers.lookup.resolves(found('creating', false).container);
        stale();
        const creating = findOrCreate();
        await settle();
        await clock.advance(200);
        expect((await creating).container).to.include({ state: 'created' });
        sinon.assert.notCalled(containers.markFailed);
      });
    }

    it('has not created the container if a late statement finds that the next holder has', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.markCreated.resolves(8);
      expect(await findOrCreate()).to.deep.include({ created: false });
    });

    it('requests the lease as a new holder, so that late statements of the previous holder are rejected', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.lookup.resolves(found('creating', false).container);
      takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'));
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      await creating;
      const holders = containers.findOrInsert.args.map(([, , lease]) => lease.holder);
      expect(holders[0]).to.equal('id-1');
      expect(new Set(holders)).to.have.property('size', 2);
    });
  });

  context('when the caller aborts', () => {
    const holding = async (signal: AbortSignal) => {
      containers.findOrInsert.resolves(found('creating', true));
      takeFrom.callsFake((_artifact: unknown, options: { signal: AbortSignal }) => never(options.signal));
      const creating = rejection(findOrCreate({ signal }));
      await settle();
      return creating;
    };

    it('releases the lease after the work has stopped, and then rejects with the reason of the signal', async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      const creating = holding(abort.signal);
      await settle();
      abort.abort(reason);
      expect(await creating).to.equal(reason);
      sinon.assert.calledOnceWithMatch(containers.releaseLease, 'c-1', 'id-1');
      sinon.assert.notCalled(containers.markFailed);
    });

    it('releases a lease that it receives only after the abort', async () => {
      const answer = Promise.withResolvers<ReturnType<typeof found>>();
      containers.findOrInsert.returns(answer.promise);
      const abort = new AbortController();
      const creating = rejection(findOrCreate({ signal: abort.signal }));
      await settle();
      abort.abort(new Error('enough'));
      await settle();
      answer.resolve(found('creating', true));
      expect(await creating).to.include({ message: 'enough' });
      sinon.assert.calledOnceWithMatch(containers.releaseLease, 'c-1', 'id-1');
    });

    it('stops waiting for a database that does not respond', async () => {
      const abort = new AbortController();
      containers.releaseLease.callsFake((_handle, _holder, options) => never(options?.signal));
      const creating = holding(abort.signal);
      await settle();
      abort.abort(new Error('enough'));
      await clock.advance(2_000);
      expect(await creating).to.include({ message: 'enough' });
    });
  });

  context('when the database is away for a while', () => {
    for (const [what, fail] of [
      ['the row is looked for', () => containers.findOrInsert.onFirstCall().rejects(away())],
      ['the pod is recorded', () => containers.recordPod.onFirstCall().rejects(away())],
      ['the container is marked created', () => containers.markCreated.onFirstCall().rejects(away())],
    ] as const) {
      it(`continues after an outage when ${what}`, async () => {
        containers.findOrInsert.resolves(found('creating', true));
        fail();
        const creating = findOrCreate();
        await settle();
        await clock.advance(200);
        expect((await creating).container).to.include({ state: 'created' });
        sinon.assert.notCalled(containers.markFailed);
        sinon.assert.calledOnce(launcher.launch);
      });
    }

    it('marks a failed container as failed after the outage', async () => {
      const failure = new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      containers.findOrInsert.resolves(found('creating', true));
      pods.whenAgentAnswers.rejects(failure);
      containers.markFailed.onFirstCall().rejects(away());
      const creating = rejection(findOrCreate());
      await settle();
      await clock.advance(200);
      expect(await creating).to.equal(failure);
      sinon.assert.calledTwice(containers.markFailed);
    });

    it('rejects after the reconnect time-out, releases the lease and does not change the container', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.markCreated.rejects(away());
      const creating = rejection(findOrCreate());
      await clock.advance(310_000);
      expect(await creating).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true });
      sinon.assert.notCalled(containers.markFailed);
      sinon.assert.calledOnceWithMatch(containers.releaseLease, 'c-1', 'id-1');
    });

    it('does not change a container that cannot be completed before the lease expires by the local clock', async () => {
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', true))
        .resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      containers.renewLease.rejects(away());
      containers.markCreated.rejects(away());
      const creating = findOrCreate();
      await clock.advance(59_000);
      sinon.assert.calledOnce(containers.findOrInsert);
      await clock.advance(2_000);
      expect((await creating).container).to.include({ state: 'created' });
      sinon.assert.notCalled(containers.markFailed);
    });
  });

  context('when the container has another specification', () => {
    for (const state of ['creating', 'created'] as const) {
      it(`rejects if it is ${state}, and changes nothing`, async () => {
        containers.findOrInsert.resolves(found(state, false, 'uid-1', 'other'));
        expect(await rejection(findOrCreate())).to.deep.include({
          code: 'KW_ERR_SPEC_CHANGED',
          handle: 'c-1',
          owner: { kind: 'k', key: '1' },
        });
        sinon.assert.calledOnceWithMatch(containers.findOrInsert, 'w', sinon.match.any, sinon.match.any);
        expect(containers.findOrInsert.args[0]?.[4]).to.deep.equal({ specDigest: 'mine' });
        for (const change of [containers.markFailed, containers.releaseLease]) sinon.assert.notCalled(change);
      });
    }

    it('returns the existing container if the caller keeps it', async () => {
      onSpecChange = 'keep';
      containers.findOrInsert.resolves(found('created', false, 'uid-1', 'other'));
      const { container, created } = await findOrCreate();
      expect([container.handle, created]).to.deep.equal(['c-1', false]);
    });

    it('waits for the host that creates it if the caller keeps it', async () => {
      onSpecChange = 'keep';
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', false, undefined, 'other'))
        .resolves(found('created', false, 'uid-1', 'other'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      expect((await creating).created).to.equal(false);
      sinon.assert.notCalled(containers.markFailed);
    });

    it('does not complete a half-created one that the caller keeps, and creates its own', async () => {
      onSpecChange = 'keep';
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', true, 'uid-1', 'other'))
        .resolves(found('creating', true, undefined, 'mine'));
      const { created } = await findOrCreate();
      expect(created).to.equal(true);
      sinon.assert.callOrder(containers.findOrInsert, containers.markFailed, containers.findOrInsert, launcher.launch);
      sinon.assert.calledOnceWithMatch(containers.markFailed, 'c-1', 'id-1');
    });

    it('is completed if its row has no digest', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-1'));
      expect((await findOrCreate()).created).to.equal(true);
    });
  });

  context('when another holder creates the container', () => {
    it('waits for the other holder', async () => {
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', false))
        .onSecondCall()
        .resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      const { container, created } = await creating;
      expect([container.handle, created]).to.deep.equal(['c-1', false]);
      sinon.assert.notCalled(launcher.launch);
    });

    it('notifies the delegate once', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      containers.findOrInsert.onCall(3).resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await clock.advance(1_000);
      await creating;
      expect(delegate.progress.args.map(([{ kind, podName }]) => [kind, podName])).to.deep.equal([
        ['waiting-for-another-host', 'pod-1'],
        ['ready', 'pod-1'],
      ]);
    });

    it('creates no container for an owner that has finished in the meantime', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      containers.lookup.resolves(found('destroying', false).container);
      const creating = rejection(findOrCreate());
      await settle();
      await clock.advance(200);
      expect(await creating).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
      sinon.assert.calledOnce(containers.findOrInsert);
    });

    it('rejects with the reason of the signal', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      const abort = new AbortController();
      const reason = new Error('enough');
      const creating = rejection(findOrCreate({ signal: abort.signal }));
      await settle();
      abort.abort(reason);
      expect(await creating).to.equal(reason);
    });
  });
});
