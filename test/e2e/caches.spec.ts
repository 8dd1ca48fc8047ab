import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { KubernetesWorker } from '../../src/index.ts';
import { newOwner, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';

describe('task caches on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;

  before(async function () {
    real = await realCluster(this, 'caches');
    database = await newPGlite();
  });

  after(async () => {
    await real?.remove();
    await database?.close();
  });

  it('reach a build on another node, and of two finishers on different nodes the result of one counts', async () => {
    const { kubeConfig } = real!;
    const nodes = (await kubeConfig.makeApiClient(CoreV1Api).listNode()).items
      .filter(({ spec }) => spec?.unschedulable !== true)
      .map(({ metadata }) => metadata?.labels?.['kubernetes.io/hostname'] ?? '');
    const setup = realWorkers(real!, database!);
    const openOn = async (host: string) =>
      await setup.openWith({ pods: { nodeSelector: { 'kubernetes.io/hostname': host } } });
    await using near = await openOn(nodes[0]!);
    await using far = await openOn(nodes.at(-1)!);
    const step = { job: 'job', step: 'step' };
    const begin = async (worker: KubernetesWorker) => {
      const owner = newOwner();
      const spec = { image: shellImage, dir: '/tmp/build/caches', caches: ['modules'], taskCache: step };
      const { container, mounts } = await worker.findOrCreateContainer(owner, spec);
      const { volume, mountPath: path } = mounts.find(({ kind }) => kind === 'cache')!;
      return { owner, container, finish: () => volume.initializeTaskCache({ ...step, path }) };
    };

    const first = await begin(near);
    await sh(first.container, 'mkdir -p modules/bin && echo run > modules/bin/tool && chmod 750 modules/bin/tool');
    await first.finish();
    await near.ownerFinished(first.owner);
    await near.reap();

    const builds = await Promise.all([begin(far), begin(near)]);
    for (const { container } of builds)
      expect((await sh(container, 'stat -c %a modules/bin/tool; cat modules/bin/tool')).stdout).to.equal('750\nrun\n');
    await Promise.all(builds.map(({ finish }) => finish()));
    for (const { owner } of builds) await far.ownerFinished(owner);
    await far.reap();
    expect(await setup.podNames()).to.have.length(1);
  });
});
