import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { ConflictError } from '../../src/errors/cluster.ts';
import { systemClock } from '../../src/internal/system-clock.ts';
import type { Pod } from '../../src/kubernetes/cluster.ts';
import { podMarks, workerSelector } from '../../src/kubernetes/pod-spec/labels.ts';
import { podName } from '../../src/kubernetes/pod-spec/pod-name.ts';
import { buildPod } from '../../src/kubernetes/pod-spec/pod-spec.ts';
import { mainContainerState } from '../../src/kubernetes/pod-state/main-container-state.ts';
import { PodStart, type StartProblem } from '../../src/kubernetes/pod-state/pod-start.ts';
import { findUnschedulable, podProblem } from '../../src/kubernetes/pod-state/pod-status.ts';
import { PodWatch } from '../../src/kubernetes/pod-state/pod-watch.ts';
import { WatchExpiredError } from '../../src/kubernetes/watch-expired-error.ts';
import type { PodOptions } from '../../src/runtime/pod-options.ts';
import { idlePod, missingImage, type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { silentLogger } from '../support/silent-logger.ts';

const marks = { installationId: 'e2e', workerName: 'worker #1' };
const configMapName = 'fake-agent';
const fakeAgent = '#!/bin/sh\ntrap "exit 0" TERM\nsleep 86400 &\nwait\n';

describe('a real cluster', () => {
  let real: RealCluster;
  let watch: PodWatch;

  before(async function () {
    real = await realCluster(this, 'cluster');
    await real.cluster.createConfigMap({
      metadata: { name: configMapName },
      immutable: true,
      data: { agent: fakeAgent },
    });
  });

  beforeEach(() => {
    watch = new PodWatch({
      cluster: real.cluster,
      labelSelector: workerSelector(marks.installationId, marks.workerName),
      clock: systemClock(),
      logger: silentLogger,
    });
  });

  afterEach(() => {
    watch.close();
  });

  after(async () => {
    await (real as RealCluster | undefined)?.remove();
  });

  function plannedPod(
    change: {
      readonly image?: string;
      readonly options?: PodOptions;
      readonly memoryBytes?: number;
      readonly cpuMilli?: number;
    } = {},
  ): Pod {
    const handle = crypto.randomUUID();
    const metadata = {
      pipelineName: 'Main / pipeline',
      jobName: 'unit tests',
      buildName: '1.1',
      stepName: 'läuft',
      team: 'a team',
    };
    const { image = shellImage, options = {}, cpuMilli, memoryBytes } = change;
    return buildPod({
      podName: podName(handle, metadata),
      ...podMarks({ ...marks, handle, metadata }),
      image,
      volumes: [
        { agentVolume: 'in', mountPath: '/work/in' },
        { agentVolume: 'work', mountPath: '/work' },
      ],
      agentConfigMapName: configMapName,
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      limits: { cpuMilli, memoryBytes },
      sidecars: [],
      privileged: false,
      options,
    });
  }

  /** Watches a pod until the condition holds. */
  async function until(name: string, condition: (pod: Pod | undefined) => boolean): Promise<Pod | undefined> {
    for await (const pod of watch.observe(name)) {
      if (condition(pod)) return pod;
    }
    throw new Error('the watch ended');
  }

  const isRunning = (pod: Pod | undefined): boolean => pod !== undefined && mainContainerState(pod).kind === 'running';
  const problemOf = (pod: Pod | undefined): ReturnType<typeof podProblem> => pod && podProblem(pod);

  for (const [what, options, image] of [
    ['plain', {}, shellImage],
    ['restricted', { security: 'restricted', runAsUser: 1000, readOnlyRootFilesystem: true }, shellImage],
  ] as const) {
    it(`accepts and runs a ${what} pod, and reports its states in one watch`, async () => {
      const created = await real.cluster.createPod(plannedPod({ options, image }));
      const name = created.metadata?.name ?? '';
      expect(await rejection(real.cluster.createPod({ ...created, metadata: { name } }))).to.be.instanceOf(
        ConflictError,
      );
      const pod = await until(name, isRunning);
      expect(problemOf(pod)).to.equal(undefined);
      expect(await real.cluster.deletePod(name, { uid: 'another' })).to.equal(false);
      expect(await real.cluster.deletePod(name, { uid: created.metadata?.uid, gracePeriodSeconds: 0 })).to.equal(true);
      await until(name, (state) => state === undefined);
      expect(await real.cluster.getPod(name)).to.equal(undefined);
      expect(await real.cluster.deletePod(name)).to.equal(false);
    });
  }

  it('may reject pods by Pod Security, and accepts restricted pods', async () => {
    const name = `${real.namespace}-strict`;
    const api = real.kubeConfig.makeApiClient(CoreV1Api);
    await api.createNamespace({
      body: { metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    });
    try {
      while ((await api.listNamespacedServiceAccount({ namespace: name })).items.length === 0) await sleep(100);
      const create = async (options: PodOptions): Promise<Pod> =>
        api.createNamespacedPod({ namespace: name, body: plannedPod({ options }) });
      expect((await rejection(create({}))).message).to.contain('PodSecurity');
      await create({ security: 'restricted' });
    } finally {
      await api.deleteNamespace({ name, gracePeriodSeconds: 0 });
    }
  });

  it('reports why an image cannot be pulled', async () => {
    const { metadata } = await real.cluster.createPod(plannedPod({ image: missingImage }));
    const start = new PodStart(60_000);
    let problem: StartProblem | undefined;
    await until(metadata?.name ?? '', (state) => {
      problem = state && start.observe(state, Date.now());
      return problem !== undefined;
    });
    expect(problem).to.have.nested.include({ 'error.code': 'KW_ERR_IMAGE_PULL_FAILED', 'error.image': missingImage });
  });

  it('reports why and since when no node accepts a pod', async () => {
    const { metadata } = await real.cluster.createPod(plannedPod({ cpuMilli: 5_000_000 }));
    const pod = await until(
      metadata?.name ?? '',
      (state) => state !== undefined && findUnschedulable(state) !== undefined,
    );
    expect(problemOf(pod)).to.equal(undefined);
    const found = findUnschedulable(pod ?? {});
    expect(found?.detail).to.contain('nodes are available');
    expect(found?.since).to.be.instanceOf(Date);
  });

  it('reports that the program of a pod is missing', async () => {
    const pod = plannedPod();
    pod.spec!.containers[0]!.command = ['/no/such/program'];
    const { metadata } = await real.cluster.createPod(pod);
    const failed = await until(metadata?.name ?? '', (state) => problemOf(state) !== undefined);
    expect(problemOf(failed)).to.include({ code: 'KW_ERR_POD_FAILED' });
    expect(problemOf(failed)?.message).to.contain('no such file or directory');
  });

  it('restarts a container that was killed for memory, and reports the reason', async () => {
    const pod = plannedPod({ memoryBytes: 24 * 1024 * 1024 });
    pod.spec!.containers[0]!.command = ['sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'];
    const { metadata } = await real.cluster.createPod(pod);
    const died = await until(
      metadata?.name ?? '',
      (state) => state !== undefined && mainContainerState(state).kind === 'restarting',
    );
    expect(problemOf(died)).to.equal(undefined);
    expect(mainContainerState(died ?? {})).to.deep.include({ kind: 'restarting' });
    const state = mainContainerState(died ?? {});
    expect(state.kind === 'restarting' && state.lastTermination).to.include({ outOfMemory: true, exitCode: 137 });
  });

  it("lists pods, and watches from the list's version", async () => {
    const { pods, resourceVersion } = await real.cluster.listPods(
      workerSelector(marks.installationId, marks.workerName),
    );
    expect(pods.length).to.be.greaterThan(0);
    const stop = new AbortController();
    const changes = real.cluster.watchPods('x=y', resourceVersion, { signal: stop.signal });
    const first = changes.next();
    await real.cluster.createPod(idlePod('labelled', { x: 'y' }));
    const change = (await first).value;
    expect(change).to.deep.include({ type: 'added' });
    const reason = new Error('enough');
    stop.abort(reason);
    await rejection(changes.next()).then((error) => expect(error).to.equal(reason));
  });

  it('reports that a version is too old to watch from', async function () {
    const stop = new AbortController();
    const first = await real.cluster
      .watchPods('', '1', { signal: stop.signal })
      .next()
      .catch((error: unknown) => error);
    stop.abort();
    if (!(first instanceof Error)) {
      console.log('      skipped: this cluster is so young that it has forgotten no version yet');
      this.skip();
    }
    expect(first).to.be.instanceOf(WatchExpiredError);
  });

  it('reports the architectures of its nodes', async () => {
    expect(await real.cluster.nodeArchitectures()).to.include(process.arch === 'arm64' ? 'arm64' : 'amd64');
  });
});
