import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster } from '../../../fakes/index.ts';
import { ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import {
  AgentIncompatibleError,
  AgentUnavailableError,
  ExecHandshakeFailedError,
} from '../../../src/errors/connection.ts';
import { PodDeletedError, type PodError, PodFailedError } from '../../../src/errors/pod.ts';
import { ChangeSignal } from '../../../src/internal/change-signal.ts';
import type { Mask } from '../../../src/internal/host-mask.ts';
import type { Pod, PodEvent } from '../../../src/kubernetes/cluster.ts';
import { PodSupervisor, type PodSupervisorComponents } from '../../../src/pods/pod-supervisor.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';
import { rejection } from '../../support/rejection.ts';
import { deleted, evicted, podOf } from '../../support/scripted-pod.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const podName = 'pod';
const supervised = { podName, handle: 'box' };
const timeouts = { startMs: 60_000, schedulingMs: 600_000, imagePullMs: 120_000, reconnectMs: 300_000 };

const unavailable = new ApiUnavailableError({ verb: 'get', resource: 'pods', namespace: 'ci' }, 'down', 503);
const forbidden = new ForbiddenError({ verb: 'get', resource: 'pods', namespace: 'ci' }, 'no');
const noAgent = new AgentUnavailableError(podName, 'its container is not up', true);

const unscheduled: Pod = { metadata: { name: podName }, spec: { containers: [] } };
const scheduled: Pod = { metadata: { name: podName }, spec: { containers: [], nodeName: 'node' } };

/** A scheduled pod whose main container has this status. */
function podWithMain(main: object): Pod {
  const status = { name: 'main', image: 'i', imageID: 'i', ready: false, restartCount: 0, ...main };
  return { ...scheduled, status: { containerStatuses: [status] } };
}

describe('PodSupervisor', () => {
  let cluster: FakeCluster;
  let agent: { hello: sinon.SinonStub; fence: sinon.SinonStub };
  let forget: sinon.SinonStub;
  let restore: sinon.SinonStub;
  let clock: VirtualClock;
  let supervisor: PodSupervisor;
  let watched: { pod: Pod | undefined; failure?: Error };
  let change: ChangeSignal;
  let mask: Mask;

  /** Like `PodWatch.observe`, of `watched`. */
  async function* observe(_podName: string, { signal }: AbortOptions): AsyncGenerator<Pod | undefined> {
    const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    for (;;) {
      signal?.throwIfAborted();
      if (watched.failure !== undefined) throw watched.failure;
      const { pod } = watched;
      yield pod;
      while (watched.pod === pod && watched.failure === undefined && signal?.aborted !== true)
        await Promise.race([change.wait(), aborted]);
    }
  }

  async function watchShows(pod: Pod | undefined): Promise<void> {
    watched = { pod };
    change.notify();
    await settle();
  }

  async function watchFails(failure: Error): Promise<void> {
    watched = { pod: watched.pod, failure };
    change.notify();
    await settle();
  }

  /** The state of a promise so far. */
  function outcomeOf(promise: Promise<unknown>): { value?: unknown; error?: unknown } {
    const outcome: { value?: unknown; error?: unknown } = {};
    promise.then(
      (value) => (outcome.value = value ?? 'resolved'),
      (error: unknown) => (outcome.error = error),
    );
    return outcome;
  }

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'ci' });
    agent = { hello: sinon.stub().resolves(), fence: sinon.stub().resolves() };
    forget = sinon.stub();
    restore = sinon.stub().resolves();
    clock = new VirtualClock();
    watched = { pod: scheduled };
    change = new ChangeSignal();
    mask = (text) => text;
    supervisor = new PodSupervisor({
      cluster,
      watch: { observe, lastSeen: () => watched.pod },
      agents: { client: () => agent, forget },
      delivery: { restore },
      clock,
      logger: silentLogger,
      timeouts,
      mask: (text: string) => mask(text),
    } as unknown as PodSupervisorComponents);
  });

  afterEach(() => {
    expect(clock.sleeping, 'timers left').to.equal(0);
  });

  describe('findLoss()', () => {
    const codeOf = async (uid?: string): Promise<string | undefined> =>
      (await supervisor.findLoss(podName, { uid }))?.code;

    it('resolves with undefined for a pod in which commands may run', async () => {
      cluster.getPod.resolves(podOf('running'));
      expect(await codeOf('uid')).to.equal(undefined);
      cluster.getPod.resolves(podOf('restarted', { status: { phase: 'Pending' } }));
      expect(await codeOf()).to.equal(undefined);
    });

    it('resolves with the deletion of a pod that is missing, has another uid or is being deleted [A24]', async () => {
      expect(await codeOf()).to.equal('KW_ERR_POD_DELETED');
      cluster.getPod.resolves(podOf('running'));
      expect(await codeOf('other')).to.equal('KW_ERR_POD_DELETED');
      cluster.getPod.resolves(podOf('running', deleted));
      expect(await codeOf()).to.equal('KW_ERR_POD_DELETED');
    });

    it('resolves with why a pod has ended for good [A24] [A25]', async () => {
      cluster.getPod.resolves(podOf('terminated', { status: { phase: 'Failed', reason: 'Evicted' } }));
      expect(await codeOf('uid')).to.equal('KW_ERR_POD_EVICTED');
      cluster.getPod.resolves(podOf('terminated', { status: { phase: 'Succeeded' } }));
      expect(await codeOf('uid')).to.equal('KW_ERR_POD_FAILED');
    });

    it('rejects if the API does not answer [A23]', async () => {
      cluster.getPod.rejects(unavailable);
      expect(await rejection(supervisor.findLoss(podName))).to.equal(unavailable);
    });
  });

  describe('exists()', () => {
    it('resolves with true for a pod that is not being deleted', async () => {
      cluster.getPod.resolves(podOf('running'));
      expect(await supervisor.exists(podName)).to.equal(true);
      expect(await supervisor.exists(podName, { uid: 'uid' })).to.equal(true);
    });

    it('resolves with false for a missing pod, a pod with another uid and a pod that is being deleted [A24]', async () => {
      expect(await supervisor.exists(podName)).to.equal(false);
      cluster.getPod.resolves(podOf('running'));
      expect(await supervisor.exists(podName, { uid: 'other' })).to.equal(false);
      cluster.getPod.resolves(podOf('running', deleted));
      expect(await supervisor.exists(podName)).to.equal(false);
    });

    it('rejects if the API does not answer [A23]', async () => {
      cluster.getPod.rejects(unavailable);
      expect(await rejection(supervisor.exists(podName))).to.equal(unavailable);
    });

    it('resolves with false if its name belongs to the pod of another handle', async () => {
      const ofHandle = (labels: Record<string, string>): Pod => ({ metadata: { name: podName, labels } });
      cluster.getPod.resolves(ofHandle({ 'kubernetes-worker/handle': 'later' }));
      expect(await supervisor.exists(podName, { handle: 'box' })).to.equal(false);
      cluster.getPod.resolves(ofHandle({ 'kubernetes-worker/handle': 'box' }));
      expect(await supervisor.exists(podName, { handle: 'box' })).to.equal(true);
      cluster.getPod.resolves(ofHandle({}));
      expect(await supervisor.exists(podName, { handle: 'box' })).to.equal(true);
    });
  });

  describe('whenAgentAnswers()', () => {
    it('connects only after the pod has a node [A17]', async () => {
      watched = { pod: unscheduled };
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(10_000);
      sinon.assert.notCalled(agent.hello);
      await watchShows(scheduled);
      await clock.advance(40);
      expect(outcome).to.deep.equal({ value: 'resolved' });
    });

    it('reports each state of the pod that the watch shows, also the one that ends the wait', async () => {
      agent.hello.rejects(noAgent);
      watched = { pod: unscheduled };
      const observed = sinon.spy();
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised, { observed }));
      await settle();
      await watchShows(scheduled);
      const invalid = podWithMain({ state: { waiting: { reason: 'InvalidImageName' } } });
      await watchShows(invalid);
      expect(outcome.error).to.include({ code: 'KW_ERR_IMAGE_PULL_FAILED' });
      expect(observed.args).to.deep.equal([[unscheduled], [scheduled], [invalid]]);
    });

    it('retries retryable errors until the agent answers [A17] [A18]', async () => {
      agent.hello.rejects(noAgent);
      agent.hello.onCall(4).resolves();
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(2_500);
      expect(outcome).to.deep.equal({ value: 'resolved' });
    });

    it('connects rarely while nothing changes, and at once when the watch shows a change', async () => {
      agent.hello.rejects(noAgent);
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(50_000);
      expect(agent.hello.callCount).to.be.within(18, 38);
      agent.hello.resetHistory();
      await watchShows(podWithMain({ state: { running: {} } }));
      sinon.assert.calledOnce(agent.hello);
      // The agent of a container that runs answers soon, but not at once.
      await clock.advance(1_000);
      expect(agent.hello.callCount).to.be.within(4, 8);
      agent.hello.resolves();
      await clock.advance(2_000);
      expect(outcome).to.deep.equal({ value: 'resolved' });
    });

    it('connects more rarely while many pods start', async () => {
      agent.hello.rejects(noAgent);
      const stop = new AbortController();
      const starts = Array.from({ length: 50 }, () => supervisor.whenAgentAnswers(supervised, { signal: stop.signal }));
      for (const start of starts) start.catch(() => undefined);
      await clock.advance(10_000);
      expect(agent.hello.callCount / starts.length).to.be.within(2, 5);
      stop.abort(new Error('stopped'));
      await Promise.allSettled(starts);
    });

    it('rejects at once with an error that is not retryable [A18]', async () => {
      const incompatible = new AgentIncompatibleError([9, 9], [1, 3]);
      agent.hello.rejects(incompatible);
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(40);
      expect(outcome).to.deep.equal({ error: incompatible });
    });

    it('counts the start time-out from the scheduling of the pod [A27]', async () => {
      agent.hello.rejects(noAgent);
      watched = { pod: unscheduled };
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(500_000);
      await watchShows(scheduled);
      await clock.advance(timeouts.startMs - 1_000);
      expect(outcome).to.deep.equal({});
      await clock.advance(2_000);
      expect(outcome.error).to.include({ code: 'KW_ERR_POD_START_TIMEOUT', cause: noAgent });
    });

    it('rejects with the reason of the scheduler if the pod has no node in time [A26]', async () => {
      const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no memory' }];
      watched = { pod: { ...unscheduled, status: { conditions } } };
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(timeouts.schedulingMs - 1_000);
      expect(outcome).to.deep.equal({});
      await clock.advance(4_000);
      expect(outcome.error).to.include({ code: 'KW_ERR_POD_UNSCHEDULABLE', detail: 'no memory' });
    });

    it('rejects with the problem of the pod as soon as the watch shows it [A29]', async () => {
      agent.hello.rejects(noAgent);
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await settle();
      await watchShows(podWithMain({ state: { waiting: { reason: 'InvalidImageName' } } }));
      expect(outcome.error).to.include({ code: 'KW_ERR_IMAGE_PULL_FAILED', reason: 'InvalidImageName' });
    });

    it('rejects with PodDeletedError and closes the client if the pod no longer exists [A29] [A30]', async () => {
      agent.hello.rejects(noAgent);
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await settle();
      await watchShows(undefined);
      expect(outcome.error).to.be.instanceOf(PodDeletedError);
      sinon.assert.calledWithExactly(forget, podName);
    });

    it('rejects with exit code and last output of a container that ends at each start', async () => {
      agent.hello.rejects(noAgent);
      cluster.readLog.callsFake(async function* () {
        yield { at: '2030-01-01T00:00:00Z', bytes: Buffer.from('no such file\n') };
      });
      watched = { pod: podWithMain({ state: { running: {} } }) };
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await settle();
      const terminated = { exitCode: 9, reason: 'Error' };
      const state = { waiting: { reason: 'CrashLoopBackOff' } };
      await watchShows(podWithMain({ restartCount: 2, state, lastState: { terminated } }));
      expect(outcome.error).to.be.instanceOf(PodFailedError).and.to.include({
        detail:
          'container main ended at each of 3 starts, the last time with exit code 9; its last output: no such file',
      });
    });

    it('masks what Kubernetes reports, and whole lines of the output, in the detail of an error', async () => {
      mask = (text) => text.replaceAll('s3cret', '***');
      agent.hello.rejects(noAgent);
      cluster.readLog.callsFake(async function* () {
        yield { at: '2030-01-01T00:00:00Z', bytes: Buffer.from(`key: s3cret ${'x'.repeat(1_994)}\n`) };
      });
      watched = { pod: podWithMain({ state: { running: {} } }) };
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await settle();
      const terminated = { exitCode: 9, reason: 'Error', message: 'no s3cret' };
      await watchShows(podWithMain({ restartCount: 2, state: { terminated } }));
      expect(outcome.error).to.include({ nodeName: 'node', containerName: 'main', reason: 'Error' });
      expect(outcome.error).to.have.property('detail').that.includes('no ***').and.not.includes('cret');
      const invalid = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await watchShows(podWithMain({ state: { waiting: { reason: 'InvalidImageName', message: 'a/s3cret' } } }));
      expect(invalid.error).to.include({ detail: 'container main: a/***' });
      expect(String(invalid.error)).to.not.include('s3cret');
    });

    it('leaves out a detail that cannot be masked, and cuts one at 4 KiB', async () => {
      const waiting = { reason: 'InvalidImageName', message: 'é'.repeat(4_000) };
      cluster.getPod.resolves(podWithMain({ state: { waiting } }));
      const { detail = '' } = (await rejection(supervisor.requireAlive(podName))) as PodError;
      expect(Buffer.byteLength(detail)).to.be.within(4_093, 4_096);
      mask = () => undefined;
      expect(await rejection(supervisor.requireAlive(podName))).to.include({
        message: 'pod /pod cannot pull image i: InvalidImageName',
        detail: undefined,
      });
    });

    it('rejects with OutOfMemoryError and the limit of a container that is killed for memory at each start', async () => {
      agent.hello.rejects(noAgent);
      const spec = { nodeName: 'node', containers: [{ name: 'main', resources: { limits: { memory: '1048576' } } }] };
      watched = { pod: { ...podWithMain({ state: { running: {} } }), spec } };
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await settle();
      const terminated = { exitCode: 137, reason: 'OOMKilled' };
      await watchShows({ ...podWithMain({ restartCount: 2, state: { terminated } }), spec });
      expect(outcome.error).to.include({ code: 'KW_ERR_OUT_OF_MEMORY', containerName: 'main', limitBytes: 1_048_576 });
    });

    it("restores the agent's config map while the pod waits for its volumes", async () => {
      agent.hello.rejects(noAgent);
      const conditions = [
        { type: 'PodScheduled', status: 'True' },
        { type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime: new Date(0) },
      ];
      const spec = { ...scheduled.spec!, nodeSelector: { 'kubernetes.io/arch': 'arm64' } };
      watched = { pod: { ...scheduled, spec, status: { conditions } } };
      restore.onFirstCall().rejects(unavailable);
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised));
      await clock.advance(2_999);
      sinon.assert.notCalled(restore);
      await clock.advance(3_001);
      sinon.assert.calledTwice(restore);
      sinon.assert.alwaysCalledWithMatch(restore, 'arm64');
      await clock.advance(44_000);
      expect(restore.callCount, 'in 50 s').to.equal(5);
      agent.hello.resolves();
      await clock.advance(5_000);
      expect(outcome).to.deep.equal({ value: 'resolved' });
    });

    it('reports at 3, 6 and 12 s what the node says of volumes that it cannot mount, and at the time-out', async () => {
      agent.hello.rejects(noAgent);
      const conditions = [
        { type: 'PodScheduled', status: 'True' },
        { type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime: new Date(0) },
      ];
      watched = { pod: { ...scheduled, status: { conditions } } };
      const failure = (message: string, at: number) =>
        ({ metadata: {}, involvedObject: {}, reason: 'FailedMount', message, lastTimestamp: new Date(at) }) as PodEvent;
      cluster.podEvents.onFirstCall().resolves(undefined);
      cluster.podEvents.onSecondCall().rejects(unavailable);
      cluster.podEvents.resolves([failure('secret "s" not found', 2), failure('timed out', 1)]);
      const volumesFailed = sinon.stub();
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised, { volumesFailed }));
      await clock.advance(11_999);
      sinon.assert.notCalled(volumesFailed);
      await clock.advance(1);
      sinon.assert.calledOnceWithExactly(volumesFailed, 'secret "s" not found');
      await clock.advance(60_000);
      expect(outcome.error).to.include({ code: 'KW_ERR_POD_START_TIMEOUT' });
      expect((outcome.error as PodError).detail).to.contain('secret "s" not found');
    });

    it('rejects with the reason of the signal [A27]', async () => {
      agent.hello.rejects(noAgent);
      const abort = new AbortController();
      const outcome = outcomeOf(supervisor.whenAgentAnswers(supervised, { signal: abort.signal }));
      await clock.advance(1_000);
      const reason = new Error('enough');
      abort.abort(reason);
      await settle();
      expect(outcome).to.deep.equal({ error: reason });
    });
  });

  describe('persist()', () => {
    it('retries retryable errors while the pod exists [A18]', async () => {
      cluster.getPod.resolves(podOf('running'));
      const work = sinon.stub().rejects(noAgent);
      work.onCall(3).resolves('done');
      const outcome = outcomeOf(supervisor.persist(podName, work));
      await clock.advance(2_000);
      expect(outcome).to.deep.equal({ value: 'done' });
    });

    it('rejects with PodDeletedError after the first failure if the pod no longer exists [A30]', async () => {
      const work = sinon.stub().rejects(noAgent);
      expect(await rejection(supervisor.persist(podName, work))).to.be.instanceOf(PodDeletedError);
      sinon.assert.calledOnce(work);
    });

    it('checks the pod after a refused exec, which is not retryable', async () => {
      const refused = new ExecHandshakeFailedError('not found', { status: 404, retryable: false });
      const work = sinon.stub().rejects(refused);
      cluster.getPod.resolves(podOf('running'));
      expect(await rejection(supervisor.persist(podName, work))).to.equal(refused);
      cluster.getPod.resolves(undefined);
      expect(await rejection(supervisor.persist(podName, work))).to.be.instanceOf(PodDeletedError);
    });

    it('rejects at once with other errors, without a request to the cluster', async () => {
      expect(await rejection(supervisor.persist(podName, sinon.stub().rejects(forbidden)))).to.equal(forbidden);
      sinon.assert.notCalled(cluster.getPod);
    });

    it('rejects with the last error after the reconnect time-out', async () => {
      cluster.getPod.resolves(podOf('running'));
      const outcome = outcomeOf(supervisor.persist(podName, () => Promise.reject(noAgent)));
      await clock.advance(timeouts.reconnectMs - 1);
      expect(outcome).to.deep.equal({});
      await clock.advance(5_000);
      expect(outcome).to.deep.equal({ error: noAgent });
    });
  });

  it('fence() sets the generation as the fence of the agent, and retries it', async () => {
    cluster.getPod.resolves(podOf('running'));
    agent.fence.onFirstCall().rejects(noAgent);
    const outcome = outcomeOf(supervisor.fence(supervised, 7));
    await clock.advance(200);
    expect(outcome).to.deep.equal({ value: 'resolved' });
    sinon.assert.calledTwice(agent.fence);
    sinon.assert.alwaysCalledWithMatch(agent.fence, 7);
  });

  describe('requireAlive()', () => {
    it('resolves for a pod that runs, and if the API is unavailable', async () => {
      cluster.getPod.resolves(podOf('running'));
      await supervisor.requireAlive(podName, { uid: 'uid' });
      cluster.getPod.rejects(unavailable);
      await supervisor.requireAlive(podName);
    });

    it('rejects with PodDeletedError for a missing pod and for a pod with another uid', async () => {
      expect(await rejection(supervisor.requireAlive(podName))).to.be.instanceOf(PodDeletedError);
      cluster.getPod.resolves(podOf('running'));
      expect(await rejection(supervisor.requireAlive(podName, { uid: 'other' }))).to.be.instanceOf(PodDeletedError);
    });

    it('rejects with the problem of a pod that has one', async () => {
      cluster.getPod.resolves(podOf('running', evicted));
      expect((await rejection(supervisor.requireAlive(podName))).code).to.equal('KW_ERR_POD_EVICTED');
    });

    it('rejects with an API error that is not retryable', async () => {
      cluster.getPod.rejects(forbidden);
      expect(await rejection(supervisor.requireAlive(podName))).to.equal(forbidden);
    });
  });

  describe('whenGone()', () => {
    it('rejects when a deleted pod has ended, not when its deletion begins', async () => {
      const outcome = outcomeOf(supervisor.whenGone(podName, {}));
      await watchShows(podOf('running', deleted));
      await clock.advance(5_000);
      expect(outcome).to.deep.equal({});
      await watchShows(podOf('terminated', deleted));
      expect(outcome.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: false });
    });
  });

  describe('settled()', () => {
    it('resolves with the final error of a pod after its end, because commands may run during its grace period', async () => {
      watched = { pod: podOf('running', evicted) };
      const ending = new PodDeletedError({ namespace: 'ci', podName, mayStillRun: true });
      const outcome = outcomeOf(supervisor.settled(ending, {}));
      await clock.advance(1_000);
      expect(outcome).to.deep.equal({});
      await watchShows(podOf('terminated', evicted));
      expect(outcome.value).to.include({ code: 'KW_ERR_POD_EVICTED', mayStillRun: false });
    });

    it('resolves at once with an error after which no command runs, and with an error without a grace period', async () => {
      const ended = new PodDeletedError({ namespace: 'ci', podName });
      const failed = new PodFailedError({ namespace: 'ci', podName, mayStillRun: true });
      expect(await supervisor.settled(ended, {})).to.equal(ended);
      expect(await supervisor.settled(failed, {})).to.equal(failed);
    });

    it('resolves at once with the error of whenGone(), which has followed the pod to its end', async () => {
      watched = { pod: podOf('running') };
      const outcome = outcomeOf(supervisor.whenGone(podName, {}));
      await settle();
      await watchShows(undefined);
      expect(outcome.error).to.include({ code: 'KW_ERR_POD_DELETED', mayStillRun: true });
      expect(await supervisor.settled(outcome.error as PodDeletedError, {})).to.equal(outcome.error);
    });
  });

  describe('findEnd()', () => {
    const expectedSince = new Date(1_000);

    it('resolves with the end of the pod', async () => {
      const outcome = outcomeOf(supervisor.findEnd(podName, { expectedSince }));
      await watchShows(podOf('running', evicted));
      await watchShows(podOf('terminated', evicted));
      expect(outcome.value).to.include({ code: 'KW_ERR_POD_EVICTED' });
    });

    it('resolves with undefined if the main container was restarted: the pod stays', async () => {
      watched = { pod: podOf('restarted') };
      expect(await supervisor.findEnd(podName, { expectedSince })).to.equal(undefined);
    });
  });

  describe('guard()', () => {
    it('aborts its signal with the PodError of a pod that has ended', async () => {
      using guard = supervisor.guard(podName, {});
      await settle();
      expect(guard.signal.aborted).to.equal(false);
      await watchShows(undefined);
      expect(guard.signal.reason).to.be.instanceOf(PodDeletedError);
    });

    it('does not abort its signal if the watch fails', async () => {
      using guard = supervisor.guard(podName, {});
      await settle();
      await watchFails(forbidden);
      expect(guard.signal.aborted).to.equal(false);
    });

    it("aborts its signal with the caller's signal", () => {
      const abort = new AbortController();
      using guard = supervisor.guard(podName, { signal: abort.signal });
      const reason = new Error('enough');
      abort.abort(reason);
      expect(guard.signal.reason).to.equal(reason);
    });

    it('stops watching when it is disposed', async () => {
      const guard = supervisor.guard(podName, {});
      await settle();
      guard[Symbol.dispose]();
      await settle();
      await watchShows(undefined);
      expect(guard.signal.aborted).to.equal(false);
    });
  });

  describe('findMemoryKill()', () => {
    const since = new Date('2030-01-01T00:00:10.700Z');

    /** A pod whose main container runs again after a run that ended like this. */
    const restarted = (finishedAt: string, reason: string): Pod => {
      const terminated = { exitCode: 137, reason, finishedAt: new Date(finishedAt) };
      return podWithMain({ restartCount: 1, state: { running: {} }, lastState: { terminated } });
    };

    it('resolves with OutOfMemoryError if the kernel killed the run that ended after the moment', async () => {
      const outcome = outcomeOf(supervisor.findMemoryKill(podName, { since, limitBytes: 100 }));
      await watchShows(restarted('2030-01-01T00:00:10Z', 'OOMKilled'));
      expect(outcome.value).to.include({ code: 'KW_ERR_OUT_OF_MEMORY', limitBytes: 100, mayStillRun: false });
    });

    it('resolves with undefined if the run ended for another reason, or the pod no longer exists', async () => {
      watched = { pod: restarted('2030-01-01T00:00:12Z', 'Error') };
      expect(await supervisor.findMemoryKill(podName, { since, limitBytes: 100 })).to.equal(undefined);
      watched = { pod: undefined };
      expect(await supervisor.findMemoryKill(podName, { since, limitBytes: 100 })).to.equal(undefined);
    });

    it('ignores an earlier end, and waits ten seconds for the report of a later one', async () => {
      watched = { pod: restarted('2030-01-01T00:00:09Z', 'OOMKilled') };
      const outcome = outcomeOf(supervisor.findMemoryKill(podName, { since, limitBytes: 100 }));
      await clock.advance(9_999);
      expect(outcome).to.deep.equal({});
      await clock.advance(1);
      expect(outcome).to.deep.equal({ value: 'resolved' });
    });
  });

  it('outOfMemory() states that commands may still run unless the main container was killed', () => {
    const facts = { limitBytes: 100 };
    expect(supervisor.outOfMemory(podName, { ...facts, containerName: 'main' }).mayStillRun).to.equal(false);
    expect(supervisor.outOfMemory(podName, { ...facts, containerName: 'side' }).mayStillRun).to.equal(true);
  });
});
