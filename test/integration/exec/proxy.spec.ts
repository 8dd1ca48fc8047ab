import { expect } from 'chai';

import { ExecHandshakeFailedError } from '../../../src/errors/connection.ts';
import type { ExecEndpoint } from '../../../src/exec/exec-endpoint.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { ProtocolOrder } from '../../../src/exec/protocol-order.ts';
import { until } from '../../support/agent/agent-process.ts';
import { ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { TestProxy } from '../../support/test-proxy.ts';
import { Tripwire } from '../../support/tripwire.ts';

const oneProtocol = (): ProtocolOrder => new ProtocolOrder(['v4.channel.k8s.io']);

describe('An exec through a proxy', () => {
  let server: ScriptedApiServer;
  let proxy: TestProxy;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    proxy = await TestProxy.start(Number(new URL(server.url).port));
  });

  afterEach(async () => {
    await proxy.close();
    await server.close();
  });

  const endpoint = (scheme: string, login = '', secure = false): ExecEndpoint => ({
    url: `${secure ? 'wss' : 'ws'}://api.example:6443/api/v1/namespaces/ci/pods/p/exec?command=cat`,
    headers: {},
    tls: {},
    proxy: `${scheme}://${login}${proxy.authority}`,
  });

  async function nothingIsLeft(): Promise<void> {
    await until('the proxy has no connection', () => proxy.connections === 0);
  }

  for (const scheme of ['http', 'socks5', 'socks5h']) {
    context(`with ${scheme}`, () => {
      it('connects by the name of the server, and carries bytes', async () => {
        let came = '';
        server.exec = (peer) => {
          peer.accept().send(1, 'out');
          void peer.until(() => peer.stdin.length > 0).then(() => (came = peer.stdin.toString()));
        };
        const connection = await openExec(endpoint(scheme), { protocols: oneProtocol() });
        await connection.write([Buffer.from('in')]);
        await until('the bytes have arrived', () => came !== '');
        expect(came).to.equal('in');
        expect(proxy.targets).to.deep.equal(['api.example:6443']);
        connection.close();
        await nothingIsLeft();
      });

      it('sends the name and the password of the URL', async () => {
        (await openExec(endpoint(scheme, 'me:p%40ss@'), { protocols: oneProtocol() })).close();
        const basic = Buffer.from('me:p@ss').toString('base64');
        expect(proxy.heads.join('\n')).to.contain(
          scheme === 'http' ? `Proxy-Authorization: Basic ${basic}` : 'me:p@ss',
        );
        await nothingIsLeft();
      });

      it('rejects with a failed handshake, without the password, if the proxy refuses', async () => {
        proxy.manner = 'refuse';
        const error = await rejection(openExec(endpoint(scheme, 'me:secret@'), { protocols: oneProtocol() }));
        expect(error).to.be.instanceOf(ExecHandshakeFailedError);
        expect(error.message)
          .to.match(/407|not allowed by its rules/)
          .and.to.not.contain('secret');
        await nothingIsLeft();
      });

      for (const manner of ['silent', 'silent-tunnel'] as const) {
        for (const secure of [false, true]) {
          const what = `if the ${manner === 'silent' ? 'proxy' : 'tunnel'} does not answer, ${secure ? 'with' : 'without'} TLS`;

          it(`leaves no socket after the time-out of the handshake ${what}`, async () => {
            proxy.manner = manner;
            const tripwire = await Tripwire.set();
            const tries = Array.from({ length: 5 }, () =>
              rejection(openExec(endpoint(scheme, '', secure), { protocols: oneProtocol(), handshakeTimeoutMs: 150 })),
            );
            for (const error of await Promise.all(tries)) expect(error.message).to.contain('no answer within 150 ms');
            await nothingIsLeft();
            await tripwire.check();
          });

          it(`leaves no socket after the signal ${what}`, async () => {
            proxy.manner = manner;
            const tripwire = await Tripwire.set();
            const controller = new AbortController();
            const reason = new Error('enough');
            const tries = Array.from({ length: 5 }, () =>
              rejection(
                openExec(endpoint(scheme, '', secure), { protocols: oneProtocol(), signal: controller.signal }),
              ),
            );
            await until('all have reached the proxy', () => proxy.connections === 5);
            controller.abort(reason);
            for (const error of await Promise.all(tries)) expect(error).to.equal(reason);
            await nothingIsLeft();
            await tripwire.check();
          });
        }
      }
    });
  }

  it('rejects with a retryable failed handshake if there is no proxy', async () => {
    const gone = endpoint('http');
    await proxy.close();
    const error = await rejection(openExec(gone, { protocols: oneProtocol() }));
    expect(error).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', retryable: true });
    proxy = await TestProxy.start(1);
  });
});
