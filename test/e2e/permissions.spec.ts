import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { agentConfigMap, KubernetesWorker } from '../../src/index.ts';
import { permissionsFor, requiredPermissions } from '../../src/kubernetes/required-permissions.ts';
import { makeContainer, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { rulesOf, serviceAccount } from '../support/service-account.ts';
import { readTarText } from '../support/tar.ts';

const name = 'worker';
const rules = rulesOf(requiredPermissions);

describe('A worker with exactly the permissions of docs/rbac.md', () => {
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
    let description = await container.describe();
    expect(description.events?.map(({ reason }) => reason)).to.include('Scheduled');
    const fewer = rules.filter(({ resources }) => resources?.includes('events') !== true);
    await rbac.replaceNamespacedRole({ name, namespace, body: { metadata: { name }, rules: fewer } });
    // The API server applies a changed role after a moment, and may have just started for 10 s.
    while (description.events !== undefined)
      description = await container.describe().catch((error: unknown) => {
        expect(error).to.include({ code: 'KW_ERR_API_UNAVAILABLE', resource: 'events', status: 403 });
        return description;
      });
    // The kubelet reports the phase after a moment.
    while (description.phase === 'Pending') description = await container.describe();
    expect(description).to.include({ podName: container.podName, phase: 'Running' });
  });

  it('runs a whole step without the ones to watch pods and to create config maps, if its options need neither', async () => {
    const { namespace, kubeConfig: admin, cluster } = real!;
    const options = { agentConfigMap: 'existing', podObservation: 'poll' } as const;
    await using worker = await KubernetesWorker.open({
      ...options,
      name: 'restricted',
      namespace,
      kubeConfig: await serviceAccount(admin, {
        name: 'restricted',
        namespace,
        rules: rulesOf(permissionsFor(options)),
      }),
      database: database!,
      volumeImage: shellImage,
    });
    const labelSelector = 'app.kubernetes.io/name=kubernetes-worker-agent';
    await admin.makeApiClient(CoreV1Api).deleteCollectionNamespacedConfigMap({ namespace, labelSelector });
    const configMap = await agentConfigMap({ namespace });
    const missing = { code: 'KW_ERR_AGENT_NOT_INSTALLED', configMapName: configMap.metadata?.name };
    const { findings } = await worker.check();
    const [failure, ...others] = findings.filter(({ outcome }) => outcome === 'failure');
    expect(others).to.deep.equal([]);
    expect(failure).to.have.property('check', 'pod-admission');
    expect(failure?.error).to.include(missing);
    expect(await rejection(makeContainer(worker, shellImage))).to.include(missing);

    await cluster.createConfigMap(configMap);
    expect((await worker.check()).ok).to.equal(true);
    const { container, mounts, owner } = await makeContainer(worker, shellImage, { outputs: { out: 'out' } });
    expect((await sh(container, 'echo made > out/file; echo works')).stdout).to.equal('works\n');
    const out = mounts.find(({ name: output }) => output === 'out')!.volume;
    expect(await readTarText(await out.streamOut('.'))).to.deep.equal({ file: 'made\n' });
    // The end of a pod ends the command, as with a watch.
    const sleeping = await container.run({ path: 'sleep', args: ['600'] }, {});
    await worker.ownerFinished(owner, { deletePod: { gracePeriodSeconds: 1 } });
    expect((await rejection(sleeping.wait())).code).to.equal('KW_ERR_POD_DELETED');
    await worker.reap();
  });
});
