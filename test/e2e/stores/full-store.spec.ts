import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { KubernetesWorker } from '../../../src/index.ts';
import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../../support/real-cluster.ts';
import { ClaimFixture } from '../../support/stores/claim-fixture.ts';

describe('outputs on a claim of 64 MiB, on a real cluster', function () {
  this.timeout(180_000);
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let setup: ReturnType<typeof realWorkers>;
  let worker: KubernetesWorker | undefined;

  before(async function () {
    real = await realCluster(this, 'full');
    const { namespace, kubeConfig } = real;
    database = await newPGlite();
    const claims = new ClaimFixture(kubeConfig.makeApiClient(CoreV1Api), namespace);
    await claims.create('small', { storageClassName: 'dynamic', storage: '64Mi' });
    setup = realWorkers(real, database, { account: undefined });
    worker = await setup.openWith({ stores: { pvc: { claim: 'small' } } });
  });

  after(async () => {
    await worker?.close();
    await real?.remove();
    await database?.close();
  });

  /** Runs a step with an output of 20 MiB. */
  const make = async () => {
    const { container, mounts, owner } = await makeContainer(worker!, shellImage, { outputs: { out: 'out' } });
    const { stdout, unsaved } = await sh(container, 'head -c 20971520 /dev/urandom > out/file; sha256sum < out/file');
    const { volume } = mounts.find(({ kind }) => kind === 'output')!;
    return { container, owner, volume, stdout, unsaved };
  };

  it('are saved in the place of those that nothing refers to, and are reported as unsaved if there are none', async () => {
    const first = await make();
    const second = await make();
    await worker!.ownerFinished(first.owner);
    await worker!.reap();
    const third = await make();
    expect([first, second, third].map(({ unsaved }) => unsaved)).to.deep.equal([undefined, undefined, undefined]);
    const { rows } = await database!.query<{ count: number }>(
      'select count(*)::int as count from kubernetes_worker.archives',
    );
    expect(rows[0]!.count, 'archives').to.equal(2);

    const fourth = await make();
    const [unsaved, ...others] = fourth.unsaved ?? [];
    expect(others).to.deep.equal([]);
    expect(unsaved).to.include({ handle: fourth.volume.handle });
    expect(unsaved!.cause).to.include({ code: 'KW_ERR_DISK_FULL', store: 'pvc' });

    // Its content is in the pod of the step, that of the others in the store.
    for (const { container } of [second, third]) await setup.deletePod(container.podName);
    for (const { volume, stdout } of [second, third, fourth]) {
      const { container } = await makeContainer(worker!, shellImage, { inputs: [{ artifact: volume, path: 'in' }] });
      expect((await sh(container, 'sha256sum < in/file')).stdout).to.equal(stdout);
    }
  });
});
