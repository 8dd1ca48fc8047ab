import { setTimeout as sleep } from 'node:timers/promises';

import type { PGlite } from '@electric-sql/pglite';
import { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { KubernetesWorker } from '../../src/index.ts';
import { Collector, makeContainer, newOwner, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { TcpProxy } from '../support/rig/tcp-proxy.ts';

describe('the states of a worker on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let proxy: TcpProxy | undefined;
  let worker: KubernetesWorker | undefined;

  after(async () => {
    await worker?.close();
    await proxy?.close();
    await real?.remove();
    await database?.close();
  });

  it('H9 H11 stalls behind a cut connection and runs again, lands after its last step, and retires', async function () {
    real = await realCluster(this, 'worker-states');
    database = await newPGlite();
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    const target = Number(new URL(kubeConfig.getCurrentCluster()!.server).port);
    proxy = await TcpProxy.start(target);
    const { port } = proxy;
    kubeConfig.clusters = kubeConfig.clusters.map((one) => ({ ...one, server: `https://127.0.0.1:${port}` }));
    const { namespace } = real;
    worker = await KubernetesWorker.open({ name: 'ci', kubeConfig, namespace, database, volumeImage: shellImage });

    const { container, owner } = await makeContainer(worker, shellImage);
    const stdout = new Collector();
    const script = 'echo begun; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo ended';
    const step = await container.run({ id: 'step', path: 'sh', args: ['-c', script] }, { stdout });
    await stdout.shows('begun');
    expect(await worker.heartbeat({ expiresInMs: 1_000 })).to.include({ state: 'running', activeContainers: 1 });
    await proxy.close();
    expect(await rejection(worker.heartbeat({ expiresInMs: 1_000 }))).to.include({ code: 'KW_ERR_API_UNAVAILABLE' });
    while ((await worker.info()).state !== 'stalled') await sleep(50);
    expect((await worker.listContainers()).containers.map(({ state }) => state)).to.deep.equal(['created']);
    proxy = await TcpProxy.start(target, port);
    expect((await worker.heartbeat())?.state).to.equal('running');

    await worker.land();
    const refused = { code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'landing' };
    expect(await rejection(worker.findOrCreateContainer(newOwner(), { image: shellImage }))).to.include(refused);
    await sh(container, 'touch /tmp/end');
    expect((await step.wait()).exitStatus).to.equal(0);
    expect(stdout.text).to.equal('begun\nended\n');
    expect((await worker.heartbeat())?.state).to.equal('landing');
    await worker.ownerFinished(owner);
    await worker.reap();
    expect((await worker.heartbeat())?.state).to.equal('landed');
    await worker.retire();
    expect(await worker.heartbeat()).to.equal(undefined);
    expect(await worker.listWorkers()).to.deep.equal([]);
  });
});
