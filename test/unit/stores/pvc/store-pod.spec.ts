import { expect } from 'chai';
import sinon from 'sinon';

import { ClosedError } from '../../../../src/errors/caller.ts';
import { ApiUnavailableError } from '../../../../src/errors/cluster.ts';
import { PodDeletedError, PodEvictedError, PodFailedError, PodStartTimeoutError } from '../../../../src/errors/pod.ts';
import type { Pod } from '../../../../src/kubernetes/cluster.ts';
import { StorePod } from '../../../../src/stores/pvc/store-pod.ts';
import { storePodRequest } from '../../../../src/stores/pvc/store-pod-request.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const request = storePodRequest({ claim: 'data' }, { installationId: 'i', workerName: 'w', image: 'pause' });
const { podName } = request;
const facts = { namespace: 'ci', podName };
const archives = { name: 'the archives of the agent' };

describe('StorePod', () => {
  let clock: VirtualClock;
  let launch: sinon.SinonStub;
  let hello: sinon.SinonStub;
  let whenAgentAnswers: sinon.SinonStub;
  let remove: sinon.SinonStub;
  let getPod: sinon.SinonStub;
  let podEvents: sinon.SinonStub;
  let warn: sinon.SinonSpy;
  let pod: StorePod<typeof archives>;

  beforeEach(() => {
    clock = new VirtualClock();
    launch = sinon.stub().resolves('uid-1');
    hello = sinon.stub().resolves();
    whenAgentAnswers = sinon.stub().resolves();
    remove = sinon.stub().resolves(true);
    getPod = sinon.stub().resolves(undefined);
    podEvents = sinon.stub().resolves([]);
    warn = sinon.spy();
    pod = new StorePod({
      place: { store: 'pvc', claim: 'data', namespace: 'ci' },
      request,
      cluster: { getPod, podEvents },
      launcher: { launch },
      pods: { whenAgentAnswers, guard: sinon.stub(), mask: (text: string) => text.replace('secret', '***') },
      remover: { remove },
      agents: { client: () => ({ hello, archives }) },
      clock,
      logger: { ...silentLogger, warn },
    });
  });

  it('creates the pod at the first use, and asks its agent at each later one', async () => {
    expect(await pod.archives()).to.equal(archives);
    sinon.assert.calledOnceWithMatch(launch, request);
    sinon.assert.calledOnceWithMatch(whenAgentAnswers, { podName, handle: podName, podUid: 'uid-1' });
    sinon.assert.notCalled(hello);
    await pod.archives();
    sinon.assert.calledOnce(launch);
    sinon.assert.calledOnce(hello);
  });

  it('starts once for all concurrent uses', async () => {
    await Promise.all([pod.archives(), pod.archives(), pod.archives()]);
    sinon.assert.calledOnce(launch);
  });

  it('finds or creates the pod again when its agent does not answer', async () => {
    await pod.archives();
    hello.rejects(new PodDeletedError(facts));
    expect(await pod.archives()).to.equal(archives);
    sinon.assert.calledTwice(launch);
  });

  it("continues a start when one caller's signal aborts", async () => {
    const started = Promise.withResolvers<void>();
    whenAgentAnswers.returns(started.promise);
    const [abort, reason] = [new AbortController(), new Error('enough')];
    const first = rejection(pod.archives({ signal: abort.signal }));
    const second = pod.archives();
    await settle();
    abort.abort(reason);
    expect(await first).to.equal(reason);
    started.resolve();
    expect(await second).to.equal(archives);
    sinon.assert.calledOnce(launch);
  });

  for (const error of [new PodEvictedError(facts), new PodFailedError(facts), new PodDeletedError(facts)])
    it(`replaces a pod that ends with ${error.name}, by its uid`, async () => {
      whenAgentAnswers.onFirstCall().rejects(error);
      launch.onSecondCall().resolves('uid-2');
      expect(await pod.archives()).to.equal(archives);
      sinon.assert.calledOnceWithMatch(remove, podName, podName, { uid: 'uid-1' });
      sinon.assert.callOrder(launch, remove, launch);
    });

  it('waits for the end of a pod that is being deleted, and creates the next one', async () => {
    launch.onFirstCall().rejects(new PodDeletedError(facts));
    const labels = { 'kubernetes-worker/store': 'data' };
    getPod.resolves({ metadata: { uid: 'old', labels, deletionTimestamp: new Date(0) } });
    expect(await pod.archives()).to.equal(archives);
    sinon.assert.calledOnceWithMatch(remove, podName, podName, { uid: 'old' });
  });

  it('leaves alone the pod with which another host has already replaced the ended one', async () => {
    launch.onFirstCall().rejects(new PodDeletedError(facts));
    getPod.resolves({ metadata: { uid: 'new', labels: { 'kubernetes-worker/store': 'data' } } });
    expect(await pod.archives()).to.equal(archives);
    sinon.assert.notCalled(remove);
  });

  it('rejects when the second pod has ended as well, and starts again at the next use', async () => {
    const error = new PodFailedError(facts);
    whenAgentAnswers.rejects(error);
    expect(await rejection(pod.archives())).to.equal(error);
    sinon.assert.calledTwice(launch);
    whenAgentAnswers.resolves();
    expect(await pod.archives()).to.equal(archives);
  });

  it('leaves a pod that only starts slowly', async () => {
    const error = new PodStartTimeoutError(facts, 1000);
    whenAgentAnswers.rejects(error);
    expect(await rejection(pod.archives())).to.equal(error);
    sinon.assert.notCalled(remove);
  });

  it('warns about a pod with other options, and uses it', async () => {
    whenAgentAnswers.callsFake(async (_pod: unknown, { observed }: { observed: (pod: Pod) => void }) => {
      observed({ metadata: { annotations: { 'kubernetes-worker/store-options': 'other' } } });
    });
    expect(await pod.archives()).to.equal(archives);
    sinon.assert.calledOnceWithMatch(warn, sinon.match('other options'), { store: 'pvc', podName });
  });

  it('ends a start when it is closed, and rejects afterwards', async () => {
    whenAgentAnswers.callsFake(
      async (_pod: unknown, { signal }: { signal: AbortSignal }) =>
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    const starting = rejection(pod.archives());
    await settle();
    const reason = new ClosedError('store "pvc"');
    pod.close(reason);
    expect(await starting).to.equal(reason);
    expect(await rejection(pod.archives())).to.equal(reason);
    expect(clock.sleeping).to.equal(0);
  });

  describe('while the pod does not get its claim', () => {
    const unschedulable = (message: string): Pod => ({
      status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] },
    });
    const onNode: Pod = { metadata: { name: podName, uid: 'uid-1' }, spec: { nodeName: 'n', containers: [] } };
    const neverStarts = (seen: Pod): void => {
      whenAgentAnswers.callsFake(async (_pod: unknown, options: { observed: (pod: Pod) => void }) => {
        options.observed(seen);
        return await new Promise<never>(() => undefined);
      });
    };
    const failedAfter = async (ms: number): Promise<unknown> => {
      const settled: { error?: unknown } = {};
      void pod.archives().catch((error: unknown) => (settled.error = error));
      await settle();
      await clock.advance(ms);
      return settled.error;
    };

    it('rejects with StoreNotConfiguredError within five seconds if the claim does not exist', async () => {
      neverStarts(unschedulable('0/2 nodes are available: persistentvolumeclaim "data" not found.'));
      const error = await failedAfter(5_000);
      expect(error).to.include({ code: 'KW_ERR_STORE_NOT_CONFIGURED', store: 'pvc' });
      expect(String(error)).to.include('ci/data');
    });

    it('rejects with StoreUnavailableError if no volume is bound in time, and masks what Kubernetes reports', async () => {
      neverStarts(unschedulable('secret: pod has unbound immediate PersistentVolumeClaims'));
      expect(await failedAfter(20_000)).to.equal(undefined);
      const error = await failedAfter(20_000);
      expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', retryable: true });
      expect(String(error)).to.include('ci/data').and.to.include('***').and.not.to.include('secret');
    });

    it('waits for a node that has room', async () => {
      neverStarts(unschedulable('0/2 nodes are available: 2 Insufficient cpu.'));
      expect(await failedAfter(60_000)).to.equal(undefined);
      sinon.assert.notCalled(podEvents);
    });

    it('rejects if the events show for long that the volume is not attached', async () => {
      neverStarts(onNode);
      const message = 'Multi-Attach error for volume "v"';
      podEvents.resolves([{ metadata: {}, involvedObject: {}, reason: 'FailedAttachVolume', message }]);
      const error = await failedAfter(60_000);
      expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', retryable: true });
      expect(String(error)).to.include('ci/data').and.to.include('Multi-Attach');
    });

    it('waits without the permission to list events, and while they cannot be listed', async () => {
      neverStarts(onNode);
      podEvents.resolves(undefined);
      podEvents
        .onSecondCall()
        .rejects(new ApiUnavailableError({ verb: 'list', resource: 'events', namespace: 'ci' }, 'x', 500));
      expect(await failedAfter(60_000)).to.equal(undefined);
    });

    it('forgets a problem that has passed', async () => {
      neverStarts(onNode);
      const failed = [{ metadata: {}, involvedObject: {}, reason: 'FailedMount', message: 'not yet' }];
      podEvents.callsFake(async () => (podEvents.callCount % 20 === 0 ? [] : failed));
      expect(await failedAfter(120_000)).to.equal(undefined);
    });
  });
});
