import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import type { Cluster } from '../../../src/kubernetes/cluster.ts';
import { describeArchiveStore } from '../../contract/stores/describe-archive-store.ts';
import { describeClaimCuts } from '../../contract/stores/describe-claim-cuts.ts';
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

function portOf(config: KubeConfig): number {
  return Number(new URL(config.getCurrentCluster()!.server).port);
}

/** Returns a cluster behind a proxy. */
async function clusterBehind({ port }: TcpProxy, config: KubeConfig): Promise<Cluster> {
  const proxied = new KubeConfig();
  const clusters = config.getClusters().map((cluster) => ({ ...cluster, server: `https://127.0.0.1:${port}` }));
  proxied.loadFromOptions({
    clusters,
    users: config.getUsers(),
    contexts: config.getContexts(),
    currentContext: config.getCurrentContext(),
  });
  return await ClientNodeCluster.fromConfig({ kubeConfig: proxied, namespace: 'default' });
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

  let contractProxy: TcpProxy;

  describeArchiveStore('as an ArchiveStore', {
    open: async () => {
      // The suite expects that nothing is left, and pods are processes of this machine.
      const own = await startCluster();
      await createClaim(own.api, 'contract');
      contractProxy = await TcpProxy.start(portOf(own.config));
      const execs = await clusterBehind(contractProxy, own.config);
      const reading = new PvcWorker({ cluster: own.cluster, execs, image: 'pause:3.10' });
      const store = reading.open({ claim: 'contract' });
      const closeStore = store.close.bind(store);
      const close = async (): Promise<void> => {
        await closeStore();
        reading.close();
        await contractProxy.close();
        await own.close();
      };
      return Object.assign(store, { close });
    },
    sentBytes: () => contractProxy.sentBytes,
    partBytes: 262_144,
    listedKeys: 8,
    aborts: 3,
  });

  describe('over connections to the API server that are lost', function () {
    this.timeout(600_000);
    let proxy: TcpProxy;
    let cutting: PvcWorker;
    let store: ArchiveStore;

    before(async () => {
      const { cluster, config } = started!;
      proxy = await TcpProxy.start(portOf(config));
      const execs = await clusterBehind(proxy, config);
      const retryBackoff = { firstMs: 1, longestMs: 10 };
      cutting = new PvcWorker({ cluster, execs, image: 'pause:3.10', retryBackoff });
      await createClaim(api, 'cut');
      store = cutting.open({ claim: 'cut' });
    });

    after(async () => {
      await store?.close();
      cutting?.close();
      await proxy?.close();
    });

    it(`stores and returns the exact bytes if they are cut at random bytes, with any of ${SEEDS} seeds`, async () => {
      let lost = 0;
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const random = seededRandom(seed);
        const bytes = seededBytes(Math.floor(random() * 400_000), seed);
        // Frames surround the bytes of one direction; the other one has little else.
        const cut = (main: 'up' | 'down'): WirePlan => {
          const direction = random() < 0.8 ? main : main === 'up' ? 'down' : 'up';
          const offset = Math.floor(random() * (direction === main ? bytes.length + 8_000 : 8_000));
          return { [direction]: { after: [[offset, random() < 0.5 ? wireReset : wireFin]] } };
        };
        const key = `cut/00/a-${seed}`;
        proxy.renew(cut('up'), cut('up'));
        const written = await store.write(key, inChunks(bytes, seed));
        expect(written, `seed ${seed}`).to.deep.equal({ storedBytes: bytes.length, storedDigest: sha256(bytes) });
        proxy.renew(cut('down'), cut('down'));
        expect((await contentOf(await store.read(key))).equals(bytes), `seed ${seed}`).to.equal(true);
        lost += proxy.wires.length - 1;
      }
      // Some offsets are behind the end of a connection.
      expect(lost).to.be.above(SEEDS);
    });
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
