import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { KubernetesWorker } from '../../src/index.ts';
import { makeContainer } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';

describe('placement on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let api: CoreV1Api;
  let worker: KubernetesWorker;

  before(async function () {
    real = await realCluster(this, 'placement');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    database = await newPGlite();
    const setup = realWorkers(real, database, { account: undefined });
    worker = await setup.openWith({});
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  it('has the facts of its nodes and quotas, and the node of an artifact', async () => {
    const { namespace } = real!;
    const { items } = await api.listNode();
    const hard = { pods: '20', 'requests.cpu': '3500m', 'limits.memory': '2Gi' };
    await api.createNamespacedResourceQuota({ namespace, body: { metadata: { name: 'q' }, spec: { hard } } });
    const limits = { cpuMilli: 100, memoryBytes: 32 * 1024 * 1024 };
    const { container, mounts } = await makeContainer(worker, shellImage, { limits, outputs: { result: 'out' } });
    const facts = await worker.facts();
    expect(facts.missing).to.deep.equal([]);
    expect(facts.nodes).to.include({ count: items.length });
    expect(facts.nodes!.ready).to.be.within(1, items.length);
    const cores = items.reduce((sum, { status }) => sum + Number(status?.capacity?.['cpu']), 0);
    expect(facts.nodes!.capacity.cpuMilli).to.equal(cores * 1000);
    expect(facts.nodes!.allocatable.memoryBytes).to.be.greaterThan(limits.memoryBytes);
    expect(facts.requested).to.include(limits);
    expect(facts).to.include({ activePods: 1, activeContainers: 1, activeVolumes: mounts.length });
    const quota = facts.quotas!.find(({ name }) => name === 'q')!;
    expect(quota.hard).to.deep.equal({ pods: 20, 'requests.cpu': 3500, 'limits.memory': 2 ** 31 });
    expect(quota.used).to.deep.equal({ pods: 1, 'requests.cpu': 100, 'limits.memory': limits.memoryBytes });

    const { handle } = mounts.find(({ name }) => name === 'result')!.volume;
    const { spec } = await api.readNamespacedPod({ name: container.podName, namespace });
    const { artifacts, reachable } = await worker.locality([handle, 'unknown']);
    expect(artifacts[0]).to.include({ isReachable: true, nodeName: spec!.nodeName });
    expect(artifacts[1]).to.include({ isReachable: false });
    expect(reachable).to.equal(1);
  });
});
