import { expect } from 'chai';

import { FakeContainer } from '../../../../fakes/index.ts';
import type { ContainerDescription, ContainerInfo, VolumeInfo, WorkerInfo, WorkerLoad } from '../../../../src/index.ts';
import {
  ApiUnavailableError,
  ContainerDisappearedError,
  ForbiddenError,
  InvalidSpecError,
  RepositoryUnavailableError,
} from '../../../../src/index.ts';
import { StatusRig } from '../../../support/service/status-rig.ts';

const createdAt = new Date('2030-01-01T00:00:00Z');
const handle = '3c1f1c0e-6d1e-4f2b-9d59-2f0f3f2c5a11';
const info: ContainerInfo = {
  handle,
  owner: { kind: 'build-step', key: '4711/test' },
  state: 'created',
  podName: 'task-4711',
  podUid: 'uid',
  metadata: { type: 'task', stepName: 'test', team: 'main' },
  createdAt,
};
const workerInfo: WorkerInfo = {
  name: 'ci',
  state: 'running',
  activeContainers: 2,
  activeVolumes: 3,
  heartbeatAt: createdAt,
  leader: 'replica-1/4711',
  registeredAt: createdAt,
};
const volume: VolumeInfo = {
  handle: 'v',
  kind: 'output',
  state: 'created',
  containerHandle: handle,
  mountPath: '/build/result',
  name: 'result',
  store: 'pod',
  digest: 'a'.repeat(64),
  sizeBytes: 7,
  createdAt,
};
const description: ContainerDescription = {
  podName: 'task-4711',
  podUid: 'uid',
  nodeName: 'node-1',
  phase: 'Running',
  message: 'text of a program',
  conditions: [{ type: 'Ready', status: 'True', message: 'text of a program', changedAt: createdAt }],
  containers: [
    { name: 'main', image: 'busybox', state: { kind: 'running', startedAt: createdAt }, restarts: 1 },
    {
      name: 'db',
      image: 'postgres',
      imageDigest: 'sha256:1',
      state: { kind: 'terminated', termination: { exitCode: 1, reason: 'Error', message: 'text of a program' } },
      restarts: 0,
      lastTermination: { exitCode: 137, reason: 'OOMKilled', message: 'text of a program', finishedAt: createdAt },
    },
    { name: 'late', image: 'late', state: { kind: 'waiting', reason: 'ImagePullBackOff', message: 'x' }, restarts: 0 },
  ],
  events: [{ type: 'Warning', reason: 'Failed', message: 'text of a program', count: 1 }],
};

const places = { used: 1, waiting: 2, limit: 32 };
const load: WorkerLoad = {
  uploads: places,
  downloads: places,
  attachments: places,
  controls: places,
  quotaQueue: { waiting: 3, limit: 1_000 },
};

interface Task {
  readonly id: string;
  readonly process: string;
  readonly state: string;
}

describe('The API of the status server', () => {
  let rig: StatusRig;
  let container: FakeContainer;
  beforeEach(async () => {
    rig = await StatusRig.create();
    container = new FakeContainer();
    rig.worker.info.resolves(workerInfo);
    rig.worker.load.returns(load);
    rig.worker.listContainers.resolves({ containers: [info], next: 'cursor' });
    rig.worker.listVolumes.resolves({ volumes: [volume] });
    rig.worker.lookupContainer.resolves(container);
    container.describe.resolves(description);
    rig.worker.listProcesses.resolves({
      processes: [
        { container: info, process: { id: 'hijack', state: 'running' } },
        {
          container: info,
          process: { id: 'task', state: 'ended', result: { exitStatus: 143, signal: 15, startedAt: createdAt } },
        },
      ],
      unavailable: [],
      next: 'cursor',
    });
    container.findProcess.resolves({ id: 'task', state: 'running' });
  });

  describe('status', () => {
    it('has the state of the service, its checks and its worker, under both paths', async () => {
      for (const path of ['/api/v1/status', '/status']) {
        const { status, body } = await rig.ask(path);
        expect(status).to.equal(200);
        expect(body).to.include({ status: 'ok', version: '1.2.3', uptimeSeconds: 90, workerError: null });
        expect(body.worker).to.include({ name: 'ci', state: 'running', activeContainers: 2, expiresAt: null });
      }
    });

    it('has the role, the controllers, their last results and the load of the replica, and the leader', async () => {
      const never = { beganAt: undefined, succeededAt: undefined, failedAt: undefined, failure: undefined };
      rig.worker.controllers.returns([
        { ...never, name: 'reaper', everyMs: 30_000, beganAt: createdAt, succeededAt: createdAt },
        { ...never, name: 'heartbeats', everyMs: 30_000, failedAt: createdAt, failure: 'KW_ERR_API_UNAVAILABLE' },
        { ...never, name: 'store-sweep', everyMs: 21_600_000 },
      ]);
      const { body } = await rig.ask('/status');
      const at = createdAt.toISOString();
      const none = { beganAt: null, succeededAt: null, failedAt: null, failure: null };
      expect(body.leadership).to.deep.equal({ role: 'follower', confirmedAt: at });
      expect(body.controllers).to.deep.equal([
        { ...none, name: 'reaper', everyMs: 30_000, beganAt: at, succeededAt: at },
        { ...none, name: 'heartbeats', everyMs: 30_000, failedAt: at, failure: 'KW_ERR_API_UNAVAILABLE' },
        { ...none, name: 'store-sweep', everyMs: 21_600_000 },
      ]);
      expect(body.load).to.deep.equal(load);
      expect(body.worker).to.include({ leader: 'replica-1/4711', reaperPassAt: null });
    });

    it('is degraded, with the reasons, if a check fails or the database does not answer', async () => {
      rig.health.checks = [{ name: 'kubernetes', isRequired: true, ok: false, detail: '403', ageMs: 1 }];
      rig.worker.info.rejects(new RepositoryUnavailableError('the database does not answer'));
      const { status, body } = await rig.ask('/status');
      expect(status).to.equal(200);
      expect(body).to.deep.include({ status: 'degraded', reasons: ['kubernetes', 'worker'], worker: null });
      expect(body.workerError.code).to.equal('KW_ERR_REPOSITORY_UNAVAILABLE');
    });

    it('is answered while the service starts and drains', async () => {
      rig.health.phase = 'draining';
      expect((await rig.ask('/status')).body.status).to.equal('draining');
      rig.health.phase = 'starting';
      rig.health.worker = undefined;
      const { body } = await rig.ask('/status');
      expect(body).to.deep.include({ status: 'starting', worker: null, leadership: null, controllers: [], load: null });
    });
  });

  describe('containers', () => {
    it('are a page, with the cursor of the next one, under both paths', async () => {
      for (const path of ['/api/v1/containers', '/containers']) {
        const { body } = await rig.ask(`${path}?state=created&ownerKind=build-step&after=x&limit=7`);
        expect(body.next).to.equal('cursor');
        expect(body.containers[0]).to.deep.include({ handle, owner: info.owner, state: 'created', keptUntil: null });
        const query = { state: 'created', ownerKind: 'build-step', after: 'x', limit: 7 };
        expect(rig.worker.listContainers.lastCall.args[0]).to.deep.equal(query);
      }
    });

    it('have null for the cursor on the last page', async () => {
      rig.worker.listContainers.resolves({ containers: [] });
      expect((await rig.ask('/containers')).body).to.deep.equal({ containers: [], next: null });
    });

    it('have details: mounts and the pod, without a text of a program', async () => {
      const { status, body } = await rig.ask(`/api/v1/containers/${handle}`);
      expect(status).to.equal(200);
      expect(body.mounts).to.deep.equal([{ volume: 'v', mountPath: '/build/result', kind: 'output', name: 'result' }]);
      expect(body.pod).to.include({ node: 'node-1', phase: 'Running' });
      expect(body.pod.containers.map((each: { state: string }) => each.state)).to.deep.equal([
        'running',
        'terminated',
        'waiting',
      ]);
      expect(body.pod.containers[1].termination).to.deep.include({ exitCode: 1, reason: 'Error' });
      expect(JSON.stringify(body)).to.not.contain('text of a program');
      expect(rig.worker.listContainers.lastCall.args[0]).to.include({ handle });
    });

    it('have details of the row if the pod is gone or the cluster does not answer', async () => {
      container.describe.rejects(new ContainerDisappearedError(handle, 'ci'));
      const gone = await rig.ask(`/api/v1/containers/${handle}`);
      expect(gone.body).to.deep.include({ handle, pod: null });
      expect(gone.body.podError.code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
      rig.worker.lookupContainer.resolves(undefined);
      expect((await rig.ask(`/api/v1/containers/${handle}`)).body).to.include({ pod: null, podError: null });
    });
  });

  describe('tasks', () => {
    it('are the processes of containers, page by page, under both paths', async () => {
      for (const path of ['/api/v1/tasks', '/tasks']) {
        const { body } = await rig.ask(path);
        expect(body.tasks.map(({ id, state }: Task) => [id, state])).to.deep.equal([
          [`${handle}:hijack`, 'running'],
          [`${handle}:task`, 'ended'],
        ]);
        expect(body.tasks[1].result).to.deep.include({ exitStatus: 143, signal: 15, finishedAt: null });
        expect(body).to.deep.include({ unavailable: [], next: 'cursor' });
        const [query] = rig.worker.listProcesses.lastCall.args;
        expect(query).to.deep.equal({ containerHandle: undefined, after: undefined, limit: undefined });
      }
      await rig.ask(`/tasks?container=${handle}&after=cursor&limit=7`);
      const [query] = rig.worker.listProcesses.lastCall.args;
      expect(query).to.deep.equal({ containerHandle: handle, after: 'cursor', limit: 7 });
    });

    it('are not known for a pod that does not answer, which is listed with the reason', async () => {
      const error = new ApiUnavailableError({ verb: 'get', resource: 'pods', namespace: 'ci' }, 'no answer', undefined);
      rig.worker.listProcesses.resolves({ processes: [], unavailable: [{ container: info, error }] });
      const { status, body } = await rig.ask('/tasks');
      expect(status).to.equal(200);
      expect(body).to.deep.include({ tasks: [], next: null });
      expect(body.unavailable).to.deep.equal([{ container: handle, code: error.code, message: error.message }]);
    });

    it('are found by their ID', async () => {
      expect((await rig.ask(`/api/v1/tasks/${handle}:task`)).body).to.deep.include({
        id: `${handle}:task`,
        container: handle,
        process: 'task',
        state: 'running',
        result: null,
      });
      container.findProcess.resolves(undefined);
      expect((await rig.ask(`/api/v1/tasks/${handle}:none`)).status).to.equal(404);
    });
  });

  it('lists volumes, by their container, kind and state, under both paths', async () => {
    for (const path of ['/api/v1/volumes', '/volumes']) {
      const { body } = await rig.ask(`${path}?container=${handle}&kind=output&state=created`);
      expect(body.volumes[0]).to.deep.include({ handle: 'v', container: handle, team: null, sizeBytes: 7 });
      expect(rig.worker.listVolumes.lastCall.args[0]).to.include({ containerHandle: handle, kind: 'output' });
    }
  });

  it('explains the image of a step', async () => {
    rig.worker.explainImage.resolves({
      image: 'busybox',
      refusal: undefined,
      rule: 'all',
      chain: [{ source: 'rule', rule: 'all', effect: 'chosen' }],
      warnings: [],
    });
    const { body } = await rig.ask('/api/v1/images/explain?image=busybox&team=main&step=test');
    expect(body).to.deep.include({ image: 'busybox', permitted: true, refusal: null });
    const [request] = rig.worker.explainImage.lastCall.args;
    expect(request.metadata).to.include({ team: 'main', stepName: 'test' });
  });

  describe('errors', () => {
    for (const url of [
      '/containers?limit=0',
      '/containers?limit=1001',
      '/containers?limit=1e2',
      '/containers?limit=',
      '/containers?state=gone',
      '/containers?state=created&state=failed',
      '/containers?unknown=1',
      '/containers?%00=1',
      '/api/v1/containers/%00',
      '/api/v1/containers/%ff',
      '/api/v1/containers/..%2f..',
      `/api/v1/containers/${'a'.repeat(254)}`,
      '/api/v1/tasks/abc',
      '/api/v1/tasks/a:b:c',
      '/api/v1/tasks/a:',
      `/api/v1/tasks/a:${'b'.repeat(101)}`,
      '/api/v1/tasks/a:b/logs?tail=-1',
      '/api/v1/tasks/a:b/logs?sinceBytes=5',
      '/api/v1/tasks/a:b/logs?stream=stdout&sinceBytes=5&tail=1',
      '/api/v1/tasks/a:b/logs?follow=perhaps',
      '/tasks?limit=1001',
      '/volumes?kind=none',
      '/api/v1/images/explain?imag=x',
    ])
      it(`are 400 for ${url.slice(0, 60)}`, async () => {
        const { status, body } = await rig.ask(url);
        expect([status, body.code]).to.deep.equal([400, 'KW_HTTP_BAD_REQUEST']);
        expect(body.error).to.equal('Bad Request');
        expect(body.hint).to.not.equal('');
      });

    it('are 400 for what the library refuses, and name the field', async () => {
      for (const list of [rig.worker.listContainers, rig.worker.listProcesses])
        list.rejects(new InvalidSpecError('after', 'is not the cursor of a page'));
      for (const path of ['/containers?after=x', '/tasks?after=x']) {
        const { status, body } = await rig.ask(path);
        expect([status, body.code], path).to.deep.equal([400, 'KW_ERR_INVALID_SPEC']);
        expect(body.message, path).to.contain('after');
      }
    });

    it('are 404 for an unknown path, container and task', async () => {
      rig.worker.listContainers.resolves({ containers: [] });
      for (const url of [
        '/',
        '/api',
        '/api/v2/status',
        '//',
        '/containers/x/y',
        '/api/v1/containers/none',
        '/api/v1/tasks/none:task',
      ])
        expect((await rig.ask(url)).status, url).to.equal(404);
    });

    it('are 405 with the permitted methods', async () => {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
        const { status, headers } = await rig.ask('/status', { method });
        expect([status, headers['Allow']]).to.deep.equal([405, 'GET, HEAD']);
      }
    });

    it('are 503 with Retry-After where a retry may help, and 502 where the cluster refuses', async () => {
      rig.worker.listContainers.rejects(new RepositoryUnavailableError('the database does not answer'));
      const unavailable = await rig.ask('/containers');
      expect([unavailable.status, unavailable.headers['Retry-After']]).to.deep.equal([503, '5']);
      const refused = { verb: 'get', resource: 'pods', namespace: 'ci' };
      rig.worker.listContainers.rejects(new ForbiddenError(refused, 'forbidden'));
      expect((await rig.ask('/containers')).status).to.equal(502);
      rig.health.worker = undefined;
      expect((await rig.ask('/containers')).body.code).to.equal('KW_HTTP_STARTING');
    });

    it('hide what is no error of the library, and log it', async () => {
      rig.worker.listContainers.rejects(new Error('password=hunter2'));
      const { status, body } = await rig.ask('/containers');
      expect([status, body.code]).to.deep.equal([500, 'KW_HTTP_INTERNAL']);
      expect(JSON.stringify(body)).to.not.contain('hunter2');
      expect(rig.errors).to.have.length(1);
    });

    it('are 504 for an answer that takes too long, also one that is allowed late, which keeps no place', async () => {
      const late = Promise.withResolvers<void>();
      const authorize = async (): Promise<void> => await late.promise;
      const slow = await StatusRig.create({ maxConcurrent: 1, handlerTimeoutMs: 5, authorize });
      slow.worker.listContainers.resolves({ containers: [] });
      expect((await slow.ask('/containers')).body.code).to.equal('KW_HTTP_TIMEOUT');
      late.resolve();
      await new Promise(setImmediate);
      expect((await slow.ask('/containers')).status).to.equal(200);
    });

    it('are 503 while as many requests run as may at once', async () => {
      const small = await StatusRig.create({ maxConcurrent: 1 });
      const { promise, resolve } = Promise.withResolvers<{ containers: [] }>();
      small.worker.listContainers.returns(promise);
      const first = small.ask('/containers');
      await new Promise(setImmediate);
      expect((await small.ask('/containers')).body.code).to.equal('KW_HTTP_BUSY');
      resolve({ containers: [] });
      expect((await first).status).to.equal(200);
      expect((await small.ask('/containers')).status).to.equal(200);
    });
  });
});
