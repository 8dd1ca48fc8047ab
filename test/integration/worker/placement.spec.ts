import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { makeContainer } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

describe('placement on a worker', () => {
  const world = withEmbeddedWorker(image);

  it('has the facts of the cluster, and the places of artifacts', async () => {
    const { worker, cluster } = world;
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfigPath);
    const body = { metadata: { name: 'q' }, spec: { hard: { pods: '7', 'requests.cpu': '1500m' } } };
    await config.makeApiClient(CoreV1Api).createNamespacedResourceQuota({ namespace: 'default', body });
    const { owner, mounts } = await makeContainer(worker, image, {
      limits: { cpuMilli: 250, memoryBytes: 2 ** 20 },
      outputs: { result: 'out' },
    });
    const { nodes, quotas, missing, requested, ...counts } = await worker.facts();
    expect(nodes).to.include({ count: 1, ready: 1 });
    expect(nodes!.capacity.memoryBytes).to.be.greaterThan(2 ** 20);
    expect(quotas).to.deep.equal([{ name: 'q', hard: { pods: 7, 'requests.cpu': 1500 }, used: {} }]);
    expect(missing).to.deep.equal([]);
    expect(requested).to.include({ cpuMilli: 250, memoryBytes: 2 ** 20 });
    expect(counts).to.deep.equal({ activePods: 1, activeContainers: 1, activeVolumes: mounts.length });

    const handle = mounts.find(({ name }) => name === 'result')!.volume.handle;
    const { artifacts, reachable } = await worker.locality([handle, 'unknown']);
    expect(artifacts.map(({ isReachable }) => isReachable)).to.deep.equal([true, false]);
    expect(artifacts[0]!.nodeName).to.be.a('string');
    expect(reachable).to.equal(1);
    await worker.ownerFinished(owner);
    expect(await worker.locality([handle])).to.include({ reachable: 0 });
  });

  it('shares the places of a kind among hosts, and forgets what has lapsed with the reaper', async () => {
    await using other = await world.setup.openWith({});
    const request = { kind: 'build', limit: 2, ttlMs: 600_000 };
    const places = await Promise.all([world.worker, other, world.worker, other].map((host) => host.reserve(request)));
    const held = places.filter((place) => place !== undefined);
    expect(held).to.have.length(2);
    expect(await other.reservations()).to.deep.equal([{ kind: 'build', count: 2 }]);
    await held[0]!.release();
    expect(await other.reserve({ ...request, id: 'mine' })).to.include({ id: 'mine' });
    await world.database.query(`update kubernetes_worker.reservations set expires_at = now()`);
    await world.worker.reap();
    const { rows } = await world.database.query(`select 1 from kubernetes_worker.reservations`);
    expect(rows).to.deep.equal([]);
    const error = await rejection(other.reserve({ ...request, ttlMs: 0 }));
    expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'ttlMs' });
  });
});
