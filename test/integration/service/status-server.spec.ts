import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { prints } from '../../../fakes/index.ts';
import { startMetricsServer } from '../../../src/service/status/status-server.ts';
import { patienceMs } from '../../support/patience.ts';
import { OpenApi } from '../../support/service/openapi.ts';
import { RawClient } from '../../support/service/raw-client.ts';
import { type RunningStatusServer, runStatusServer } from '../../support/service/status-server.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/** A command that does not end. */
const hanging = { slow: async (): Promise<never> => await new Promise<never>(() => {}) };

describe('The status server on a socket', () => {
  let running: RunningStatusServer;
  before(async () => {
    running = await runStatusServer({ commands: { task: prints({ stdout: 'hello\n' }), ...hanging } });
  });
  after(async () => {
    await running[Symbol.asyncDispose]();
  });

  const open = async (): Promise<RawClient> => await RawClient.open(running.url);

  it('answers every operation as the description says', async () => {
    const openApi = await OpenApi.load();
    running.worker.explainImage.resolves({ image: 'i', refusal: undefined, rule: undefined, chain: [], warnings: [] });
    for (const path of openApi.paths) {
      const url = path.replace('{handle}', 'c').replace('{id}', 'c:task');
      const response = await fetch(`${running.url}${url}`);
      const type = response.headers.get('content-type') ?? '';
      const text = await response.text();
      const body: unknown = type === 'application/json' ? JSON.parse(text) : text;
      expect(openApi.problems(path, { status: response.status, type, body }), path).to.deep.equal([]);
      expect(response.status, path).to.equal(200);
    }
  });

  it('sends headers that keep browsers and caches away', async () => {
    for (const path of ['/healthz', '/status', '/none', '/api/v1/tasks/c:task/logs']) {
      const { headers } = await fetch(`${running.url}${path}`, { headers: { origin: 'https://evil.example' } });
      expect(headers.get('cache-control')).to.equal('no-store');
      expect(headers.get('x-content-type-options')).to.equal('nosniff');
      expect(headers.get('content-security-policy')).to.contain("default-src 'none'");
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).to.deep.equal([]);
    }
  });

  it('answers with 304 and without a body if the client has the body', async () => {
    const url = `${running.url}/containers`;
    const etag = (await fetch(url)).headers.get('etag') ?? '';
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await fetch(url, { headers: { 'if-none-match': tag } });
      expect([response.status, await response.text()], tag).to.deep.equal([304, '']);
    }
    expect((await fetch(url, { headers: { 'if-none-match': '"other"' } })).status).to.equal(200);
  });

  it('answers HEAD like GET, without a body, and begins no stream', async () => {
    for (const path of ['/containers', '/readyz', '/none', '/api/v1/tasks/c:slow/logs?follow']) {
      const client = await open();
      client.send(`HEAD ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      await client.closed();
      expect(client.received, path).to.match(/\r\n\r\n$/);
      expect(client.received.split('\r\n\r\n').length, path).to.equal(2);
    }
  });

  it('answers pipelined requests in their order', async () => {
    await using client = await open();
    for (let index = 0; index < 20; index += 1) client.get(index % 2 === 0 ? '/livez' : '/none');
    await client.until(() => client.statuses.length === 20);
    expect(client.statuses).to.deep.equal(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 200 : 404)));
  });

  it('answers a client that has closed its side', async () => {
    await using client = await open();
    client.get('/status').socket.end();
    await client.closed();
    expect(client.statuses).to.deep.equal([200]);
  });

  for (const [what, text, status] of [
    ['headers above 8 KiB', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`, 431],
    ['many headers', `GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(3_000)}\r\n`, 431],
    ['a URL above 2,048 characters', `GET /${'a'.repeat(3_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ['a URL above 8 KiB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
    ['what is not HTTP', '\x16\x03\x01\x02\x00\x01\x00', 400],
    ['a request without a host', 'GET /status HTTP/1.1\r\n\r\n', 400],
    ['two lengths', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    ['a body', 'GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello', 400],
    ['a chunked body', 'GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    [
      'a body and its length',
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'a proxied target',
      'GET http://evil.example/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['a name of another host', 'GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 421],
    [
      'a method with a body',
      `POST /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
      405,
    ],
    ['an upgrade', 'GET /none HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n', 404],
  ] as const)
    it(`refuses ${what} with ${status}, and closes the connection`, async () => {
      await using client = await open();
      client.send(text);
      await client.closed();
      expect(client.statuses).to.deep.equal([status]);
      const [head = '', body = ''] = client.received.split('\r\n\r\n');
      if (head.includes('application/json')) expect(JSON.parse(body)).to.have.keys('error', 'code', 'message', 'hint');
      expect((await fetch(`${running.url}/livez`)).status).to.equal(200);
    });

  it('closes a connection on which garbage follows the request for a log, and answers nothing amid the log', async () => {
    await using client = await open();
    await client.get('/api/v1/tasks/c:slow/logs?follow').until(() => client.statuses.length === 1);
    client.send('\x00\x01garbage\r\n\r\n');
    await client.closed();
    expect(client.statuses).to.deep.equal([200]);
  });

  it('ends the observation of a log when its client disconnects', async () => {
    const client = await open();
    client.get('/api/v1/tasks/c:slow/logs?follow');
    await client.until(() => client.statuses.length === 1);
    const attached = await running.container.attach.lastCall.returnValue;
    client.socket.destroy();
    const outcome = await attached
      .wait({ detachSignal: AbortSignal.timeout(patienceMs) })
      .catch((error: unknown) => error);
    expect(outcome).to.include({ code: 'KW_ERR_CLOSED' });
  });

  it('closes the connection of a client that does not read, and stops reading the log meanwhile', async () => {
    let printed = 0;
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const flood = {
      flood: async ({ stdout }: { stdout: (bytes: Uint8Array) => void }): Promise<never> => {
        for (; printed < 24; printed += 1) stdout(chunk);
        return await new Promise<never>(() => {});
      },
    };
    await using server = await runStatusServer({ commands: flood, limits: { stallMs: 100 } });
    await using client = await RawClient.open(server.url);
    client.socket.pause();
    client.get('/api/v1/tasks/c:flood/logs?follow');
    while (server.warnings.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const attached = await server.container.attach.lastCall.returnValue;
    expect(attached.position().stdoutBytes).to.be.below(printed * chunk.byteLength);
    client.socket.resume();
    await client.closed();
    expect(client.received).to.not.match(/0\r\n\r\n$/);
  });

  it('accepts a limited number of connections', async () => {
    await using server = await runStatusServer({ limits: { maxConnections: 2 } });
    await using first = await RawClient.open(server.url);
    await using second = await RawClient.open(server.url);
    await using third = await RawClient.open(server.url);
    third.get('/livez');
    await third.closed();
    expect(third.statuses).to.deep.equal([]);
    for (const client of [first, second]) await client.get('/livez').until(() => client.statuses.length === 1);
  });

  it('closes connections that send no request, or a slow one, in time', async () => {
    await using server = await runStatusServer({ limits: { headersTimeoutMs: 100, requestTimeoutMs: 150 } });
    await using silent = await RawClient.open(server.url);
    await using slow = await RawClient.open(server.url);
    slow.send('GET /livez HTTP/1.1\r\nHost: a\r\n');
    await Promise.all([silent.closed(), slow.closed()]);
    expect([silent.statuses, slow.statuses]).to.deep.equal([[408], [408]]);
  });

  it('needs a token of the file as it is now, except for probes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kw-status-'));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'the-first-token-of-this-test');
    await using server = await runStatusServer({ config: { auth: 'token', tokenFile } });
    const status = async (path: string, token?: string): Promise<number> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await fetch(`${server.url}${path}`, { headers })).status;
    };
    expect(await status('/readyz')).to.equal(200);
    for (const path of ['/status', '/api/v1/tasks/c:x/logs', '/api/v1/containers/c'])
      expect(await status(path), path).to.equal(401);
    expect(await status('/status', 'the-first-token-of-this-test')).to.equal(200);
    await writeFile(tokenFile, 'the-second-token-of-this-test');
    expect(await status('/status', 'the-first-token-of-this-test')).to.equal(401);
    expect(await status('/status', 'the-second-token-of-this-test')).to.equal(200);
    const challenge = (await fetch(`${server.url}/status`)).headers.get('www-authenticate');
    expect(challenge).to.match(/^Bearer /);
    await rm(folder, { recursive: true });
  });

  it('serves metrics by a server of their own', async () => {
    const metricsText = async (): Promise<string> => 'up 1\n';
    const config = { host: '127.0.0.1', port: 0 };
    await using metrics = await startMetricsServer({ config, metricsText, logger: silentLogger });
    const response = await fetch(`${metrics.url}/metrics`);
    expect(response.headers.get('content-type')).to.equal('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).to.equal('up 1\n');
    expect((await fetch(`${metrics.url}/status`)).status).to.equal(404);
  });

  describe('that closes', () => {
    it('completes responses, ends streams and idle connections, and accepts no connection', async () => {
      const server = await runStatusServer({ commands: hanging });
      const { promise, resolve } = Promise.withResolvers<{ containers: [] }>();
      server.worker.listContainers.onSecondCall().returns(promise);
      const [idle, follower] = [await RawClient.open(server.url), await RawClient.open(server.url)];
      follower.get('/api/v1/tasks/c:slow/logs?follow');
      await idle.get('/livez').until(() => idle.statuses.length === 1);
      await follower.until(() => follower.statuses.length === 1);
      const answer = new Promise<string>((received, failed) => {
        const sent = request(`${server.url}/containers`, (response) => received(String(response.statusCode)));
        sent.on('error', failed).end();
      });
      while (server.worker.listContainers.callCount < 2) await new Promise(setImmediate);
      const closing = server.server.close({ graceMs: 60_000 });
      await Promise.all([idle.closed(), follower.closed()]);
      expect(follower.received).to.not.match(/0\r\n\r\n$/);
      expect(await fetch(`${server.url}/livez`).catch(() => 'refused')).to.equal('refused');
      resolve({ containers: [] });
      expect(await answer).to.equal('200');
      await closing;
    });

    it('closes all connections after the time of grace', async () => {
      const server = await runStatusServer();
      server.worker.listContainers.returns(new Promise(() => {}));
      await using client = await RawClient.open(server.url);
      client.get('/containers');
      while (server.worker.listContainers.callCount === 0) await new Promise(setImmediate);
      await server.server.close({ graceMs: 20 });
      await client.closed();
      expect(client.statuses).to.deep.equal([]);
      await server.server.close();
    });
  });
});
