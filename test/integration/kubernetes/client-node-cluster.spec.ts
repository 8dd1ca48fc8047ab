import { getEventListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import {
  ApiError,
  ApiUnavailableError,
  ConflictError,
  ForbiddenError,
  TooManyRequestsError,
  UnauthorizedError,
} from '../../../src/errors/cluster.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/client-node-cluster.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { WatchExpiredError } from '../../../src/kubernetes/watch-expired-error.ts';
import { answerJson, failure, ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u', creationTimestamp: '2030-01-01T00:00:00Z' },
};

const newPod: Pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'main', image: 'x' }] } };

describe('the cluster over client-node', () => {
  let server: ScriptedApiServer;
  let clock: VirtualClock;
  let cluster: ClientNodeCluster;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new VirtualClock();
    cluster = ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), clock });
  });

  afterEach(async () => {
    await server.close();
  });

  /** Answers in this order, the last for ever. */
  function answers(...steps: ((response: ServerResponse) => void)[]): void {
    let count = 0;
    server.rest = (_request, response) => {
      const step = steps[Math.min(count, steps.length - 1)];
      count += 1;
      step?.(response);
    };
  }

  const fails =
    (code: number, reason: string, headers: Record<string, string> = {}) =>
    (response: ServerResponse) =>
      answerJson(response, code, failure(code, reason, `words of ${reason}`), headers);
  const gives = (body: object) => (response: ServerResponse) => answerJson(response, 200, body);

  /** Lets the virtual time pass in which a call waits. */
  async function passing<T>(call: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    call.then(done, done);
    for (let turn = 0; turn < 400 && !settled; turn += 1) {
      await clock.advance(500);
      await sleep(2);
    }
    return call;
  }

  describe('its configuration', () => {
    let folder: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kube-config-'));
    });

    afterEach(async () => {
      await rm(folder, { recursive: true });
    });

    const refusal = async (content: string): Promise<string> => {
      const path = join(folder, 'config');
      await writeFile(path, content);
      try {
        ClientNodeCluster.fromConfig({ kubeConfig: path });
      } catch (error) {
        expect(error).to.be.instanceOf(InvalidSpecError).and.include({ field: 'kubeConfig' });
        expect((error as Error).message).to.contain(path);
        return (error as Error).message;
      }
      throw new Error('was accepted');
    };

    it('must be there', () => {
      const path = join(folder, 'none');
      expect(() => ClientNodeCluster.fromConfig({ kubeConfig: path }))
        .to.throw(InvalidSpecError, path)
        .with.property('field', 'kubeConfig');
    });

    it('must be one', async () => {
      expect(await refusal('{{{')).to.contain('cannot be read');
      expect(await refusal('')).to.contain('is empty');
      expect(await refusal('clusters: []\ncontexts: []\nusers: []\n')).to.contain('has no current context');
    });

    it('must lead somewhere', async () => {
      expect(await refusal('current-context: a\ncontexts: []\n')).to.contain('has no context "a"');
      const context = 'current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n';
      expect(await refusal(context)).to.contain('has no cluster "c"');
      expect(await refusal(`${context}clusters: [{name: c, cluster: {server: "https://h"}}]\n`)).to.contain(
        'has no user "u"',
      );
      const user = `${context}users: [{name: u, user: {}}]\n`;
      expect(await refusal(`${user}clusters: [{name: c, cluster: {server: "h:6443"}}]\n`)).to.contain(
        'not an http(s) URL',
      );
      expect(await refusal(`${user}clusters: [{name: c, cluster: {server: "http://h"}}]\n`)).to.contain('without TLS');
    });

    it('gives the namespace, which the option overrides', () => {
      expect(cluster.namespace).to.equal('ci');
      expect(ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), namespace: 'other' }).namespace).to.equal(
        'other',
      );
      expect(() => ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), namespace: 'No/Such' }))
        .to.throw(InvalidSpecError)
        .with.property('field', 'namespace');
    });
  });

  describe('a call', () => {
    it('gives the object, with its dates', async () => {
      answers(gives(pod));
      expect((await cluster.getPod('p'))?.metadata?.creationTimestamp).to.deep.equal(new Date('2030-01-01T00:00:00Z'));
      expect(server.requests).to.deep.equal(['GET /api/v1/namespaces/ci/pods/p']);
      expect(server.headers[0]?.authorization).to.equal('Bearer secret');
    });

    it('keeps the path of the server', async () => {
      answers(gives(pod));
      await ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig({}, '/k8s/clusters/c-1') }).getPod('p');
      expect(server.requests).to.deep.equal(['GET /k8s/clusters/c-1/api/v1/namespaces/ci/pods/p']);
    });

    it('is nothing where Kubernetes says so, and only then', async () => {
      answers(fails(404, 'NotFound'));
      expect(await cluster.getPod('p')).to.equal(undefined);
      expect(await cluster.getConfigMap('c')).to.equal(undefined);
      answers((response) => response.writeHead(404).end('404 page not found'));
      expect(await rejection(cluster.getPod('p')))
        .to.be.instanceOf(ApiError)
        .and.include({ status: 404 });
    });

    it('is refused with the right that is missing', async () => {
      answers(fails(403, 'Forbidden'));
      const error = await rejection(cluster.getPod('p'));
      expect(error).to.be.instanceOf(ForbiddenError).and.include({ verb: 'get', resource: 'pods', namespace: 'ci' });
      expect(error.message).to.contain('words of Forbidden').and.contain('a Role with verb get on pods');
      expect(server.requests).to.have.length(1);
    });

    it('is made again a few times where that may help and harms nothing', async () => {
      answers(
        fails(503, 'ServiceUnavailable'),
        (response) => response.destroy(),
        fails(500, 'InternalError'),
        gives(pod),
      );
      expect((await passing(cluster.getPod('p')))?.metadata?.name).to.equal('p');
      expect(server.requests).to.have.length(4);
    });

    it('gives up after that', async () => {
      answers(fails(503, 'ServiceUnavailable'));
      expect(await rejection(passing(cluster.getPod('p'))))
        .to.be.instanceOf(ApiUnavailableError)
        .and.include({ status: 503 });
      expect(server.requests).to.have.length(4);
    });

    it('waits as long as it is asked to', async () => {
      answers(fails(429, 'TooManyRequests', { 'retry-after': '5' }), gives(pod));
      const call = cluster.getPod('p');
      while (clock.sleeping === 0) await sleep(2);
      await clock.advance(4_900);
      expect(server.requests).to.have.length(1);
      await clock.advance(100);
      expect((await call)?.metadata?.name).to.equal('p');
    });

    it('is unavailable where nobody answers, and says why', async () => {
      await server.close();
      const error = await rejection(passing(cluster.getPod('p')));
      expect(error).to.be.instanceOf(ApiUnavailableError).and.include({ status: undefined });
      expect(error.message).to.contain('ECONNREFUSED');
      server = await ScriptedApiServer.start();
    });

    it('is unavailable where no answer comes in time', async () => {
      server.rest = () => undefined;
      const impatient = ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), clock, callTimeoutMs: 50 });
      expect((await rejection(impatient.getPod('p'))).message).to.contain('no answer within 50 ms');
      expect(server.requests).to.have.length(1);
    });

    it('shares connections with the calls before it', async () => {
      answers(gives(pod));
      for (let count = 0; count < 10; count += 1) await cluster.getPod('p');
      expect(server.connections).to.be.at.most(2);
    });
  });

  describe('a signal', () => {
    const reason = new Error('enough');

    it('ends a call with its reason, and leaves no listener', async () => {
      const controller = new AbortController();
      server.rest = () => controller.abort(reason);
      expect(await rejection(cluster.getPod('p', { signal: controller.signal }))).to.equal(reason);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('ends a call before it is made', async () => {
      expect(await rejection(cluster.createPod(newPod, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
      expect(server.requests).to.have.length(0);
    });

    it('ends the wait before the next attempt', async () => {
      const controller = new AbortController();
      answers(fails(503, 'ServiceUnavailable'));
      const call = rejection(cluster.getPod('p', { signal: controller.signal }));
      while (clock.sleeping === 0) await sleep(2);
      controller.abort(reason);
      expect(await call).to.equal(reason);
      expect(clock.sleeping).to.equal(0);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('is free again after a call that succeeds', async () => {
      const { signal } = new AbortController();
      answers(gives(pod));
      await cluster.getPod('p', { signal });
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
    });
  });

  describe('credentials', () => {
    let folder: string;
    let path: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kube-config-'));
      path = join(folder, 'config');
      await write('old');
      cluster = ClientNodeCluster.fromConfig({ kubeConfig: path, clock });
    });

    afterEach(async () => {
      await rm(folder, { recursive: true });
    });

    async function write(token: string): Promise<void> {
      const clusters = [{ name: 'c', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }];
      const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'ci' } }];
      await writeFile(
        path,
        JSON.stringify({ 'current-context': 'x', clusters, contexts, users: [{ name: 'u', user: { token } }] }),
      );
    }

    const onlyNew = (): void => {
      server.rest = (request, response) =>
        request.headers.authorization === 'Bearer new'
          ? answerJson(response, 200, pod)
          : answerJson(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
    };

    it('are read anew once at 401, and the call made again', async () => {
      onlyNew();
      await write('new');
      expect((await cluster.createPod(newPod)).metadata?.name).to.equal('p');
      expect(server.headers.map(({ authorization }) => authorization)).to.deep.equal(['Bearer old', 'Bearer new']);
    });

    it('that stay wrong are an error after one more attempt', async () => {
      onlyNew();
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(UnauthorizedError);
      expect(server.requests).to.have.length(2);
    });

    it('that cannot be read now leave the old ones in use', async () => {
      onlyNew();
      await writeFile(path, '{{{');
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(UnauthorizedError);
    });

    it('are read anew for a watch as well', async () => {
      server.rest = (request, response) => {
        if (request.headers.authorization === 'Bearer new')
          response.writeHead(200).end(`${JSON.stringify({ type: 'ADDED', object: pod })}\n`);
        else answerJson(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
      };
      await write('new');
      const changes = [];
      for await (const change of cluster.watchPods('', '1')) changes.push(change.type);
      expect(changes).to.deep.equal(['added']);
    });

    it('are read anew for an exec where the server has refused them', async () => {
      const target = { podName: 'p', containerName: 'main', command: ['a', 'b'] };
      const refused = await cluster.execEndpoint(target);
      await write('new');
      expect((await cluster.execEndpoint(target)).headers).to.deep.equal({ Authorization: 'Bearer old' });
      const endpoint = await cluster.execEndpoint(target, { refused });
      expect(endpoint.headers).to.deep.equal({ Authorization: 'Bearer new' });
      expect(endpoint.url).to.equal(
        `${server.url.replace('http', 'ws')}/api/v1/namespaces/ci/pods/p/exec?command=a&command=b&container=main&stdin=true&stdout=true&stderr=true&tty=false`,
      );
      expect(endpoint.tls.rejectUnauthorized).to.equal(false);
      expect(endpoint.proxy).to.equal(undefined);
    });

    it('are a name and a password, or a proxy, where the configuration says so', async () => {
      const kubeConfig = server.kubeConfig({ username: 'me', password: 'secret' });
      const [entry] = kubeConfig.clusters;
      kubeConfig.clusters = [{ ...entry!, proxyUrl: 'http://127.0.0.1:3128' }];
      const endpoint = await ClientNodeCluster.fromConfig({ kubeConfig }).execEndpoint({
        podName: 'p',
        containerName: 'c',
        command: [],
      });
      expect(endpoint.headers).to.deep.equal({ Authorization: `Basic ${Buffer.from('me:secret').toString('base64')}` });
      expect(endpoint.proxy).to.equal('http://127.0.0.1:3128');
    });
  });

  describe('creating', () => {
    it('tells that the name is taken', async () => {
      answers(fails(409, 'AlreadyExists'));
      expect(await rejection(cluster.createPod(newPod))).to.be.instanceOf(ConflictError);
      expect(await rejection(cluster.createConfigMap({ metadata: { name: 'c' } }))).to.be.instanceOf(ConflictError);
      expect(server.requests).to.have.length(2);
    });

    it('tries again where two met at a quota, which is no taken name', async () => {
      answers(fails(409, 'Conflict'), gives(pod));
      expect((await passing(cluster.createPod(newPod))).metadata?.name).to.equal('p');
    });

    it('tries again where it was told to come back', async () => {
      answers(fails(429, 'TooManyRequests'), gives(pod));
      await passing(cluster.createPod(newPod));
      expect(server.requests).to.have.length(2);
    });

    it('does not try again where it may have happened', async () => {
      answers((response) => response.destroy());
      expect(await rejection(passing(cluster.createPod(newPod)))).to.be.instanceOf(ApiUnavailableError);
      answers(fails(504, 'Timeout'));
      expect(await rejection(passing(cluster.createPod(newPod)))).to.be.instanceOf(ApiUnavailableError);
      expect(server.requests).to.have.length(2);
    });

    it('sends the binary of a config map as it is', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 201, {});
      };
      await cluster.createConfigMap({ metadata: { name: 'c' }, immutable: true, binaryData: { agent: 'AAEC' } });
      expect(JSON.parse(sent)).to.deep.include({ immutable: true, binaryData: { agent: 'AAEC' } });
    });
  });

  describe('deleting', () => {
    it('is of the pod of that uid only', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 200, pod);
      };
      expect(await cluster.deletePod('p', { uid: 'u', gracePeriodSeconds: 0 })).to.equal(true);
      expect(JSON.parse(sent)).to.deep.equal({ preconditions: { uid: 'u' }, gracePeriodSeconds: 0 });
    });

    it('is false where there is no such pod, or another one', async () => {
      answers(fails(404, 'NotFound'));
      expect(await cluster.deletePod('p')).to.equal(false);
      answers(fails(409, 'Conflict'));
      expect(await cluster.deletePod('p', { uid: 'u' })).to.equal(false);
    });

    it('is tried again only with a uid', async () => {
      answers(fails(503, 'ServiceUnavailable'), gives(pod));
      expect(await passing(cluster.deletePod('p', { uid: 'u' }))).to.equal(true);
      answers(fails(503, 'ServiceUnavailable'), gives(pod));
      expect(await rejection(passing(cluster.deletePod('p')))).to.be.instanceOf(ApiUnavailableError);
    });
  });

  describe('lists', () => {
    it('are whole, and begin again where their pages have expired', async () => {
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

    it('of nodes give their architectures, or undefined without the right', async () => {
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
      answers(fails(403, 'Forbidden'));
      expect(await cluster.nodeArchitectures()).to.equal(undefined);
    });
  });

  describe('a log', () => {
    it('is not what the kubelet says instead of one', async () => {
      const target = { podName: 'p', containerName: 'main', follow: false };
      const read = async (): Promise<string[]> => {
        const lines: string[] = [];
        for await (const { bytes } of cluster.readLog(target)) lines.push(Buffer.from(bytes).toString());
        return lines;
      };
      answers((response) => response.end('2030-01-01T00:00:00.000000001Z failed to try\n'));
      expect(await read()).to.deep.equal(['failed to try\n']);
      answers((response) =>
        response.end('failed to try resolving symlinks in path "/var/log/0.log": no such file or directory'),
      );
      expect(await rejection(read())).to.be.instanceOf(ApiUnavailableError);
    });
  });

  describe('a watch', () => {
    const event = (type: string, object: object = pod): string => `${JSON.stringify({ type, object })}\n`;

    it('gives changes as they come, however they are cut, and ends when the server ends it', async () => {
      server.rest = (_request, response) => {
        response.writeHead(200);
        const text = `${event('ADDED')}${event('BOOKMARK')}${event('MODIFIED')}`;
        response.write(text.slice(0, 30));
        setTimeout(() => response.end(`${text.slice(30)}${event('DELETED').slice(0, 20)}`), 20);
      };
      const types = [];
      for await (const { type, pod: changed } of cluster.watchPods('a=b', '17')) {
        types.push(type);
        expect(changed.metadata?.creationTimestamp).to.be.instanceOf(Date);
      }
      expect(types).to.deep.equal(['added', 'modified']);
      const query = new URL(server.requests[0]!.slice(4), server.url).searchParams;
      expect(Object.fromEntries(query)).to.deep.equal({
        watch: 'true',
        labelSelector: 'a=b',
        resourceVersion: '17',
        allowWatchBookmarks: 'true',
        timeoutSeconds: '290',
      });
    });

    for (const [where, answer] of [
      ['at once', fails(410, 'Expired')],
      [
        'later',
        (response: ServerResponse) =>
          void response.writeHead(200).end(event('ERROR', failure(410, 'Expired', 'too old'))),
      ],
    ] as const) {
      it(`says ${where} that its version has expired`, async () => {
        answers(answer);
        expect(await rejection(cluster.watchPods('', '1').next())).to.be.instanceOf(WatchExpiredError);
      });
    }

    it('tells other refusals apart', async () => {
      answers(fails(403, 'Forbidden'));
      expect(await rejection(cluster.watchPods('', '1').next())).to.be.instanceOf(ForbiddenError);
      answers(fails(429, 'TooManyRequests'));
      expect(await rejection(cluster.watchPods('', '1').next())).to.be.instanceOf(TooManyRequestsError);
    });

    it('fails where the connection breaks', async () => {
      server.rest = (_request, response) => {
        response.writeHead(200);
        response.write(event('ADDED'));
        setTimeout(() => response.destroy(), 20);
      };
      const watch = cluster.watchPods('', '1');
      expect((await watch.next()).done).to.equal(false);
      expect(await rejection(watch.next())).to.be.instanceOf(ApiUnavailableError);
    });

    it('ends by its signal with its reason, before, while and after it opens, and lets go', async () => {
      const reason = new Error('enough');
      expect(await rejection(cluster.watchPods('', '1', { signal: AbortSignal.abort(reason) }).next())).to.equal(
        reason,
      );

      const opening = new AbortController();
      server.rest = () => opening.abort(reason);
      expect(await rejection(cluster.watchPods('', '1', { signal: opening.signal }).next())).to.equal(reason);

      const open = new AbortController();
      server.rest = (_request, response) => {
        response.writeHead(200);
        response.write(event('ADDED'));
      };
      const watch = cluster.watchPods('', '1', { signal: open.signal });
      await watch.next();
      const waiting = rejection(watch.next());
      open.abort(reason);
      expect(await waiting).to.equal(reason);
      for (const { signal } of [opening, open]) expect(getEventListeners(signal, 'abort')).to.have.length(0);
      for (let turn = 0; turn < 100 && server.connections > 0; turn += 1) await sleep(5);
      expect(server.connections).to.equal(0);
    });

    it('lets go of its connection when nobody reads on', async () => {
      server.rest = (_request, response) => {
        response.writeHead(200);
        response.write(event('ADDED'));
      };
      for await (const change of cluster.watchPods('', '1')) {
        expect(change.type).to.equal('added');
        break;
      }
      for (let turn = 0; turn < 100 && server.connections > 0; turn += 1) await sleep(5);
      expect(server.connections).to.equal(0);
    });
  });
});
