import { expect } from 'chai';
import sinon from 'sinon';

import {
  AdmissionDeniedError,
  ApiUnavailableError,
  ConflictError,
  ForbiddenError,
  QuotaExceededError,
  TooManyRequestsError,
} from '../../../src/errors/cluster.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import {
  type LaunchOptions,
  type LaunchRequest,
  PodLauncher,
  type PodLauncherComponents,
} from '../../../src/pods/pod-launcher.ts';
import { QuotaQueue } from '../../../src/pods/quota-queue.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'create', resource: 'pods', namespace: 'ci' };
const request: LaunchRequest = {
  podName: 'p',
  handle: 'h',
  metadata: {},
  image: 'busybox',
  volumes: [],
  limits: {},
  sidecars: [],
  privileged: false,
  architecture: 'amd64',
};

describe('PodLauncher', () => {
  let cluster: { namespace: string; createPod: sinon.SinonStub; getPod: sinon.SinonStub; deletePod: sinon.SinonStub };
  let ensure: sinon.SinonStub;
  let clock: VirtualClock;
  let launcher: PodLauncher;

  beforeEach(() => {
    cluster = {
      namespace: 'ci',
      createPod: sinon.stub(),
      getPod: sinon.stub(),
      deletePod: sinon.stub().resolves(true),
    };
    ensure = sinon.stub().resolves('agent-x');
    clock = new VirtualClock();
    launcher = new PodLauncher({
      cluster,
      workerName: 'w',
      installationId: 'i',
      delivery: { ensure },
      podOptions: {},
      clock,
      logger: silentLogger,
      timeouts: { startMs: 60_000 },
      quotaQueue: new QuotaQueue({ clock, limitMs: 600_000, maxWaiting: 10, random: () => 0.5 }),
    } as unknown as PodLauncherComponents);
  });

  it('gives a step of type check one container, no init container, and no volume beyond its own', async () => {
    cluster.createPod.resolves({ metadata: { uid: 'uid-1' } });
    const volumes = [
      { agentVolume: 'v-1', mountPath: '/check' },
      { agentVolume: 'v-2', mountPath: '/check/cache' },
    ];
    await launcher.launch({ ...request, volumes, metadata: { type: 'check' } });
    const { metadata, spec } = cluster.createPod.firstCall.args[0] as Pod;
    expect(metadata?.labels).to.include({ 'kubernetes-worker/type': 'check' });
    expect(spec).not.to.have.any.keys('initContainers', 'ephemeralContainers');
    expect(spec!.containers.map(({ name }) => name)).to.deep.equal(['main']);
    expect(spec!.volumes?.map(({ name }) => name)).to.deep.equal(['kw-state', 'kw-agent']);
    const paths = spec!.containers[0]!.volumeMounts?.map(({ mountPath }) => mountPath);
    expect(paths).to.deep.equal(['/.kw', '/.kw-agent', '/check', '/check/cache']);
  });

  it('labels a hermetic pod', async () => {
    cluster.createPod.resolves({ metadata: { uid: 'uid-1' } });
    await launcher.launch({ ...request, hermetic: true });
    const { metadata } = cluster.createPod.firstCall.args[0] as Pod;
    expect(metadata?.labels).to.include({ 'kubernetes-worker/hermetic': 'true' });
  });

  const podOf = (handle: string): Pod => ({
    metadata: { uid: 'uid-1', labels: { 'kubernetes-worker/handle': handle } },
  });
  const created = { metadata: { uid: 'uid-1' } };

  /**
   * Launches the pod and advances the clock. Resolves with the result or the error of the launch so
   * far.
   */
  async function launchedAfter(ms: number, options: LaunchOptions = {}): Promise<unknown> {
    const settled: { result?: unknown } = {};
    void launcher.launch(request, options).then(
      (result) => (settled.result = result),
      (error: unknown) => (settled.result = error),
    );
    await clock.advance(ms);
    return settled.result;
  }

  const retryable = [
    new ApiUnavailableError(facts, 'leader changed', 500),
    new TooManyRequestsError(facts, 1_000),
    new QuotaExceededError(facts, 'exceeded quota'),
  ];
  for (const error of retryable) {
    it(`creates a pod after ten failures with ${error.code} [A18]`, async () => {
      cluster.createPod.rejects(error);
      cluster.createPod.onCall(10).resolves(created);
      expect(await launchedAfter(55_000)).to.equal('uid-1');
    });
  }

  it('reports each refusal for lack of quota, with its words, and no other failure', async () => {
    cluster.createPod.resolves(created);
    cluster.createPod.onCall(0).rejects(new ApiUnavailableError(facts, 'leader changed', 500));
    cluster.createPod.onCall(1).rejects(new QuotaExceededError(facts, 'exceeded quota: few, used: pods=1'));
    const waitingForQuota = sinon.spy();
    expect(await launchedAfter(5_000, { waitingForQuota })).to.equal('uid-1');
    sinon.assert.calledOnceWithExactly(waitingForQuota, sinon.match(/exceeded quota: few, used: pods=1$/), 0);
  });

  describe('with a volume of an image', () => {
    const volume = { name: 'tools', image: { reference: 'registry.example/tools:1' } };
    const overlay = {
      spec: {
        volumes: [volume],
        containers: [{ name: 'main', volumeMounts: [{ name: 'tools', mountPath: '/tools' }] }],
      },
    } as const;
    const launch = () => launcher.launch({ ...request, podOptions: { overlay } });

    it('creates the pod if the API server has stored the volume', async () => {
      cluster.createPod.resolves({ ...created, spec: { containers: [], volumes: [volume] } });
      expect(await launch()).to.equal('uid-1');
      sinon.assert.notCalled(cluster.deletePod);
    });

    it('rejects, and deletes the pod, if the API server has left the volume out', async () => {
      cluster.createPod.resolves({ ...created, spec: { containers: [], volumes: [{ name: 'kw-state' }] } });
      const error = await rejection(launch());
      expect(error).to.include({ code: 'KW_ERR_ADMISSION_DENIED', retryable: false });
      expect(String(error)).to.include('has left out volume tools of pod p');
      sinon.assert.calledOnceWithExactly(cluster.createPod, sinon.match.object);
      sinon.assert.calledOnceWithExactly(cluster.deletePod, 'p', { uid: 'uid-1' });
    });
  });

  it('annotates the pod with the requested images', async () => {
    cluster.createPod.resolves(created);
    await launcher.launch({ ...request, image: 'mirror/busybox', requestedImages: { main: 'busybox' } });
    sinon.assert.calledOnceWithMatch(cluster.createPod, {
      metadata: { annotations: { 'kubernetes-worker/requested-images': '{"main":"busybox"}' } },
    });
  });

  it('delivers the agent after the same failures', async () => {
    ensure.rejects(new ApiUnavailableError(facts, 'unavailable', 503));
    ensure.onCall(5).resolves('agent-x');
    cluster.createPod.resolves(created);
    expect(await launchedAfter(30_000)).to.equal('uid-1');
  });

  it('adopts the pod of an earlier request with a lost response [A23]', async () => {
    cluster.createPod.onFirstCall().rejects(new ApiUnavailableError(facts, 'socket hang up', undefined));
    cluster.createPod.onSecondCall().rejects(new ConflictError(facts, 'exists'));
    cluster.getPod.resolves(podOf('h'));
    expect(await launchedAfter(5_000)).to.equal('uid-1');
  });

  it('adopts the pod of an earlier request if a quota refuses the repetition, because the pod counts itself', async () => {
    cluster.createPod.rejects(new QuotaExceededError(facts, 'exceeded quota'));
    cluster.createPod.onFirstCall().rejects(new ApiUnavailableError(facts, 'socket hang up', undefined));
    cluster.getPod.resolves(podOf('h'));
    const waitingForQuota = sinon.spy();
    expect(await launchedAfter(5_000, { waitingForQuota })).to.equal('uid-1');
    sinon.assert.notCalled(waitingForQuota);
  });

  it('looks for the pod at its first refusal by a quota, and again after a request whose result is unknown', async () => {
    cluster.createPod.rejects(new QuotaExceededError(facts, 'exceeded quota'));
    cluster.createPod.onCall(3).rejects(new ApiUnavailableError(facts, 'socket hang up', undefined));
    const launching = launcher.launch(request);
    await clock.advance(500);
    sinon.assert.callCount(cluster.createPod, 3);
    sinon.assert.calledOnceWithMatch(cluster.getPod, 'p');
    cluster.getPod.resolves(podOf('h'));
    await clock.advance(10_000);
    expect(await launching).to.equal('uid-1');
    sinon.assert.calledTwice(cluster.getPod);
  });

  it('does not wait for quota if the pod of its name belongs to another handle', async () => {
    cluster.createPod.rejects(new QuotaExceededError(facts, 'exceeded quota'));
    cluster.getPod.resolves(podOf('other'));
    expect(await launchedAfter(1_000)).to.include({ code: 'KW_ERR_CONFLICT' });
  });

  it('creates the pod if the existing pod of its name was deleted in the meantime [A24]', async () => {
    cluster.createPod.onFirstCall().rejects(new ConflictError(facts, 'exists'));
    cluster.createPod.onSecondCall().resolves(created);
    cluster.getPod.resolves(undefined);
    expect(await launchedAfter(5_000)).to.equal('uid-1');
  });

  for (const [whose, pod] of [
    ['of another handle', podOf('other')],
    ['without a handle', { metadata: { uid: 'uid-1' } }],
  ] as const) {
    it(`does not adopt the pod ${whose}, and names it [A24]`, async () => {
      const conflict = new ConflictError(facts, 'exists');
      cluster.createPod.rejects(conflict);
      cluster.getPod.resolves(pod);
      const error = await launchedAfter(0);
      expect(error).to.be.instanceOf(ConflictError).with.property('cause', conflict);
      expect(error).to.have.property('message').that.includes('pod p exists');
    });
  }

  describe('with a store pod', () => {
    const store: LaunchRequest = { ...request, podName: 'store-c', handle: 'store-c', storeClaim: 'c' };
    const existing = (labels: Readonly<Record<string, string>>): void => {
      cluster.createPod.rejects(new ConflictError(facts, 'exists'));
      cluster.getPod.resolves({ metadata: { uid: 'uid-1', labels } });
    };

    it('labels it with its claim, and with no handle, which would have a row', async () => {
      cluster.createPod.resolves(created);
      await launcher.launch(store);
      const { labels } = (cluster.createPod.firstCall.args[0] as Pod).metadata!;
      expect(labels).to.include({ 'kubernetes-worker/store': 'c', 'kubernetes-worker/worker': 'w' });
      expect(labels).not.to.have.property('kubernetes-worker/handle');
    });

    it('adopts the one that another host of the worker has created', async () => {
      existing({ 'kubernetes-worker/store': 'c', 'kubernetes-worker/worker': 'w' });
      expect(await launcher.launch(store)).to.equal('uid-1');
    });

    for (const labels of [
      { 'kubernetes-worker/store': 'other', 'kubernetes-worker/worker': 'w' },
      { 'kubernetes-worker/store': 'c', 'kubernetes-worker/worker': 'other' },
      { 'kubernetes-worker/handle': 'store-c', 'kubernetes-worker/worker': 'w' },
    ])
      it(`does not adopt a pod with the labels ${Object.values(labels).join(' and ')}`, async () => {
        existing(labels);
        expect(await rejection(launcher.launch(store))).to.be.instanceOf(ConflictError);
      });
  });

  for (const error of [new ForbiddenError(facts, 'no'), new AdmissionDeniedError(facts, 'violates PodSecurity')]) {
    it(`rejects at once with ${error.code} [A18]`, async () => {
      cluster.createPod.rejects(error);
      expect(await launchedAfter(0)).to.equal(error);
      sinon.assert.calledOnce(cluster.createPod);
    });
  }

  it('retries an unavailable API for as long as a pod may take to start, and a quota for as long as a pod may wait for a node', async () => {
    const [unavailable, quota] = [
      new ApiUnavailableError(facts, 'down', 503),
      new QuotaExceededError(facts, 'exceeded quota'),
    ];
    cluster.createPod.rejects(unavailable);
    expect(await launchedAfter(59_000)).to.equal(undefined);
    await clock.advance(10_000);
    cluster.createPod.rejects(quota);
    expect(await launchedAfter(590_000)).to.equal(undefined);
    await clock.advance(20_000);
    expect(clock.sleeping).to.equal(0);
    expect(await launchedAfter(620_000)).to.equal(quota);
  });

  it('renews the time for an unavailable API after a refusal by a quota', async () => {
    cluster.createPod.rejects(new ApiUnavailableError(facts, 'down', 503));
    await launchedAfter(59_000);
    cluster.createPod.rejects(new QuotaExceededError(facts, 'exceeded quota'));
    await clock.advance(10_000);
    cluster.createPod.rejects(new ApiUnavailableError(facts, 'down', 503));
    await clock.advance(50_000);
    cluster.createPod.resolves(created);
    const calls = cluster.createPod.callCount;
    await clock.advance(10_000);
    expect(cluster.createPod.callCount).to.equal(calls + 1);
    expect(clock.sleeping).to.equal(0);
  });

  it('creates pods in the order of their launches while a quota refuses, one at a time', async () => {
    cluster.createPod.rejects(new QuotaExceededError(facts, 'exceeded quota'));
    for (const podName of ['p-1', 'p-2', 'p-3']) void launcher.launch({ ...request, podName });
    await clock.advance(1_000);
    cluster.createPod.resetHistory();
    cluster.createPod.resolves(created);
    await clock.advance(5_000);
    expect(cluster.createPod.args.map(([pod]) => (pod as Pod).metadata?.name)).to.deep.equal(['p-1', 'p-2', 'p-3']);
  });

  it('stops retrying with the reason of the signal', async () => {
    cluster.createPod.rejects(new ApiUnavailableError(facts, 'down', 503));
    const stop = new AbortController();
    const launching = rejection(launcher.launch(request, { signal: stop.signal }));
    await clock.advance(1_000);
    const reason = new Error('enough');
    stop.abort(reason);
    expect(await launching).to.equal(reason);
    expect(clock.sleeping).to.equal(0);
  });

  it("creates the pod with the container's options, and with the worker's where it has none", async () => {
    launcher = new PodLauncher({
      cluster,
      workerName: 'w',
      installationId: 'i',
      delivery: { ensure },
      podOptions: { runtimeClassName: 'gvisor', priorityClassName: 'low' },
      clock,
      logger: silentLogger,
      timeouts: { startMs: 60_000 },
      quotaQueue: new QuotaQueue({ clock, limitMs: 600_000, maxWaiting: 10, random: () => 0.5 }),
    } as unknown as PodLauncherComponents);
    cluster.createPod.resolves(created);
    await launcher.launch({ ...request, podOptions: { priorityClassName: 'high' } });
    expect((cluster.createPod.firstCall.args[0] as Pod).spec).to.include({
      runtimeClassName: 'gvisor',
      priorityClassName: 'high',
    });
  });

  it('rejects a pod that is too large before any request to the cluster', () => {
    const env = Array.from({ length: 10 }, (_, index) => `V${String(index)}=${'x'.repeat(120_000)}`);
    const check = (): void => launcher.check({ ...request, sidecars: [{ name: 's', image: 'i', env }] });
    expect(check).to.throw(/^sidecars\[0\]\.env: /);
    expect(() => launcher.check(request)).to.not.throw();
    sinon.assert.notCalled(cluster.createPod);
  });
});
