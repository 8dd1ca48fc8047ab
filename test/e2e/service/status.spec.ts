import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, type KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { type Container, KubernetesWorker } from '../../../src/index.ts';
import { requiredPermissions } from '../../../src/kubernetes/required-permissions.ts';
import type { ServiceHealth } from '../../../src/service/serve/service-state.ts';
import type { HttpServer } from '../../../src/service/status/http/http-server.ts';
import { startStatusServer } from '../../../src/service/status/status-server.ts';
import { makeContainer } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { OpenApi } from '../../support/service/openapi.ts';
import { rulesOf, serviceAccount } from '../../support/service-account.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('The status server of a worker on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let worker: KubernetesWorker | undefined;
  let server: HttpServer | undefined;
  let container: Container;
  /** A token of a service account that may read logs, and of one that may not. */
  const tokens = { reader: '', other: '' };

  before(async function () {
    real = await realCluster(this, 'status');
    const { namespace, kubeConfig: admin } = real;
    const account = async (name: string, rules: Parameters<typeof serviceAccount>[1]['rules']): Promise<KubeConfig> =>
      await serviceAccount(admin, { name, namespace, rules });
    const rbac = admin.makeApiClient(RbacAuthorizationV1Api);
    await rbac.createClusterRoleBinding({
      body: {
        metadata: { name: namespace },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:auth-delegator' },
        subjects: [{ kind: 'ServiceAccount', name: 'service', namespace }],
      },
    });
    database = await newPGlite();
    worker = await KubernetesWorker.open({
      name: 'status',
      namespace,
      kubeConfig: await account('service', rulesOf(requiredPermissions)),
      database,
      volumeImage: shellImage,
    });
    const logs = { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] };
    tokens.reader = (await account('reader', [logs])).getCurrentUser()?.token ?? '';
    tokens.other = (await account('other', [])).getCurrentUser()?.token ?? '';
    const opened = worker;
    const health: ServiceHealth = {
      phase: 'running',
      startedAt: Date.now(),
      get worker() {
        return opened;
      },
      probe: () => ({ ok: true, checks: [] }),
    };
    const config = { host: '127.0.0.1', port: 0, auth: 'tokenReview', allowUnauthenticated: false } as const;
    server = await startStatusServer({ config, health, version: '0', logger: silentLogger });
    ({ container } = await makeContainer(worker, shellImage, { env: ['PLANTED=planted-secret'] }));
  });

  after(async () => {
    await server?.close({ graceMs: 0 });
    await worker?.close();
    const name = real?.namespace ?? '';
    if (real !== undefined)
      await real.kubeConfig.makeApiClient(RbacAuthorizationV1Api).deleteClusterRoleBinding({ name });
    await real?.remove();
    await database?.close();
  });

  const get = async (path: string, token?: string): Promise<Response> =>
    await fetch(`${server!.url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });

  it('answers the service account with the permission, and refuses every other token', async () => {
    expect((await get('/readyz')).status).to.equal(200);
    expect((await get('/status')).status).to.equal(401);
    expect((await get('/status', 'not-a-token')).status).to.equal(401);
    expect((await get('/status', tokens.other)).status).to.equal(403);
    expect((await get('/status', tokens.reader)).status).to.equal(200);
  });

  it('shows the container, its pod, its volumes and its processes, without its environment', async () => {
    const task = await container.run({ id: 'task', path: 'sh', args: ['-c', 'echo done; exit 3'] }, {});
    await task.wait();
    // The kubelet reports the phase after a moment.
    while ((await container.describe()).phase !== 'Running') await new Promise((resolve) => setTimeout(resolve, 200));
    const openApi = await OpenApi.load();
    const bodies: Record<string, ReturnType<typeof JSON.parse>> = {};
    for (const [path, url] of [
      ['/api/v1/containers', '/api/v1/containers'],
      ['/api/v1/containers/{handle}', `/api/v1/containers/${container.handle}`],
      ['/api/v1/tasks', '/api/v1/tasks'],
      ['/api/v1/tasks/{id}', `/api/v1/tasks/${container.handle}:task`],
      ['/api/v1/volumes', '/api/v1/volumes'],
    ] as const) {
      const response = await get(url, tokens.reader);
      const body = await response.json();
      bodies[path] = body;
      const seen = { status: response.status, type: 'application/json', body };
      expect(openApi.problems(path, seen)).to.deep.equal([]);
      expect(response.status).to.equal(200);
    }
    expect(bodies['/api/v1/containers/{handle}'].pod).to.include({ phase: 'Running' });
    expect(bodies['/api/v1/containers/{handle}'].mounts[0]).to.include({ mountPath: '/tmp/build/test' });
    expect(bodies['/api/v1/tasks/{id}'].result).to.include({ exitStatus: 3 });
    expect(JSON.stringify(bodies)).to.not.contain('planted-secret');
  });

  it('follows the log of a process to its end, and has its last lines', async () => {
    const script = 'for i in 1 2 3; do echo line $i; sleep 0.2; done';
    const task = await container.run({ id: 'log', path: 'sh', args: ['-c', script] }, {});
    const path = `/api/v1/tasks/${container.handle}:log/logs`;
    expect(await (await get(`${path}?follow`, tokens.reader)).text()).to.equal('line 1\nline 2\nline 3\n');
    await task.wait();
    expect(await (await get(`${path}?tail=1`, tokens.reader)).text()).to.equal('line 3\n');
    expect(await (await get(`${path}?stream=stdout&sinceBytes=7`, tokens.reader)).text()).to.equal('line 2\nline 3\n');
  });

  it('answers with 410 for the log of a process whose pod is gone', async () => {
    const { namespace, kubeConfig } = real!;
    const made = await makeContainer(worker!, shellImage);
    const task = await made.container.run({ id: 'gone', path: 'echo', args: ['gone'] }, {});
    await task.wait();
    const api = kubeConfig.makeApiClient(CoreV1Api);
    await api.deleteNamespacedPod({ name: made.container.podName, namespace, gracePeriodSeconds: 0 });
    const path = `/api/v1/tasks/${made.container.handle}:gone/logs`;
    let response = await get(path, tokens.reader);
    // The watch reports the deletion after a moment.
    while (response.status !== 410) {
      await response.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 200));
      response = await get(path, tokens.reader);
    }
    expect(await response.json()).to.include({ code: 'KW_HTTP_OUTPUT_GONE' });
  });
});
