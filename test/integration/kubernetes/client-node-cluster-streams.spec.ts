import { getEventListeners } from 'node:events';
import type { ServerResponse } from 'node:http';

import { expect } from 'chai';

import { ApiUnavailableError, ForbiddenError, TooManyRequestsError } from '../../../src/errors/cluster.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { WatchExpiredError } from '../../../src/kubernetes/watch-expired-error.ts';
import { until } from '../../support/agent/agent-process.ts';
import { failure, ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { fails, pod, type Respond, respondInOrder, settled } from './scripted-responses.ts';

describe('ClientNodeCluster, its streams', () => {
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

  describe('a log', () => {
    it('rejects an error message of the kubelet in place of a log', async () => {
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

    it('yields changes for any chunks, and ends when the server closes it', async () => {
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
      ['immediately', fails(410, 'Expired')],
      [
        'later',
        (response: ServerResponse) =>
          void response.writeHead(200).end(event('ERROR', failure(410, 'Expired', 'too old'))),
      ],
    ] as const) {
      it(`throws WatchExpiredError ${where} if its version has expired`, async () => {
        answers(answer);
        expect(await rejection(cluster.watchPods('', '1').next())).to.be.instanceOf(WatchExpiredError);
      });
    }

    it('rejects with the error of any other refusal', async () => {
      answers(fails(403, 'Forbidden'));
      expect(await rejection(cluster.watchPods('', '1').next())).to.be.instanceOf(ForbiddenError);
      answers(fails(429, 'TooManyRequests'));
      expect(await rejection(cluster.watchPods('', '1').next())).to.be.instanceOf(TooManyRequestsError);
    });

    it('is opened again if no response arrives', async () => {
      answers(
        (response) => response.destroy(),
        (response) => void response.writeHead(200).end(event('ADDED')),
      );
      const first = await settled(clock, cluster.watchPods('', '1').next());
      expect(first.value).to.deep.include({ type: 'added' });
      expect(server.requests).to.have.length(2);
    });

    it('is not opened again after a refusal', async () => {
      answers(fails(503, 'ServiceUnavailable'));
      expect(await rejection(settled(clock, cluster.watchPods('', '1').next()))).to.be.instanceOf(ApiUnavailableError);
      expect(server.requests).to.have.length(1);
    });

    it('rejects when the connection breaks', async () => {
      server.rest = (_request, response) => {
        response.writeHead(200);
        response.write(event('ADDED'));
        setTimeout(() => response.destroy(), 20);
      };
      const watch = cluster.watchPods('', '1');
      expect((await watch.next()).done).to.equal(false);
      expect(await rejection(watch.next())).to.be.instanceOf(ApiUnavailableError);
    });

    it('rejects with the reason of its signal before, during and after opening, and closes its connection', async () => {
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
      await until('the server has no connection', () => server.connections === 0);
    });

    it('closes its connection when the consumer stops reading', async () => {
      server.rest = (_request, response) => {
        response.writeHead(200);
        response.write(event('ADDED'));
      };
      for await (const change of cluster.watchPods('', '1')) {
        expect(change.type).to.equal('added');
        break;
      }
      await until('the server has no connection', () => server.connections === 0);
    });
  });
});
