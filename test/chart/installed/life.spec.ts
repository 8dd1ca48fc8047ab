import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';
import pg from 'pg';

import { inventory } from '../../support/chart/inventory.ts';
import { Release } from '../../support/chart/release.ts';
import type { Values } from '../../support/chart/values.ts';

describe('A release of the chart', function () {
  this.timeout(240_000);
  let release: Release;
  /** What is there before the installation. */
  let initially: readonly string[];
  const claim = 'PersistentVolumeClaim/kw-kubernetes-worker-store';
  const values = (level: string, everyMs: number): Values => ({
    jobs: { migrate: { enabled: true } },
    config: { logging: { level }, reaper: { everyMs } },
    store: { pvc: { enabled: true, storageClassName: 'dynamic', size: '128Mi', keep: true } },
  });

  before(async function () {
    release = await Release.prepare(this, 'life', 'baseline');
    initially = await inventory(release.kubeConfig, release.namespace);
  });

  after(async () => {
    await (release as Release | undefined)?.[Symbol.asyncDispose]();
  });

  it('migrates the database with a job before the installation', async () => {
    await release.install({ values: values('info', 1_000) });
    expect(await migrations(release)).to.be.greaterThan(0);
    expect(await leftByHooks(release)).to.deep.equal([]);
  });

  it('replaces its pods for a changed configuration, after a job that migrates', async () => {
    const old = await names(release);
    await release.upgrade({ values: values('info', 2_000) });
    expect(await names(release)).not.to.have.members(old);
    expect(await leftByHooks(release)).to.deep.equal([]);
  });

  it('applies another level of the log without new pods, after one more job', async () => {
    const old = await names(release);
    await release.upgrade({ values: values('debug', 2_000) });
    expect(await names(release)).to.deep.equal(old);
    await untilLogged(release, 'the configuration has changed');
    expect(await leftByHooks(release)).to.deep.equal([]);
  });

  it('leaves the claim that is kept and what the worker has made, and is installed again with them', async () => {
    await release.uninstall();
    const left = (await inventory(release.kubeConfig, release.namespace)).filter((object) => !isOfWorker(object));
    expect(left).to.have.members([...initially, claim]);
    await release.install({ values: values('info', 1_000) });
    await release.uninstall();
    await removeWhatTheWorkerMade(release);
    expect(await inventory(release.kubeConfig, release.namespace)).to.have.members([...initially, claim]);
  });
});

async function leftByHooks({ kubeConfig, namespace }: Release): Promise<readonly string[]> {
  return (await inventory(kubeConfig, namespace)).filter((object) => object.includes('migrate'));
}

/** Whether the service has created the object: a store pod, and the config map with the agent. */
function isOfWorker(object: string): boolean {
  return /^(Pod\/store-|ConfigMap\/kubernetes-worker-agent-)/.test(object);
}

/** Does what the chart's README says: it deletes the pods and config maps that the worker manages. */
async function removeWhatTheWorkerMade({ core, namespace }: Release): Promise<void> {
  const selected = { namespace, labelSelector: 'app.kubernetes.io/managed-by=kubernetes-worker' };
  await core.deleteCollectionNamespacedPod(selected);
  await core.deleteCollectionNamespacedConfigMap(selected);
  while ((await core.listNamespacedPod(selected)).items.length > 0) await sleep(200);
}

async function names(release: Release): Promise<readonly string[]> {
  return (await release.pods()).map(({ metadata }) => metadata?.name ?? '').sort();
}

/** Waits until the only pod of the service has logged a text. */
async function untilLogged(release: Release, text: string): Promise<void> {
  const { core, namespace } = release;
  const { pod: name, container } = await release.servicePod();
  // A kubelet renews the files of a config map when it looks at the pod: after a change, or in a minute or so.
  const body = [{ op: 'add', path: '/metadata/annotations/test~1looked-at', value: 'true' }];
  await core.patchNamespacedPod({ namespace, name, body });
  for (;;) {
    if ((await core.readNamespacedPodLog({ namespace, name, container })).includes(text)) return;
    await sleep(500);
  }
}

/** Returns how many migrations the database of a release has. */
async function migrations({ database }: Release): Promise<number> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query<{ count: number }>(
    'select count(*)::integer as count from kubernetes_worker.migrations',
  );
  await client.end();
  return rows[0]?.count ?? 0;
}
