import { setTimeout as sleep } from 'node:timers/promises';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { ContainerSpec, KubernetesWorker, KubernetesWorkerOptions } from '../../../src/index.ts';
import { Collector, makeContainer, newOwner } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { type KubeApi, kubeApi } from '../../support/kube/kube-api.ts';
import { type KubeNode, kubeNode } from '../../support/kube/kube-node.ts';
import { missingImage, type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';
import { workerSetup } from '../../support/worker-setup.ts';

describe('the nodes and the API server of a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let api: CoreV1Api;
  let worker: KubernetesWorker;
  let openWith: (options: Partial<KubernetesWorkerOptions>) => Promise<KubernetesWorker>;

  before(async function () {
    real = await realCluster(this, 'nodes');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    database = await newPGlite();
    const { kubeconfigPath, account, namespace } = real;
    ({ openWith } = workerSetup({ kubeconfigPath, account, namespace, database, image: shellImage, missingImage }));
    worker = await openWith({});
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  const cordon = async (name: string, unschedulable: boolean): Promise<void> => {
    await api.patchNode(
      { name, body: { spec: { unschedulable } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  };

  const onNode = (name: string): Partial<ContainerSpec> => {
    const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: [name] }];
    const required = { nodeSelectorTerms: [{ matchFields }] };
    return { pod: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } } };
  };

  context('a node that is drained', () => {
    it('evicts the pod of a command, accepts no other one until it is uncordoned, and no failure is lost [A25] [A26]', async () => {
      const name = (await api.listNode()).items.at(-1)!.metadata!.name!;
      const { namespace } = real!;
      const { container } = await makeContainer(worker, shellImage, onNode(name));
      const process = await container.run({ path: 'sleep', args: ['600'] }, {});
      const waiting = rejection(process.wait());
      await cordon(name, true);
      try {
        const metadata = { name: container.podName, namespace };
        await api.createNamespacedPodEviction({ ...metadata, body: { metadata } });
        expect(await waiting).to.include({ code: 'KW_ERR_POD_EVICTED', retryable: true, mayStillRun: false });
        await using impatient = await openWith({ schedulingTimeoutMs: 1_000 });
        const refused = rejection(impatient.findOrCreateContainer(newOwner(), { image: shellImage, ...onNode(name) }));
        expect(await refused).to.include({ code: 'KW_ERR_POD_UNSCHEDULABLE', retryable: true });
        const patient = makeContainer(worker, shellImage, onNode(name));
        await cordon(name, false);
        await patient;
      } finally {
        await cordon(name, false);
      }
    });
  });

  context('a node', () => {
    let node: KubeNode;

    before(function () {
      node = kubeNode(this);
    });

    /** Starts a command that prints a line every 0.2 s for about 12 s, on the node. */
    async function begin() {
      const { container } = await makeContainer(worker, shellImage, onNode(node.name));
      const stdout = new Collector();
      const script = 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i"; sleep 0.2; done; exit 5';
      const process = await container.run({ id: 'step', path: 'sh', args: ['-c', script] }, { stdout });
      await stdout.shows('line 3\n');
      return { container, stdout, ended: process.wait() };
    }
    const all = Array.from({ length: 60 }, (_, index) => `line ${String(index + 1)}\n`).join('');

    it('without a kubelet is an error that is retryable after the reconnect time-out, and no output is lost once it is back', async () => {
      const { container, stdout, ended } = await begin();
      await using impatient = await openWith({ reconnectTimeoutMs: 2_000 });
      await node.stop();
      try {
        const found = (await impatient.lookupContainer(container.handle))!;
        expect(await rejection(found.run({ path: 'true' }, {}))).to.include({
          code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
          retryable: true,
        });
      } finally {
        await node.start();
      }
      expect((await ended).exitStatus).to.equal(5);
      expect(stdout.text).to.equal(all);
    });

    it('that is not ready for longer than a pod tolerates evicts it while its command runs, which may continue there', async () => {
      const tolerations = ['not-ready', 'unreachable'].map((taint) => ({
        key: `node.kubernetes.io/${taint}`,
        operator: 'Exists' as const,
        effect: 'NoExecute' as const,
        tolerationSeconds: 1,
      }));
      // The facts about a node need an optional permission.
      await using host = await openWith({ kubeConfig: real!.kubeConfig });
      const placed = onNode(node.name);
      const { container } = await makeContainer(host, shellImage, { pod: { ...placed.pod, tolerations } });
      const stderr = new Collector();
      const process = await container.run({ path: 'sleep', args: ['600'] }, { stderr });
      const waiting = rejection(process.wait());
      await node.stop();
      try {
        expect(await waiting).to.include({
          code: 'KW_ERR_POD_EVICTED',
          reason: 'DeletionByTaintManager',
          retryable: true,
          mayStillRun: true,
          nodeName: node.name,
        });
        expect(stderr.text).to.match(new RegExp(`^node ${node.name}:\\n {2}not ready`, 'm'));
      } finally {
        await node.start();
      }
    });

    it('whose container runtime is killed and started again loses no output and no status', async () => {
      const { stdout, ended } = await begin();
      node.killRuntime();
      await sleep(1_000);
      await node.start();
      expect((await ended).exitStatus).to.equal(5);
      expect(stdout.text).to.equal(all);
    });
  });

  context('an API server', () => {
    let server: KubeApi;

    before(function () {
      server = kubeApi(this);
    });

    it('that is killed during the creation of containers causes no failure, and no second pod [A23]', async () => {
      const creating = Promise.all(Array.from({ length: 4 }, () => makeContainer(worker, shellImage)));
      creating.catch(() => undefined);
      await sleep(150);
      await server.kill();
      await sleep(2_000);
      await server.start();
      const created = await creating;
      const { items } = await api.listNamespacedPod({ namespace: real!.namespace });
      for (const { container } of created)
        expect(items.filter(({ metadata }) => metadata?.name?.includes(container.handle))).to.have.length(1);
      const owned = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
      expect(owned.length).to.be.at.least(created.length);
    });
  });
});
