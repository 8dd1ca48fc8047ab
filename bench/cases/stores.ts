// Measures the hand-over of content from a step to the next one through each store, against the
// hand-over from pod to pod, and against what pipelines and hosts do without this library: `tar` to a
// shared claim in both steps, and the SDK's `lib-storage` in the host. Then measures the memory of a
// host whose content passes through S3, on the embedded cluster.
// Needs KUBECONFIG, kubectl on PATH, Go, and a storage class with a volume that two nodes can mount.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

import { KubernetesWorker, type KubernetesWorkerOptions } from '../../src/index.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { handOver, randomLoad, treeLoad, type Way } from '../stores/hand-over.ts';
import { libStorage } from '../stores/lib-storage.ts';
import { startS3Server } from '../stores/s3-server.ts';
import { peakAboveIdle } from '../stores/store-memory.ts';

const toOutput = 'cp -r "$1"/. /work/out/';
const storeClaim = 'bench-store';
const sharedClaim = 'bench-shared';

export const benchmark: Benchmark = {
  settings: {
    mebibytes: { value: '256', meaning: 'of random bytes' },
    files: { value: '2000', meaning: 'files of the tree' },
    'memory-mebibytes': { value: '4096', meaning: 'that pass through a host whose memory is measured' },
    'store-class': { value: 'dynamic', meaning: 'the storage class of the store: with fsGroup' },
    'shared-class': { value: 'local', meaning: 'the storage class of the claim that steps share: ReadWriteMany' },
  },
  open: async ({ setting }) => {
    requireRealCluster();
    await using opened = new AsyncStack();
    const namespace = `bench-stores-${randomBytes(4).toString('hex')}`;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    const api = kubeConfig.makeApiClient(CoreV1Api);
    await api.createNamespace({ body: { metadata: { name: namespace } } });
    opened.use(api, () => api.deleteNamespace({ name: namespace }));
    await claim(api, namespace, storeClaim, ['ReadWriteOnce', setting('store-class')]);
    await claim(api, namespace, sharedClaim, ['ReadWriteMany', setting('shared-class')]);
    await serviceAccountExists(api, namespace);
    const openWorker = async (name: string, options: Partial<KubernetesWorkerOptions>): Promise<KubernetesWorker> => {
      const database = opened.use(await PGlite.create(), (pglite) => pglite.close());
      const worker = await KubernetesWorker.open({
        name,
        kubeConfig,
        namespace,
        database,
        volumeImage: 'registry.local/busybox:1',
        ...options,
      });
      return opened.use(worker, (open) => open.close());
    };
    const pods = await openWorker('pods', {});
    const pod: Way = { name: 'pod', worker: pods, put: toOutput };
    const pvc: Way = {
      name: 'pvc',
      worker: await openWorker('pvc', { stores: { pvc: { claim: storeClaim } } }),
      put: toOutput,
    };
    const server = opened.use(await startS3Server(), (started) => started[Symbol.asyncDispose]());
    const { endpoint, bucket, credentials } = server;
    const s3: Way = {
      name: 's3',
      worker: await openWorker('s3', { stores: { s3: { endpoint, bucket, credentials } } }),
      put: toOutput,
    };
    const carrier = opened.use(libStorage(server), (open) => open[Symbol.asyncDispose]());
    const byHand: Way = { name: 'lib-storage in the host', worker: pods, put: toOutput, carrier };
    const tar: Way = {
      name: 'tar to a shared claim',
      worker: pods,
      spec: sharedVolume(),
      put: 'tar -cf /shared/content.tar -C "$1" .',
      get: 'tar -xf /shared/content.tar -C "$1"',
    };
    const loads = [randomLoad(Number(setting('mebibytes'))), treeLoad(Number(setting('files')))];
    const pairs: readonly (readonly [ours: Way, peer: Way])[] = [
      [pvc, pod],
      [pvc, tar],
      [s3, pod],
      [s3, tar],
      [s3, byHand],
    ];
    const cases = loads.flatMap((load) =>
      pairs.map(
        ([ours, peer]): BenchCase => ({
          name: `${load.name}, ${ours.name}, beside ${peer.name}`,
          unit: 'ms',
          better: 'lower',
          pairs: 3,
          ours: () => handOver(ours, load),
          peer: () => handOver(peer, load),
        }),
      ),
    );
    const mebibytes = Number(setting('memory-mebibytes'));
    for (const direction of ['save', 'load'] as const)
      cases.push({
        name: `memory above idle, ${direction} ${mebibytes} MiB, s3`,
        unit: 'MiB',
        better: 'lower',
        goal: 96,
        pairs: 1,
        warmUps: 0,
        ours: (context) => peakAboveIdle(direction, mebibytes, server, context),
      });
    const kept = opened.keep();
    return { cases, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
  },
};

function sharedVolume(): Way['spec'] {
  const volumes = [{ name: 'shared', persistentVolumeClaim: { claimName: sharedClaim } }];
  const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
  return { pod: { overlay: { spec: { volumes, containers: [{ name: 'main', volumeMounts }] } } } };
}

async function claim(
  api: CoreV1Api,
  namespace: string,
  name: string,
  [accessMode, storageClassName]: readonly [mode: string, storageClass: string],
): Promise<void> {
  await api.createNamespacedPersistentVolumeClaim({
    namespace,
    body: {
      metadata: { name },
      spec: { accessModes: [accessMode], storageClassName, resources: { requests: { storage: '4Gi' } } },
    },
  });
}

/** The API server rejects pods in a namespace before it has a service account. */
async function serviceAccountExists(api: CoreV1Api, namespace: string): Promise<void> {
  for (;;) {
    const { items } = await api.listNamespacedServiceAccount({ namespace });
    if (items.length > 0) return;
    await sleep(100);
  }
}
