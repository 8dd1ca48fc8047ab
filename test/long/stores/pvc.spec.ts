import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import type { Cluster } from '../../../src/kubernetes/cluster.ts';
import { describeArchiveStore } from '../../contract/stores/describe-archive-store.ts';
import { describeClaimCuts } from '../../contract/stores/describe-claim-cuts.ts';
import { type ClusterBehindProxy, clusterBehindProxy } from '../../support/kube/cluster-behind-proxy.ts';
import { contentOf, inChunks, seededBytes } from '../../support/stores/archive-bytes.ts';
import { PvcWorker } from '../../support/stores/pvc-worker.ts';

interface StartedCluster {
  readonly api: CoreV1Api;
  readonly cluster: Cluster;
  readonly config: KubeConfig;
  readonly worker: PvcWorker;
  close(): Promise<void>;
}

async function startCluster(): Promise<StartedCluster> {
  const embedded = await EmbeddedCluster.start({ crashLoopBackOffMs: 100 });
  const config = new KubeConfig();
  config.loadFromFile(embedded.kubeconfigPath);
  const cluster = await ClientNodeCluster.fromConfig({ kubeConfig: embedded.kubeconfigPath, namespace: 'default' });
  const worker = new PvcWorker({ cluster, image: 'pause:3.10' });
  const close = async (): Promise<void> => {
    worker.close();
    await embedded.close();
  };
  return { api: config.makeApiClient(CoreV1Api), cluster, config, worker, close };
}

async function createClaim(api: CoreV1Api, name: string): Promise<void> {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  await api.createNamespacedPersistentVolumeClaim({ namespace: 'default', body: { metadata: { name }, spec } });
}

describe('PvcStore on the embedded cluster', () => {
  let started: StartedCluster | undefined;
  let api: CoreV1Api;
  let worker: PvcWorker;

  before(async () => {
    started = await startCluster();
    ({ api, worker } = started);
  });

  after(async () => {
    await started?.close();
  });

  let behind: ClusterBehindProxy;

  describeArchiveStore('as an ArchiveStore', {
    open: async () => {
      // The suite expects that nothing is left, and pods are processes of this machine.
      const own = await startCluster();
      await createClaim(own.api, 'contract');
      behind = await clusterBehindProxy(own.config, 'default');
      const { proxy, cluster: execs } = behind;
      const reading = new PvcWorker({ cluster: own.cluster, execs, image: 'pause:3.10' });
      const store = reading.open({ claim: 'contract' });
      const closeStore = store.close.bind(store);
      const close = async (): Promise<void> => {
        await closeStore();
        reading.close();
        await proxy.close();
        await own.close();
      };
      return Object.assign(store, { close });
    },
    sentBytes: () => behind.proxy.sentBytes,
    partBytes: 262_144,
    listedKeys: 8,
    aborts: 3,
  });

  describeClaimCuts(async () => {
    await createClaim(api, 'cut');
    return { ...started!, image: 'pause:3.10', claim: 'cut' };
  });

  it('has one pod for all hosts, which stays when one of them closes', async () => {
    await createClaim(api, 'shared');
    const [first, second] = [worker.open({ claim: 'shared' }), worker.open({ claim: 'shared' })];
    await Promise.all([first.write('i/00/a-1', inChunks(seededBytes(10))), second.probe()]);
    await first.close();
    expect(await contentOf(await second.read('i/00/a-1'))).to.have.lengthOf(10);
    await second.close();
    const pod = await api.readNamespacedPod({ name: worker.podName('shared'), namespace: 'default' });
    expect(pod.metadata?.deletionTimestamp).to.equal(undefined);
  });

  it('keeps archives when its pod is deleted, and reads them from the next pod', async () => {
    await createClaim(api, 'deleted');
    const store = worker.open({ claim: 'deleted' });
    await store.write('i/00/a-1', inChunks(seededBytes(1000)));
    await api.deleteNamespacedPod({ name: worker.podName('deleted'), namespace: 'default', gracePeriodSeconds: 0 });
    expect((await contentOf(await store.read('i/00/a-1'))).equals(seededBytes(1000))).to.equal(true);
    await store.close();
  });
});
