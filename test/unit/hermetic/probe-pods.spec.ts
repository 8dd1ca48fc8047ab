import { expect } from 'chai';
import sinon from 'sinon';

import { FakeContainerRepository, FakeLogger } from '../../../fakes/index.ts';
import { PodUnschedulableError } from '../../../src/errors/pod.ts';
import { inProbePod, probeOwnerKind } from '../../../src/hermetic/probe-pods.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const owner = { kind: probeOwnerKind, key: 'id-1' };
const pod = { handle: 'id-1', podName: 'pod-id-1' };

describe('inProbePod', () => {
  let containers: FakeContainerRepository;
  let launch: sinon.SinonStub;
  let whenAgentAnswers: sinon.SinonStub;
  let logger: FakeLogger;

  const probe = async <T>(work: () => Promise<T>, hermetic = false, signal?: AbortSignal): Promise<T> => {
    let ids = 0;
    const components = {
      workerName: 'w',
      containers,
      launcher: { launch },
      pods: { retry: <R>(attempt: () => Promise<R>) => attempt(), whenAgentAnswers },
      podName: (handle: string) => `pod-${handle}`,
      newId: () => `id-${(ids += 1)}`,
      image: 'pause:1',
      leaseMs: 660_000,
      clock: new VirtualClock(),
      logger,
    };
    return await inProbePod(hermetic, components, work, { signal });
  };

  beforeEach(() => {
    containers = new FakeContainerRepository();
    containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => (await make()) as never);
    launch = sinon.stub().resolves('uid-1');
    whenAgentAnswers = sinon.stub().resolves();
    logger = new FakeLogger();
  });

  it('has a row under a lease before the pod exists, and finishes its owner after the work', async () => {
    const work = sinon.stub().resolves('result');
    expect(await probe(work)).to.equal('result');
    sinon.assert.callOrder(containers.findOrInsert, launch, whenAgentAnswers, work, containers.markOwnerFinished);
    const [worker, of, lease] = containers.findOrInsert.firstCall.args;
    expect([worker, of, lease]).to.deep.equal(['w', owner, { holder: 'id-2', durationMs: 660_000 }]);
    sinon.assert.calledOnceWithExactly(work, pod);
    sinon.assert.calledOnceWithMatch(containers.markOwnerFinished, 'w', owner);
    sinon.assert.notCalled(containers.markCreated);
  });

  for (const hermetic of [true, false])
    it(`starts a pod of the given kind (hermetic: ${hermetic}), from an image that runs no program`, async () => {
      await probe(async () => undefined, hermetic);
      const podOptions = { addCapabilities: [] };
      sinon.assert.calledOnceWithMatch(launch, { ...pod, hermetic, image: 'pause:1', podOptions, privileged: false });
    });

  it('finishes the owner of a pod that does not start', async () => {
    const error = new PodUnschedulableError({ namespace: 'n', podName: 'p' }, 1);
    whenAgentAnswers.rejects(error);
    expect(await rejection(probe(async () => undefined))).to.equal(error);
    sinon.assert.calledOnce(containers.markOwnerFinished);
  });

  it('finishes the owner also if the signal has aborted', async () => {
    const stop = new AbortController();
    const work = async (): Promise<void> => {
      stop.abort(new Error('stopped'));
      stop.signal.throwIfAborted();
    };
    expect((await rejection(probe(work, false, stop.signal))).message).to.equal('stopped');
    expect(containers.markOwnerFinished.firstCall.args[2]?.signal?.aborted).to.equal(false);
  });

  it('returns the result if the owner cannot be finished: its lease expires', async () => {
    containers.markOwnerFinished.rejects(new Error('away'));
    expect(await probe(async () => 'result')).to.equal('result');
    sinon.assert.calledOnce(logger.warn);
  });
});
