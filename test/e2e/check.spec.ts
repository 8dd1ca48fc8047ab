import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, type V1PolicyRule } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { CheckReport, KubernetesWorkerOptions } from '../../src/index.ts';
import { requiredPermissions } from '../../src/kubernetes/required-permissions.ts';
import { makeContainer, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { namespaceReady, type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { rulesOf, serviceAccount } from '../support/service-account.ts';
import { workerSetup } from '../support/worker-setup.ts';

const allRules = rulesOf(requiredPermissions);

describe('KubernetesWorker.check() on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let api: CoreV1Api;
  let folder: string;

  before(async function () {
    real = await realCluster(this, 'check');
    database = await newPGlite();
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    folder = await mkdtemp(join(tmpdir(), 'kw-check-'));
  });

  after(async () => {
    await real?.remove();
    await database?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (kubeconfigPath: string, namespace: string, options: Partial<KubernetesWorkerOptions> = {}) =>
    workerSetup({
      kubeconfigPath,
      namespace,
      database: database!,
      image: shellImage,
      missingImage: '',
      options,
    }).open();

  const failures = ({ findings }: CheckReport): readonly string[] =>
    findings.filter(({ outcome }) => outcome === 'failure').map(({ message }) => message);

  /** Returns the path of a kubeconfig of a new service account with these rules in the namespace. */
  async function accountWith(rules: V1PolicyRule[]): Promise<string> {
    const { namespace, kubeConfig } = real!;
    const name = `account-${randomBytes(3).toString('hex')}`;
    const path = join(folder, name);
    await writeFile(path, (await serviceAccount(kubeConfig, { name, namespace, rules })).exportConfig());
    return path;
  }

  it('reports no failure, and starts a pod that it deletes', async () => {
    await using worker = await open(real!.kubeconfigPath, real!.namespace);
    const report = await worker.check({ startPod: true });
    expect(failures(report)).to.deep.equal([]);
    expect(report.findings.map(({ check }) => check)).to.include.members(['api-server', 'clocks', 'pod-start']);
    const { items } = await api.listNamespacedPod({ namespace: real!.namespace });
    expect(items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)).to.deep.equal([]);
  });

  it('has all permissions with the role of docs/rbac.md, and so has a container', async () => {
    await using worker = await open(await accountWith(allRules), real!.namespace, { architecture: 'amd64' });
    expect(failures(await worker.check({ startPod: true }))).to.deep.equal([]);
    const { container, owner } = await makeContainer(worker, shellImage);
    expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
    await worker.ownerFinished(owner);
    expect(await worker.reap()).to.include({ deletedContainers: 1 });
  });

  for (const [index, { resource, verbs }] of requiredPermissions.entries()) {
    for (const verb of verbs) {
      it(`names the missing permission to ${verb} ${resource}`, async () => {
        const permissions = requiredPermissions.map((permission, at) =>
          at === index ? { ...permission, verbs: verbs.filter((other) => other !== verb) } : permission,
        );
        const kubeconfig = await accountWith(rulesOf(permissions.filter((permission) => permission.verbs.length > 0)));
        await using worker = await open(kubeconfig, real!.namespace);
        const { findings } = await worker.check();
        expect(findings.filter(({ outcome }) => outcome !== 'ok').map(({ message }) => message)).to.include(
          `The credentials may not ${verb} ${resource} in namespace ${real!.namespace}.`,
        );
      });
    }
  }

  context('a namespace', () => {
    let namespace: string;

    beforeEach(() => {
      namespace = `${real!.namespace}-${randomBytes(2).toString('hex')}`;
    });

    afterEach(async () => {
      await api.deleteNamespace({ name: namespace, gracePeriodSeconds: 0 });
    });

    const admission = async (options: Partial<KubernetesWorkerOptions> = {}): Promise<readonly string[]> => {
      await using worker = await open(real!.kubeconfigPath, namespace, options);
      return failures(await worker.check());
    };

    it('with restricted Pod Security refuses the pods, unless `pods.security` is restricted', async () => {
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
      await api.createNamespace({ body: { metadata: { name: namespace, labels } } });
      await namespaceReady(api, namespace);
      expect((await admission()).join()).to.include('violates PodSecurity "restricted:latest"');
      expect(await admission({ pods: { security: 'restricted', runAsUser: 65_534 } })).to.deep.equal([]);
    });

    it('with an exhausted quota has no room', async () => {
      await api.createNamespace({ body: { metadata: { name: namespace } } });
      await namespaceReady(api, namespace);
      const body = { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } };
      await api.createNamespacedResourceQuota({ namespace, body });
      expect((await admission()).join()).to.include('quota');
    });
  });
});
