import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { ArchiveStore } from '../../../src/stores/archive-store.ts';
import { type KubeNode, kubeNode } from '../../support/kube/kube-node.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';
import { contentOf, inChunks, seededBytes } from '../../support/stores/archive-bytes.ts';
import { ClaimFixture } from '../../support/stores/claim-fixture.ts';
import { PvcWorker } from '../../support/stores/pvc-worker.ts';

const outOfService = 'node.kubernetes.io/out-of-service';

describe('a store pod whose node is lost, on a real cluster', function () {
  this.timeout(420_000);
  let real: RealCluster | undefined;
  let api: CoreV1Api;
  let node: KubeNode;
  let claims: ClaimFixture;
  let worker: PvcWorker | undefined;
  let store: ArchiveStore | undefined;

  before(async function () {
    node = kubeNode(this);
    real = await realCluster(this, 'store-node');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    claims = new ClaimFixture(api, real.namespace);
    // A folder of this machine, which both nodes have, as they have a volume of the network.
    await claims.createHostPath('archives', await claims.folder());
    worker = new PvcWorker({ cluster: real.cluster, image: shellImage, retryBudgetMs: 2_000, startMs: 30_000 });
    const preference = { matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [node.name] }] };
    const preferred = [{ weight: 100, preference }];
    store = worker.open({
      claim: 'archives',
      pod: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } } },
    });
  });

  after(async () => {
    await store?.close();
    worker?.close();
    await real?.remove();
    await claims?.remove();
  });

  const pod = () => ({ name: worker!.podName('archives'), namespace: real!.namespace });
  const nodeOfPod = async () => (await api.readNamespacedPod(pod())).spec?.nodeName;
  const isReady = async (): Promise<boolean> => {
    const { status } = await api.readNode({ name: node.name });
    return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
  };
  /** Tells Kubernetes whether the node is gone for good. Pods that run there tolerate it. */
  const declareLost = async (isLost: boolean): Promise<void> => {
    const { spec } = await api.readNode({ name: node.name });
    const others = (spec?.taints ?? []).filter(({ key }) => key !== outOfService);
    const taints = isLost ? [...others, { key: outOfService, value: 'lost', effect: 'NoSchedule' }] : others;
    await api.patchNode(
      { name: node.name, body: { spec: { taints } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  };

  it('is unavailable until Kubernetes has removed it, and the next one on another node has the archives', async () => {
    const [first, second] = ['i/00/a-1.tar.zst', 'i/00/a-2.tar.zst'] as const;
    await store!.write(first, inChunks(seededBytes(100_000)));
    expect(await nodeOfPod()).to.equal(node.name);
    await node.stop();
    try {
      const unavailable = { code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', retryable: true };
      expect(await rejection(store!.write(second, inChunks(seededBytes(10))))).to.include(unavailable);
      expect(await rejection(store!.read(first))).to.include(unavailable);
      while (await isReady()) await sleep(500);
      // What Kubernetes does by itself after five minutes: no kubelet confirms the deletion.
      await api.deleteNamespacedPod(pod());
      expect(await rejection(store!.probe())).to.include(unavailable);
      await declareLost(true);
      while (
        (await store!.probe().then(
          () => undefined,
          (error: unknown) => error,
        )) !== undefined
      )
        await sleep(500);
      expect(await nodeOfPod()).to.not.equal(node.name);
      expect((await contentOf(await store!.read(first))).equals(seededBytes(100_000))).to.equal(true);
      await store!.write(second, inChunks(seededBytes(10)));
    } finally {
      await declareLost(false);
      await node.start();
    }
    while (!(await isReady())) await sleep(500);
  });
});
