import type { PGlite } from '@electric-sql/pglite';
import { RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { KubernetesWorker } from '../../src/index.ts';
import { requiredPermissions } from '../../src/kubernetes/required-permissions.ts';
import { makeContainer, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { rulesOf, serviceAccount } from '../support/service-account.ts';

const name = 'worker';
const rules = rulesOf(requiredPermissions);

describe('A worker with exactly the permissions of docs/rbac.md', function () {
  this.timeout(120_000);
  let real: RealCluster | undefined;
  let database: PGlite | undefined;

  before(async function () {
    real = await realCluster(this, 'permissions');
    database = await newPGlite();
  });

  after(async () => {
    await real?.remove();
    await database?.close();
  });

  it('runs commands and describes containers; without the one for events a description has none', async () => {
    const { namespace, kubeConfig: admin } = real!;
    const rbac = admin.makeApiClient(RbacAuthorizationV1Api);
    await using worker = await KubernetesWorker.open({
      name,
      namespace,
      kubeConfig: await serviceAccount(admin, { name, namespace, rules }),
      database: database!,
      volumeImage: shellImage,
    });
    const { container } = await makeContainer(worker, shellImage);
    expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
    const { events } = await container.describe();
    expect(events?.map(({ reason }) => reason)).to.include('Scheduled');
    const fewer = rules.filter(({ resources }) => resources?.includes('events') !== true);
    await rbac.replaceNamespacedRole({ name, namespace, body: { metadata: { name }, rules: fewer } });
    const described = async () => await container.describe();
    let description = await described();
    // The API server applies a changed role after a moment.
    while (description.events !== undefined) description = await described();
    // The kubelet reports the phase after a moment.
    while (description.phase === 'Pending') description = await described();
    expect(description).to.include({ podName: container.podName, phase: 'Running' });
  });
});
