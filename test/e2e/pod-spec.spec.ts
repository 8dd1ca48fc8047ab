import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, type V1Pod } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { Container, ContainerSpec, KubernetesWorker } from '../../src/index.ts';
import { makeContainer, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { nonRootImage, type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';

const value = 'hunter2-$(HOME)-$$';

describe('the pod of a specification on a real cluster', () => {
  let real: RealCluster;
  let api: CoreV1Api;
  let worker: KubernetesWorker;
  let namespace: string;
  let database: PGlite | undefined;

  before(async function () {
    real = await realCluster(this, 'pod-spec');
    ({ namespace } = real);
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    database = await newPGlite();
    const setup = realWorkers(real, database);
    worker = await setup.openWith({ pods: { labels: { team: 'a', tier: 'ci' } } });
    await api.createNamespacedSecret({
      namespace,
      body: { metadata: { name: 'login' }, stringData: { token: value } },
    });
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await database?.close();
    await (real as RealCluster | undefined)?.remove();
  });

  const made = async (spec: Partial<ContainerSpec>, image = shellImage): Promise<Container> =>
    (await makeContainer(worker, image, spec)).container;
  const podOf = async ({ podName: name }: Container): Promise<V1Pod> =>
    await api.readNamespacedPod({ name, namespace });

  it('has the requests, limits, labels and annotations', async () => {
    const container = await made({
      limits: { cpuMilli: 200, memoryBytes: 64 << 20, ephemeralStorageBytes: 256 << 20 },
      requests: { cpuMilli: 10, ephemeralStorageBytes: 1 << 20 },
      volumesLimitBytes: 128 << 20,
      pod: { labels: { tier: 'build' }, annotations: { note: 'a note' } },
    });
    const { metadata, spec } = await podOf(container);
    expect(spec!.containers[0]!.resources).to.deep.equal({
      limits: { cpu: '200m', memory: '67108864', 'ephemeral-storage': '268435456' },
      requests: { cpu: '10m', memory: '67108864', 'ephemeral-storage': '1048576' },
    });
    expect(spec!.volumes![0]!.emptyDir).to.deep.equal({ sizeLimit: '134217728' });
    expect(metadata!.labels).to.include({ team: 'a', tier: 'build' });
    expect(metadata!.annotations).to.include({ note: 'a note' });
    expect((await sh(container, 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes')).stdout).to.equal('67108864\n');
  });

  it('has the content of another image, or is refused where the API server leaves such volumes out', async () => {
    const overlay = {
      spec: {
        volumes: [{ name: 'tools', image: { reference: nonRootImage } }],
        containers: [{ name: 'main', volumeMounts: [{ name: 'tools', mountPath: '/tools' }] }],
      },
    } as const;
    const making = made({ pod: { overlay } });
    const error = await making.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) {
      expect((await sh(await making, 'test -e /tools/bin/sh && echo found')).stdout).to.equal('found\n');
      return;
    }
    expect(error)
      .to.include({ code: 'KW_ERR_ADMISSION_DENIED', retryable: false })
      .and.to.have.property('message')
      .that.includes('has left out volume tools');
  });

  for (const image of [shellImage, nonRootImage])
    it(`lets commands of ${image} read files of secrets by the group, and keeps values out of the pod [A12]`, async () => {
      const container = await made(
        {
          secretEnv: { TOKEN: { secretName: 'login', key: 'token' } },
          secretMounts: [{ secretName: 'login', path: 'login' }],
          sidecars: [{ name: 'idle', image: shellImage, command: ['sleep', '600'] }],
          pod: { fsGroup: 2000 },
        },
        image,
      );
      expect((await sh(container, 'printf %s "$TOKEN"; cat login/token')).stdout).to.equal(value + value);
      const pod = await podOf(container);
      expect(JSON.stringify(pod)).to.not.include('hunter2');
      expect(pod.spec!.containers[1]!.volumeMounts!.map(({ name }) => name)).to.deep.equal(['kw-state']);
    });

  it('runs on the node of its affinity, beside a sidecar with a port, a probe and read-only volumes [A10]', async () => {
    const { items: nodes } = await api.listNode();
    const name = nodes
      .map((node) => node.metadata!.name!)
      .toSorted()
      .at(-1)!;
    const requirement = { key: 'metadata.name', operator: 'In', values: [name] } as const;
    const container = await made({
      outputs: { out: 'out' },
      sidecars: [
        {
          name: 'web',
          image: shellImage,
          command: ['sh', '-c', 'touch x 2>/dev/null && echo writable > /tmp/index.html; httpd -f -p 8080 -h /tmp'],
          dir: '/tmp/build/test',
          ports: [{ name: 'http', containerPort: 8080 }],
          readOnlyVolumes: true,
          readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 1 },
        },
      ],
      pod: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [requirement] }] },
          },
        },
        topologySpreadConstraints: [
          { maxSkew: 5, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
        ],
        addCapabilities: ['SYS_PTRACE'],
      },
    });
    expect((await podOf(container)).spec!.nodeName).to.equal(name);
    const script = 'until wget -qO /dev/null http://localhost:8080/none 2>&1 | grep -q 404; do sleep 0.1; done; ls';
    expect((await sh(container, script)).stdout).to.equal('out\n');
    const capabilities = await sh(container, 'grep CapEff /proc/self/status');
    expect(BigInt(`0x${capabilities.stdout.split('\t')[1]!.trim()}`) & (1n << 19n)).to.not.equal(0n);
  });

  it('has what an overlay adds: a claim, a part of it, a label, a host name', async () => {
    await api.createNamespacedPersistentVolumeClaim({
      namespace,
      body: {
        metadata: { name: 'cache' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: process.env['KW_TEST_STORAGE_CLASS'] ?? 'dynamic',
          resources: { requests: { storage: '64Mi' } },
        },
      },
    });
    const spec: Partial<ContainerSpec> = {
      pod: {
        overlay: {
          metadata: { labels: { overlaid: 'yes' } },
          spec: {
            volumes: [{ name: 'cache', persistentVolumeClaim: { claimName: 'cache' } }],
            containers: [
              {
                name: 'main',
                volumeMounts: [{ name: 'cache', mountPath: '/cache' }],
                resources: { requests: { cpu: '5m' } },
              },
            ],
            hostAliases: [{ ip: '127.0.0.1', hostnames: ['database.test'] }],
          },
        },
      },
    };
    const first = await made(spec);
    const volumes = [{ name: 'cache', persistentVolumeClaim: { claimName: 'cache' } }];
    const volumeMounts = [{ name: 'cache', mountPath: '/part', subPath: 'part/one' }];
    const part = await made({ pod: { overlay: { spec: { volumes, containers: [{ name: 'main', volumeMounts }] } } } });
    await sh(part, 'echo part > /part/file');
    expect((await sh(first, 'cat /cache/part/one/file')).stdout).to.equal('part\n');
    expect((await sh(first, 'echo kept > /cache/file; grep -c database.test /etc/hosts')).stdout).to.equal('1\n');
    const { metadata, spec: podSpec } = await podOf(first);
    expect(metadata!.labels).to.include({ overlaid: 'yes' });
    expect(podSpec!.containers[0]!.resources!.requests).to.deep.equal({ cpu: '5m' });
    expect((await sh(await made(spec), 'cat /cache/file')).stdout).to.equal('kept\n');
  });

  it('starts the agent again under the restart policy OnFailure, but no sidecar that has ended well', async () => {
    const container = await made({
      outputs: { out: 'out' },
      sidecars: [{ name: 'once', image: shellImage, command: ['true'] }],
      pod: { restartPolicy: 'OnFailure' },
    });
    await sh(container, 'echo kept > out/file');
    await sh(container, 'exit 3', { id: 'ended' });
    const killer = await container.run({ path: 'sh', args: ['-c', 'kill 1; sleep 600'] }, {});
    await killer.wait().catch(() => undefined);
    expect((await sh(container, 'cat out/file')).stdout).to.equal('kept\n');
    expect((await (await container.attach('ended', {})).wait()).exitStatus).to.equal(3);
    const { containers } = await container.describe();
    expect(containers.map(({ name, restarts }) => [name, restarts])).to.deep.include.members([
      ['main', 1],
      ['once', 0],
    ]);
  });

  it('is deleted with its owner in the cluster, and its rows stay', async () => {
    const owned = await api.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'owner' } } });
    const { uid = '', name = '' } = owned.metadata!;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid, blockOwnerDeletion: true }];
    const { container, owner, spec } = await makeContainer(worker, shellImage, {
      podName: 'of-an-owner',
      pod: { ownerReferences },
    });
    await sh(container, 'exit 3', { id: 'ended' });
    await api.deleteNamespacedConfigMap({ namespace, name });
    while ((await rejection(worker.findOrCreateContainer(owner, spec)).catch(() => undefined)) === undefined)
      await new Promise((resolve) => setTimeout(resolve, 200));
    const kept = await worker.findContainer(owner);
    expect((await kept?.findProcess('ended'))?.result).to.include({ exitStatus: 3 });
  });
});
