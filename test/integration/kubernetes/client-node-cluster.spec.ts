import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { ApiError, ApiUnavailableError, ConflictError, ForbiddenError } from '../../../src/errors/cluster.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { answerJson, ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { fails, gives, newPod, pod, type Respond, respondInOrder, settled } from './scripted-responses.ts';

describe('ClientNodeCluster', () => {
  let server: ScriptedApiServer;
  let clock: VirtualClock;
  let cluster: ClientNodeCluster;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new VirtualClock();
    cluster = await ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), clock });
  });

  afterEach(async () => {
    await server.close();
  });

  const answers = (...steps: readonly Respond[]): void => respondInOrder(server, steps);
  const passing = <T>(call: Promise<T>): Promise<T> => settled(clock, call);

  describe('a call', () => {
    it('returns the object, with its dates', async () => {
      answers(gives(pod));
      expect((await cluster.getPod('p'))?.metadata?.creationTimestamp).to.deep.equal(new Date('2030-01-01T00:00:00Z'));
      expect(server.requests).to.deep.equal(['GET /api/v1/namespaces/ci/pods/p']);
      expect(server.headers[0]?.authorization).to.equal('Bearer secret');
    });

    it('sends and accepts JSON', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 201, pod);
      };
      await cluster.createPod(newPod);
      expect(server.requests).to.deep.equal(['POST /api/v1/namespaces/ci/pods']);
      expect(server.headers[0]).to.include({
        'content-type': 'application/json',
        accept: 'application/json, */*;q=0.8',
      });
      expect(JSON.parse(sent)).to.deep.equal(newPod);
    });

    it('waits while more than 400 have begun at once, and begins with the next of 200 in a second', async () => {
      server.rest = (_request, response) => answerJson(response, 200, pod);
      const calls = Array.from({ length: 401 }, async () => await cluster.getPod('p'));
      await Promise.all(calls.slice(0, 400));
      expect([server.requests.length, clock.sleeping]).to.deep.equal([400, 1]);
      await clock.advance(5);
      await calls.at(-1);
      expect(server.requests).to.have.length(401);
    });

    it('rejects with ApiUnavailableError if the response is not an object', async () => {
      for (const body of ['<html>', 'null', '[]', '']) {
        server.rest = (_request, response) => response.writeHead(200).end(body);
        expect(await rejection(passing(cluster.getPod('p'))), body).to.be.instanceOf(ApiUnavailableError);
      }
    });

    it('keeps the path of the server', async () => {
      answers(gives(pod));
      cluster = await ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig({}, '/k8s/clusters/c-1') });
      await cluster.getPod('p');
      expect(server.requests).to.deep.equal(['GET /k8s/clusters/c-1/api/v1/namespaces/ci/pods/p']);
    });

    it('returns undefined only if the API server itself reports NotFound', async () => {
      answers(fails(404, 'NotFound'));
      expect(await cluster.getPod('p')).to.equal(undefined);
      expect(await cluster.getConfigMap('c')).to.equal(undefined);
      answers((response) => response.writeHead(404).end('404 page not found'));
      expect(await rejection(cluster.getPod('p')))
        .to.be.instanceOf(ApiError)
        .and.include({ status: 404 });
    });

    it('returns a secret, or undefined if it does not exist', async () => {
      answers(gives({ metadata: { name: 's' }, data: { key: 'eA==' } }), fails(404, 'NotFound'));
      expect((await cluster.getSecret('s'))?.data).to.deep.equal({ key: 'eA==' });
      expect(await cluster.getSecret('s')).to.equal(undefined);
      expect(server.requests[0]).to.equal('GET /api/v1/namespaces/ci/secrets/s');
    });

    it('returns a node, or undefined if it does not exist, and rejects without the permission', async () => {
      const conditions = [{ type: 'Ready', status: 'True' }];
      answers(fails(403, 'Forbidden'));
      expect(await rejection(cluster.getNode('n'))).to.be.instanceOf(ForbiddenError);
      answers(gives({ metadata: { name: 'n' }, status: { conditions } }), fails(404, 'NotFound'));
      expect((await cluster.getNode('n'))?.status).to.deep.equal({ conditions });
      expect(await cluster.getNode('n')).to.equal(undefined);
      expect(server.requests[0]).to.equal('GET /api/v1/nodes/n');
    });

    it('rejects with the missing permission', async () => {
      answers(fails(403, 'Forbidden'));
      const error = await rejection(cluster.getPod('p'));
      expect(error).to.be.instanceOf(ForbiddenError).and.include({ verb: 'get', resource: 'pods', namespace: 'ci' });
      expect(error.message).to.contain('words of Forbidden').and.contain('a Role with verb get on pods');
      expect(server.requests).to.have.length(1);
    });

    it('is retried a few times if it is safe and the failure is temporary', async () => {
      answers(
        fails(503, 'ServiceUnavailable'),
        (response) => response.destroy(),
        fails(500, 'InternalError'),
        gives(pod),
      );
      expect((await passing(cluster.getPod('p')))?.metadata?.name).to.equal('p');
      expect(server.requests).to.have.length(4);
    });

    it('rejects after three retries', async () => {
      answers(fails(503, 'ServiceUnavailable'));
      expect(await rejection(passing(cluster.getPod('p'))))
        .to.be.instanceOf(ApiUnavailableError)
        .and.include({ status: 503 });
      expect(server.requests).to.have.length(4);
    });

    it('waits for the time of Retry-After', async () => {
      answers(fails(429, 'TooManyRequests', { 'retry-after': '5' }), gives(pod));
      const call = cluster.getPod('p');
      while (clock.sleeping === 0) await sleep(2);
      await clock.advance(4_900);
      expect(server.requests).to.have.length(1);
      await clock.advance(100);
      expect((await call)?.metadata?.name).to.equal('p');
    });

    it('rejects with ApiUnavailableError and the cause if there is no connection', async () => {
      await server.close();
      const error = await rejection(passing(cluster.getPod('p')));
      expect(error).to.be.instanceOf(ApiUnavailableError).and.include({ status: undefined });
      expect(error.message).to.contain('ECONNREFUSED');
      server = await ScriptedApiServer.start();
    });

    it('rejects with ApiUnavailableError if it times out', async () => {
      server.rest = () => undefined;
      const impatient = await ClientNodeCluster.fromConfig({
        kubeConfig: server.kubeConfig(),
        clock,
        callTimeoutMs: 300,
      });
      expect((await rejection(impatient.getPod('p'))).message).to.contain('no answer within 300 ms');
      expect(server.requests).to.have.length(1);
    });

    it('reuses the connections of earlier calls', async () => {
      answers(gives(pod));
      for (let count = 0; count < 10; count += 1) await cluster.getPod('p');
      expect(server.connections).to.be.at.most(2);
    });
  });

  describe('a signal', () => {
    const reason = new Error('enough');

    it('rejects a call with its reason, and keeps no listener', async () => {
      const controller = new AbortController();
      server.rest = () => controller.abort(reason);
      expect(await rejection(cluster.getPod('p', { signal: controller.signal }))).to.equal(reason);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('rejects a call before its request', async () => {
      expect(await rejection(cluster.createPod(newPod, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
      expect(server.requests).to.have.length(0);
    });

    it('ends the wait before a retry', async () => {
      const controller = new AbortController();
      answers(fails(503, 'ServiceUnavailable'));
      const call = rejection(cluster.getPod('p', { signal: controller.signal }));
      while (clock.sleeping === 0) await sleep(2);
      controller.abort(reason);
      expect(await call).to.equal(reason);
      expect(clock.sleeping).to.equal(0);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('has no listener after a successful call', async () => {
      const { signal } = new AbortController();
      answers(gives(pod));
      await cluster.getPod('p', { signal });
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
    });
  });

  describe('creating', () => {
    it('rejects with ConflictError if the name is taken', async () => {
      answers(fails(409, 'AlreadyExists'));
      expect(await rejection(cluster.createPod(newPod))).to.be.instanceOf(ConflictError);
      expect(await rejection(cluster.createConfigMap({ metadata: { name: 'c' } }))).to.be.instanceOf(ConflictError);
      expect(server.requests).to.have.length(2);
    });

    it('is retried after a conflict of two writers of a quota', async () => {
      answers(fails(409, 'Conflict'), gives(pod));
      expect((await passing(cluster.createPod(newPod))).metadata?.name).to.equal('p');
    });

    it('is retried after a 429', async () => {
      answers(fails(429, 'TooManyRequests'), gives(pod));
      await passing(cluster.createPod(newPod));
      expect(server.requests).to.have.length(2);
    });

    it('is not retried if it may have been executed', async () => {
      answers((response) => response.destroy());
      expect(await rejection(passing(cluster.createPod(newPod)))).to.be.instanceOf(ApiUnavailableError);
      answers(fails(504, 'Timeout'));
      expect(await rejection(passing(cluster.createPod(newPod)))).to.be.instanceOf(ApiUnavailableError);
      expect(server.requests).to.have.length(2);
    });

    it('sends the binary data of a config map unchanged', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 201, {});
      };
      await cluster.createConfigMap({ metadata: { name: 'c' }, immutable: true, binaryData: { agent: 'AAEC' } });
      expect(JSON.parse(sent)).to.deep.include({ immutable: true, binaryData: { agent: 'AAEC' } });
    });
  });

  describe('network policies', () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/ci/networkpolicies';

    it('are created in their API group', async () => {
      answers(gives({}));
      await cluster.createNetworkPolicy({ metadata: { name: 'p' } });
      expect(server.requests).to.deep.equal([`POST ${path}`]);
    });

    it('are listed over all pages', async () => {
      const page = (name: string, next?: string) =>
        gives({ metadata: { continue: next }, items: [{ metadata: { name, managedFields: [] } }] });
      answers(page('a', 'next'), page('b'));
      const policies = await cluster.listNetworkPolicies();
      expect(policies.map(({ metadata }) => metadata)).to.deep.equal([{ name: 'a' }, { name: 'b' }]);
      expect(server.requests).to.deep.equal([`GET ${path}?limit=500`, `GET ${path}?limit=500&continue=next`]);
    });

    it('are not known if the caller may not list them', async () => {
      answers(fails(403, 'Forbidden'));
      expect(await rejection(cluster.listNetworkPolicies())).to.be.instanceOf(ForbiddenError);
    });
  });

  describe('a review of a token', () => {
    const user = { username: 'jane', uid: '1', groups: ['ci'], extra: { 'example/x': ['y'] } };
    const review = (status: object) => gives({ status });

    it('returns the user, with the facts for the authorizer', async () => {
      answers(review({ authenticated: true, user }));
      expect(await cluster.reviewToken('secret', [])).to.deep.equal(user);
      expect(server.requests).to.deep.equal(['POST /apis/authentication.k8s.io/v1/tokenreviews']);
    });

    it('returns none for a token that is not accepted, or for another audience', async () => {
      answers(
        review({ authenticated: false, error: 'expired' }),
        review({ authenticated: true, user }),
        review({ authenticated: true, user, audiences: ['other'] }),
        review({ authenticated: true, user, audiences: ['ours'] }),
      );
      expect(await cluster.reviewToken('secret', [])).to.equal(undefined);
      expect(await cluster.reviewToken('secret', ['ours'])).to.equal(undefined);
      expect(await cluster.reviewToken('secret', ['ours'])).to.equal(undefined);
      expect(await cluster.reviewToken('secret', ['ours'])).to.deep.equal(user);
    });

    it('asks for a permission of the user in the namespace', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 201, { status: { allowed: true } });
      };
      const permission = { verb: 'get', apiGroup: '', resource: 'pods/log', isClusterWide: false };
      expect(await cluster.mayUser(user, permission)).to.equal(true);
      const { username, ...rest } = user;
      const resourceAttributes = { namespace: 'ci', verb: 'get', group: '', resource: 'pods', subresource: 'log' };
      expect(JSON.parse(sent).spec).to.deep.equal({ user: username, ...rest, resourceAttributes });
    });
  });

  describe('nodes and resource quotas', () => {
    for (const [what, path, list] of [
      ['nodes', '/api/v1/nodes', () => cluster.listNodes()],
      ['resource quotas', '/api/v1/namespaces/ci/resourcequotas', () => cluster.listResourceQuotas()],
    ] as const) {
      it(`lists ${what} over all pages`, async () => {
        const page = (name: string, next?: string) =>
          gives({ metadata: { continue: next }, items: [{ metadata: { name, managedFields: [] } }] });
        answers(page('a', 'next'), page('b'));
        expect((await list()).map(({ metadata }) => metadata)).to.deep.equal([{ name: 'a' }, { name: 'b' }]);
        expect(server.requests).to.deep.equal([`GET ${path}?limit=500`, `GET ${path}?limit=500&continue=next`]);
      });

      it(`rejects with ForbiddenError if the caller may not list ${what}`, async () => {
        answers(fails(403, 'Forbidden'));
        expect(await rejection(list())).to.be.instanceOf(ForbiddenError);
      });
    }
  });

  describe('a refusal of what the server granted before, as by one that has just started', () => {
    beforeEach(async () => {
      answers(gives(pod));
      await cluster.getPod('p');
      await cluster.createPod(newPod);
      server.requests.length = 0;
    });

    it('is retried, also for a creation', async () => {
      answers(fails(403, 'Forbidden'), gives(pod), fails(403, 'Forbidden'), fails(403, 'Forbidden'), gives(pod));
      expect((await passing(cluster.getPod('p')))?.metadata?.name).to.equal('p');
      expect((await passing(cluster.createPod(newPod))).metadata?.name).to.equal('p');
      expect(server.requests).to.have.length(5);
    });

    it('is ApiUnavailableError for 10 s, and ForbiddenError from then on', async () => {
      answers(fails(403, 'Forbidden'));
      const early = await rejection(passing(cluster.getPod('p')));
      expect(early).to.be.instanceOf(ApiUnavailableError).and.include({ status: 403, retryable: true });
      expect(early.message).to.contain('the server may have just started, and refuses').and.contain('verb get on pods');
      await clock.advance(10_000);
      server.requests.length = 0;
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(ForbiddenError);
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(ForbiddenError);
      expect(server.requests).to.have.length(2);
    });

    it('is temporary again after the server has granted the call', async () => {
      answers(fails(403, 'Forbidden'));
      await rejection(passing(cluster.getPod('p')));
      await clock.advance(10_000);
      answers(gives(pod), fails(403, 'Forbidden'), gives(pod));
      await cluster.getPod('p');
      expect((await passing(cluster.getPod('p')))?.metadata?.name).to.equal('p');
    });

    it('counts for an object that did not exist', async () => {
      answers(fails(404, 'NotFound'), fails(403, 'Forbidden'), gives(pod));
      expect(await cluster.getConfigMap('c')).to.equal(undefined);
      expect((await passing(cluster.getConfigMap('c')))?.metadata?.name).to.equal('p');
    });

    it('does not concern other calls: a missing permission is reported at once', async () => {
      answers(fails(403, 'Forbidden'));
      expect(await rejection(cluster.deletePod('p'))).to.be.instanceOf(ForbiddenError);
      expect(server.requests).to.have.length(1);
    });
  });

  describe('a refusal of what the server never granted', () => {
    it('is retried for 10 s after the server was unavailable', async () => {
      answers(
        (response) => response.destroy(),
        fails(403, 'Forbidden'),
        fails(503, 'ServiceUnavailable'),
        fails(403, 'Forbidden'),
      );
      const early = await rejection(passing(cluster.getPod('p')));
      expect(early).to.be.instanceOf(ApiUnavailableError).and.include({ status: 403 });
      expect(server.requests).to.have.length(4);
      await clock.advance(10_000);
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(ForbiddenError);
      expect(server.requests).to.have.length(5);
    });
  });

  describe('deleting', () => {
    it('deletes only the pod with the uid', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 200, pod);
      };
      expect(await cluster.deletePod('p', { uid: 'u', gracePeriodSeconds: 0 })).to.equal(true);
      expect(JSON.parse(sent)).to.deep.equal({ preconditions: { uid: 'u' }, gracePeriodSeconds: 0 });
    });

    it('returns false if the pod does not exist, or another one has its name', async () => {
      answers(fails(404, 'NotFound'));
      expect(await cluster.deletePod('p')).to.equal(false);
      answers(fails(409, 'Conflict'));
      expect(await cluster.deletePod('p', { uid: 'u' })).to.equal(false);
    });

    it('is retried only with a uid', async () => {
      answers(fails(503, 'ServiceUnavailable'), gives(pod));
      expect(await passing(cluster.deletePod('p', { uid: 'u' }))).to.equal(true);
      answers(fails(503, 'ServiceUnavailable'), gives(pod));
      expect(await rejection(passing(cluster.deletePod('p')))).to.be.instanceOf(ApiUnavailableError);
    });
  });

  describe('lists', () => {
    it('are complete, and begin again when their pages expire', async () => {
      answers(
        gives({ metadata: { continue: 'c1', resourceVersion: '5' }, items: [pod] }),
        fails(410, 'Expired'),
        gives({ metadata: { continue: 'c2', resourceVersion: '6' }, items: [pod] }),
        gives({ metadata: { resourceVersion: '6' }, items: [pod, pod] }),
      );
      const { pods, resourceVersion } = await cluster.listPods('a=b,c=d');
      expect(pods).to.have.length(3);
      expect(resourceVersion).to.equal('6');
      const queries = server.requests.map((request) => new URL(request.slice(4), server.url).searchParams);
      expect(queries.map((query) => query.get('labelSelector'))).to.deep.equal(Array(4).fill('a=b,c=d'));
      expect(queries.map((query) => query.get('continue'))).to.deep.equal([null, 'c1', null, 'c2']);
      expect(queries.map((query) => query.get('limit'))).to.deep.equal(Array(4).fill('500'));
    });

    it('of pods transfer one of them at most to see whether the server answers', async () => {
      answers(fails(403, 'Forbidden'), gives({ metadata: { continue: 'c1' }, items: [pod] }));
      expect(await rejection(cluster.probePods())).to.include({ code: 'KW_ERR_FORBIDDEN', verb: 'list' });
      await cluster.probePods();
      const { pathname, search } = new URL(server.requests[1]!.slice(4), server.url);
      expect([pathname, search]).to.deep.equal(['/api/v1/namespaces/ci/pods', '?limit=1']);
      expect(server.requests).to.have.length(2);
    });

    it('have dates, and may have null for no items', async () => {
      answers(gives({ metadata: {}, items: [pod] }), gives({ metadata: {}, items: null }));
      const [first] = (await cluster.listPods('')).pods;
      expect(first?.metadata?.creationTimestamp).to.deep.equal(new Date('2030-01-01T00:00:00Z'));
      expect((await cluster.listPods('')).pods).to.deep.equal([]);
    });

    it('reject if the response is not a list', async () => {
      answers(gives({ kind: 'PodList' }));
      expect(await rejection(passing(cluster.listPods('')))).to.be.instanceOf(ApiUnavailableError);
    });

    it('of the events of a pod return them with their dates, or undefined without the permission', async () => {
      const time = '2030-01-01T00:00:00.123456Z';
      answers(fails(403, 'Forbidden'));
      expect(await cluster.podEvents('p', 'u')).to.equal(undefined);
      server.requests.length = 0;
      const event = { metadata: { name: 'e' }, involvedObject: { name: 'p' }, eventTime: time, lastTimestamp: null };
      answers(gives({ metadata: {}, items: [{ ...event, series: { lastObservedTime: time } }, {}] }));
      expect(await cluster.podEvents('p', 'u')).to.deep.equal([
        {
          metadata: { name: 'e' },
          involvedObject: { name: 'p' },
          eventTime: new Date(time),
          series: { lastObservedTime: new Date(time) },
        },
      ]);
      const { pathname, searchParams } = new URL(server.requests[0]!.slice(4), server.url);
      expect(pathname).to.equal('/api/v1/namespaces/ci/events');
      expect(searchParams.get('fieldSelector')).to.equal(
        'involvedObject.kind=Pod,involvedObject.name=p,involvedObject.uid=u',
      );
    });

    it('of what a pod uses return it, or undefined where the metrics API is missing, away or forbidden', async () => {
      const containers = [{ name: 'main', usage: { cpu: '2m', memory: '640Ki', odd: 1 } }, { name: 'other' }, {}];
      answers(gives({ kind: 'PodMetrics', metadata: {}, containers }));
      expect(await cluster.podMetrics('p')).to.deep.equal({
        containers: [{ name: 'main', usage: { cpu: '2m', memory: '640Ki' } }],
      });
      expect(server.requests).to.deep.equal(['GET /apis/metrics.k8s.io/v1beta1/namespaces/ci/pods/p']);
      for (const [status, reason] of [
        [404, 'NotFound'],
        [403, 'Forbidden'],
        [503, 'ServiceUnavailable'],
      ] as const) {
        server.requests.length = 0;
        answers(fails(status, reason));
        expect(await cluster.podMetrics('p')).to.equal(undefined);
        expect(server.requests).to.have.length(1);
      }
      answers(fails(400, 'BadRequest'));
      expect(await rejection(cluster.podMetrics('p'))).to.be.instanceOf(ApiError);
    });

    it('of nodes return their architectures, or undefined without the permission', async () => {
      answers(fails(403, 'Forbidden'));
      expect(await cluster.nodeArchitectures()).to.equal(undefined);
      const node = (architecture: string): object => ({ metadata: { labels: { 'kubernetes.io/arch': architecture } } });
      answers(gives({ metadata: {}, items: [node('arm64'), node('amd64'), node('arm64'), {}] }));
      expect(await cluster.nodeArchitectures()).to.deep.equal(['amd64', 'arm64']);
      server.requests.length = 0;
      answers(gives({ items: [node('arm64')] }), gives({ items: [node('amd64')] }), gives({ items: [] }));
      expect(await cluster.nodeArchitectures()).to.deep.equal(['amd64', 'arm64']);
      const queries = server.requests.map((request) => new URL(request.slice(4), server.url).searchParams);
      expect(queries.map((query) => query.get('limit'))).to.deep.equal(['1', '1', '1']);
      expect(queries.map((query) => query.get('labelSelector'))).to.deep.equal([
        'kubernetes.io/arch',
        'kubernetes.io/arch,kubernetes.io/arch notin (arm64)',
        'kubernetes.io/arch,kubernetes.io/arch notin (arm64,amd64)',
      ]);
    });
  });
});
