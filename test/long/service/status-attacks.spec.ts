import { expect } from 'chai';
import sinon from 'sinon';

import { collectGarbage } from '../../support/collect-garbage.ts';
import { patienceMs } from '../../support/patience.ts';
import { RawClient } from '../../support/service/raw-client.ts';
import { type RunningStatusServer, runStatusServer } from '../../support/service/status-server.ts';
import { Tripwire } from '../../support/tripwire.ts';

const chunk = Buffer.alloc(1024 * 1024, 'x');
const floodChunks = 32;
const commands = {
  silent: async (): Promise<never> => await new Promise<never>(() => {}),
  flood: async ({ stdout }: { readonly stdout: (bytes: Uint8Array) => void }): Promise<never> => {
    for (let printed = 0; printed < floodChunks; printed += 1) stdout(chunk);
    return await new Promise<never>(() => {});
  },
};

/** Verifies that a probe is answered. */
async function probe(url: string): Promise<void> {
  const response = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(patienceMs) });
  expect(await response.text()).to.equal('ok');
}

describe('The status server with its own limits, under attack', () => {
  let running: RunningStatusServer;
  let tripwire: Tripwire;

  beforeEach(async () => {
    tripwire = await Tripwire.set();
    running = await runStatusServer({ commands, limits: { stallMs: 3_000 } });
  });

  afterEach(async () => {
    await running[Symbol.asyncDispose]();
    await tripwire.check();
  });

  const openMany = async (count: number): Promise<RawClient[]> =>
    await Promise.all(Array.from({ length: count }, async () => await RawClient.open(running.url)));

  it('closes 200 connections that send one byte of a header each second, and answers probes meanwhile', async () => {
    const clients = await openMany(200);
    for (const client of clients) client.send('GET /livez HTTP/1.1\r\nHost: a\r\nX: ');
    const drip = setInterval(() => {
      for (const client of clients) if (!client.isClosed) client.send('x');
    }, 1_000);
    const closed = Promise.all(clients.map(async (client) => await client.closed()));
    await probe(running.url);
    await closed;
    clearInterval(drip);
    for (const client of clients) {
      expect(client.statuses).to.deep.equal([408]);
      await client[Symbol.asyncDispose]();
    }
  });

  it('answers again after a flood of 1,000 connections that send nothing', async () => {
    const clients = await openMany(1_000);
    await Promise.all(clients.map(async (client) => await client.closed()));
    await probe(running.url);
    for (const client of clients) await client[Symbol.asyncDispose]();
  });

  it('answers all of 5,000 requests that are pipelined over few connections without waiting', async () => {
    const clients = await openMany(10);
    for (const client of clients) for (let index = 0; index < 500; index += 1) client.get('/containers');
    await Promise.all(clients.map(async (client) => await client.until(() => client.statuses.length >= 500)));
    const statuses = new Set(clients.flatMap(({ statuses }) => statuses));
    expect([...statuses].every((status) => status === 200 || status === 503)).to.equal(true);
    await probe(running.url);
    for (const client of clients) await client[Symbol.asyncDispose]();
  });

  it('takes little of the output for 16 followers that do not read, and closes them', async () => {
    const clients = await openMany(16);
    for (const client of clients) {
      client.socket.pause();
      client.get('/api/v1/tasks/c:flood/logs?follow');
    }
    while (running.warnings.length < 16) await new Promise((resolve) => setTimeout(resolve, 100));
    const attached = await Promise.all(running.container.attach.returnValues);
    const taken = attached.map((each) => each.position().stdoutBytes);
    // All others have only asked where the output begins and ends, and passed over all of it.
    expect(taken.filter((bytes) => bytes > 0 && bytes < (floodChunks * chunk.length) / 2)).to.have.length(16);
    for (const client of clients) client.socket.resume();
    await Promise.all(clients.map(async (client) => await client.closed()));
    for (const client of clients) await client[Symbol.asyncDispose]();
  });

  it('serves at most 16 logs at once, and others again when they have left', async () => {
    const clients = await openMany(20);
    for (const client of clients) client.get('/api/v1/tasks/c:silent/logs?follow');
    await Promise.all(clients.map(async (client) => await client.until(() => client.statuses.length === 1)));
    const statuses = clients.map((client) => client.statuses[0]);
    expect(statuses.filter((status) => status === 200)).to.have.length(16);
    expect(statuses.filter((status) => status === 503)).to.have.length(4);
    for (const client of clients) await client[Symbol.asyncDispose]();
    for (;;) {
      await using late = await RawClient.open(running.url);
      await late.get('/api/v1/tasks/c:silent/logs?follow').until(() => late.statuses.length === 1);
      if (late.statuses[0] === 200) break;
    }
  });

  it('keeps a silent follower for longer than a stall, and detaches when its connection is reset', async () => {
    const client = await RawClient.open(running.url);
    await client.get('/api/v1/tasks/c:silent/logs?follow').until(() => client.statuses.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(client.isClosed).to.equal(false);
    const attached = await running.container.attach.lastCall.returnValue;
    client.socket.resetAndDestroy();
    const outcome = await attached
      .wait({ detachSignal: AbortSignal.timeout(patienceMs) })
      .catch((error: unknown) => error);
    expect(outcome).to.include({ code: 'KW_ERR_CLOSED' });
  });

  it('survives random bytes', async () => {
    for (let round = 0; round < 200; round += 1) {
      await using client = await RawClient.open(running.url);
      const bytes = Buffer.from(Array.from({ length: 200 }, (_, index) => (index * 7919 + round * 104_729) % 256));
      client.send(round % 2 === 0 ? bytes.toString('latin1') : `GET /${bytes.toString('latin1')} HTTP/1.1\r\n\r\n`);
      client.socket.end();
      await client.closed();
      expect(client.statuses.every((status) => status >= 400 && status < 500)).to.equal(true);
    }
    await probe(running.url);
  });

  it('answers 10,000 requests, and holds less than 512 bytes of each afterwards', async () => {
    const { default: http } = await import('node:http');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
    const once = async (): Promise<number> =>
      await new Promise((resolve, reject) => {
        http
          .get(`${running.url}/containers`, { agent }, (response) => {
            response.resume().on('end', () => resolve(response.statusCode ?? 0));
          })
          .on('error', reject);
      });
    const answerThousand = async (): Promise<void> => {
      const statuses = await Promise.all(Array.from({ length: 1_000 }, once));
      expect(new Set(statuses)).to.deep.equal(new Set([200]));
    };
    const held = (): number => {
      // The fakes keep every call.
      sinon.resetHistory();
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    await answerThousand();
    const before = held();
    for (let round = 1; round < 10; round += 1) await answerThousand();
    // What suites before have left may be collected meanwhile, so that it may be less.
    expect(held() - before).to.be.below(9_000 * 512);
    agent.destroy();
  });
});
