import type { V1Pod } from '@kubernetes/client-node';
import { expect } from 'chai';

import { until } from '../../support/agent/agent-process.ts';
import type { PodContainer } from '../../support/chart/pod-exec.ts';
import { get } from '../../support/chart/probe.ts';
import { Release } from '../../support/chart/release.ts';
import { rejection } from '../../support/rejection.ts';

describe('An installation of the chart that cannot succeed', () => {
  it('ends in the time that Helm is given, and the pod says that the database does not answer', async function () {
    await using release = await Release.prepare(this, 'nodb');
    const { address } = release.site.databaseServer;
    await release.setDatabaseUrl(`postgres://ci:hidden-password@${address}:9/ci`);
    // The port is one that the policy permits, and without a listener.
    const values = { networkPolicy: { database: { ports: [9] } } };
    const error = await rejection(release.install({ values, waitSeconds: 40 }));
    expect(error.message).to.match(/not ready|deadline exceeded/);
    expect(error.message, 'the log of the pod in the message').to.include('the database is not ready');
    const { namespace, core, kubeConfig } = release;
    const service = await release.servicePod();
    const log = await core.readNamespacedPodLog({ namespace, name: service.pod });
    expect(log).to.include('the database is not ready: retrying').and.to.include('ECONNREFUSED');
    expect(log).not.to.include('hidden-password');
    const ready = await get(kubeConfig, service, 'http://127.0.0.1:9393/readyz?verbose');
    expect(ready.status).to.equal(503);
    expect(ready.text).to.include('database');
    expect((await get(kubeConfig, service, 'http://127.0.0.1:9393/livez')).status).to.equal(200);
    expect(restarts(await release.pods())).to.equal(0);
  });
});

describe('An upgrade of the chart that cannot succeed', () => {
  it('leaves the old replica serving, an event names the missing Secret, and a rollback ends it', async function () {
    await using release = await Release.prepare(this, 'nosecret');
    const { namespace, core, kubeConfig } = release;
    await release.install();
    const [old] = await release.pods();
    await rejection(release.upgrade({ values: { existingSecret: 'missing' }, waitSeconds: 10 }));
    await until('an event names the Secret', async () => {
      const { items } = await core.listNamespacedEvent({ namespace });
      return items.some(({ message }) => message?.includes('secret "missing" not found'));
    });
    const service: PodContainer = { namespace, pod: old!.metadata!.name!, container: old!.spec!.containers[0]!.name };
    // A replica whose event loop was late is not ready for a moment.
    const isReady = async () => (await get(kubeConfig, service, 'http://127.0.0.1:9393/readyz')).status === 200;
    await until('the old replica is ready', isReady);
    await release.rollback(1);
    expect((await release.pods()).map(({ metadata }) => metadata?.name)).to.deep.equal([service.pod]);
  });
});

function restarts(pods: readonly V1Pod[]): number {
  return pods.reduce((sum, { status }) => sum + (status?.containerStatuses?.[0]?.restartCount ?? 0), 0);
}
