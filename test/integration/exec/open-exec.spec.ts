import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { ForbiddenError, TooManyRequestsError, UnauthorizedError } from '../../../src/errors/cluster.ts';
import { ExecHandshakeFailedError, UnsupportedSubprotocolError } from '../../../src/errors/connection.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { ProtocolOrder } from '../../../src/exec/protocol-order.ts';
import type { ApiObserver } from '../../../src/telemetry/cluster-metrics.ts';
import { until } from '../../support/agent/agent-process.ts';
import { failure, ScriptedApiServer } from '../../support/api-server.ts';
import type { ExecPeer } from '../../support/exec-peer.ts';
import { rejection } from '../../support/rejection.ts';

describe('openExec', () => {
  let server: ScriptedApiServer;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
  });

  afterEach(async () => {
    await server.close();
  });

  const refused = async (peer: (peer: ExecPeer) => void): Promise<Error> => {
    server.exec = peer;
    return rejection(openExec(server.execEndpoint()));
  };

  async function noConnectionIsLeft(): Promise<void> {
    await until('the server has no connection', () => server.connections === 0);
  }

  it('offers v4 alone, no compression, and the endpoint\u2019s headers', async () => {
    const connection = await openExec(server.execEndpoint());
    expect(connection.protocol).to.equal('v4.channel.k8s.io');
    expect(server.headers[0]).to.include({
      authorization: 'Bearer secret',
      'sec-websocket-protocol': 'v4.channel.k8s.io',
    });
    expect(server.headers[0]).to.not.have.property('sec-websocket-extensions');
    connection.close();
    await noConnectionIsLeft();
  });

  for (const [name, answer] of [
    ['refuses v4 without a body', (peer: ExecPeer) => peer.refuse(403, '')],
    ['selects no sub-protocol', (peer: ExecPeer) => peer.accept('')],
    ['selects one that was not offered', (peer: ExecPeer) => peer.accept('channel.k8s.io')],
  ] as const) {
    it(`continues with v5 if the server ${name}`, async () => {
      server.exec = (peer) => (peer.offered.includes('v5.channel.k8s.io') ? peer.accept() : answer(peer));
      const connection = await openExec(server.execEndpoint());
      expect(connection.protocol).to.equal('v5.channel.k8s.io');
      connection.close();
      await noConnectionIsLeft();
    });
  }

  it('rejects with UnsupportedSubprotocolError if the server supports neither', async () => {
    const error = await refused((peer) => peer.accept(''));
    expect(error).to.be.instanceOf(UnsupportedSubprotocolError);
    expect(error).to.deep.include({ offered: ['v4.channel.k8s.io', 'v5.channel.k8s.io'] });
    await noConnectionIsLeft();
  });

  it('reports each attempt as a request of its own, with the status of its answer', async () => {
    const reports: string[] = [];
    const observe: ApiObserver = ({ verb, resource, status, durationMs }) => {
      expect(durationMs).to.be.at.least(0);
      reports.push(`${verb} ${resource} ${String(status)}`);
    };
    server.exec = (peer) => (peer.offered.includes('v5.channel.k8s.io') ? peer.accept() : peer.refuse(403, ''));
    (await openExec(server.execEndpoint(), { observe })).close();
    expect(reports).to.deep.equal(['create pods/exec 403', 'create pods/exec 101']);
    const endpoint = server.execEndpoint();
    await server.close();
    await rejection(openExec(endpoint, { observe, protocols: new ProtocolOrder(['v4.channel.k8s.io']) }));
    expect(reports.at(-1)).to.equal('create pods/exec none');
  });

  it('rejects without a protocol to offer', async () => {
    expect(await rejection(openExec(server.execEndpoint(), { protocols: new ProtocolOrder([]) }))).to.be.instanceOf(
      InvalidSpecError,
    );
  });

  it('distinguishes refusals by their status', async () => {
    expect(
      await refused((peer) => peer.refuse(401, JSON.stringify(failure(401, 'Unauthorized', 'Unauthorized')))),
    ).to.be.instanceOf(UnauthorizedError);
    expect(await refused((peer) => peer.refuse(403, JSON.stringify(failure(403, 'Forbidden', 'no'))))).to.be.instanceOf(
      ForbiddenError,
    );
    const busy = await refused((peer) => peer.refuse(429, '', { 'Retry-After': '2' }));
    expect(busy).to.be.instanceOf(TooManyRequestsError);
    expect(busy).to.include({ retryAfterMs: 2000 });
    const missing = await refused((peer) =>
      peer.refuse(404, JSON.stringify(failure(404, 'NotFound', 'pods "p" not found'))),
    );
    expect(missing).to.include({
      code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
      status: 404,
      reason: 'NotFound',
      retryable: false,
    });
    await noConnectionIsLeft();
  });

  it('does not follow redirects', async () => {
    const error = await refused((peer) => peer.refuse(302, '', { Location: 'http://elsewhere/' }));
    expect(error.message).to.contain('redirects are not followed (to http://elsewhere/)');
    expect(server.requests).to.have.length(1);
  });

  it('reads at most 64 KiB of a refusal', async () => {
    const error = await refused((peer) => {
      peer.socket.write('HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
      const pump = (): void => {
        while (!peer.socket.destroyed && peer.socket.write(chunk));
        if (!peer.socket.destroyed) peer.socket.once('drain', pump);
      };
      pump();
    });
    expect(error).to.be.instanceOf(ExecHandshakeFailedError);
    await noConnectionIsLeft();
  });

  it('accepts a truncated refusal', async () => {
    const error = await refused((peer) => peer.socket.end('HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\nhalf'));
    expect(error).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', status: 503, retryable: true });
  });

  it('rejects with a retryable error without a server', async () => {
    const endpoint = server.execEndpoint();
    await server.close();
    const error = await rejection(openExec(endpoint));
    expect(error).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', retryable: true, status: undefined });
    expect(error.message).to.contain('ECONNREFUSED');
    server = await ScriptedApiServer.start();
  });

  it('rejects if the connection ends in the handshake', async () => {
    expect(await refused((peer) => peer.reset())).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', retryable: true });
  });

  it('rejects with an invalid header, and with an invalid URL', async () => {
    const endpoint = server.execEndpoint();
    expect(await rejection(openExec({ ...endpoint, headers: { Authorization: 'Bearer a\nb' } }))).to.include({
      code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
      retryable: false,
    });
    expect(await rejection(openExec({ ...endpoint, url: 'nonsense' }))).to.include({
      code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
    });
  });

  it('limits the time for the answer and for the rest of its body', async () => {
    server.exec = () => undefined;
    expect((await rejection(openExec(server.execEndpoint(), { handshakeTimeoutMs: 60 }))).message).to.contain(
      'no answer within 60 ms',
    );
    server.exec = (peer) => void peer.socket.write('HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\nhalf');
    expect((await rejection(openExec(server.execEndpoint(), { handshakeTimeoutMs: 60 }))).message).to.contain(
      'no answer within 60 ms',
    );
    await noConnectionIsLeft();
  });

  describe('with a signal', () => {
    const reason = new Error('canceled');

    it('rejects with its reason before anything is sent', async () => {
      expect(await rejection(openExec(server.execEndpoint(), { signal: AbortSignal.abort(reason) }))).to.equal(reason);
      expect(server.requests).to.have.length(0);
    });

    it('rejects with its reason in the handshake, and releases the connection', async () => {
      const controller = new AbortController();
      server.exec = () => controller.abort(reason);
      expect(await rejection(openExec(server.execEndpoint(), { signal: controller.signal }))).to.equal(reason);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
      await noConnectionIsLeft();
    });

    it('rejects with its reason while a refusal is read', async () => {
      const controller = new AbortController();
      server.exec = (peer) => {
        peer.socket.write('HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\nhalf');
        setTimeout(() => controller.abort(reason), 30);
      };
      expect(await rejection(openExec(server.execEndpoint(), { signal: controller.signal }))).to.equal(reason);
      await noConnectionIsLeft();
    });

    it('does not affect an open connection', async () => {
      const controller = new AbortController();
      const connection = await openExec(server.execEndpoint(), { signal: controller.signal });
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
      controller.abort(reason);
      await connection.write([Buffer.from('on')]);
      connection.close();
    });
  });

  it('rejects if the server does not speak HTTP', async () => {
    const error = await refused((peer) => peer.socket.end('SSH-2.0-OpenSSH_9.0\r\n'));
    expect(error).to.be.instanceOf(ExecHandshakeFailedError);
  });
});
