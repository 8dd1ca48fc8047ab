import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { until } from '../../support/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import { type Happening, kill, stall } from '../../support/rig/exec-plan.ts';
import { blackHole, TcpProxy } from '../../support/rig/tcp-proxy.ts';
import { type RigClientOptions, TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const MiB = 1024 * 1024;

/** The server, the agent and the bytes are real, the time is the test's. */
describe('A transfer that is slow or silent', function () {
  this.timeout(30_000);
  let tripwire: Tripwire;
  let rig: TransferRig;
  let proxy: TcpProxy;
  let clock: VirtualClock;
  let archive: Buffer;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
    proxy = await TcpProxy.start(rig.api.port);
    archive = await tarOf({ noise: randomBytes(16 * MiB) });
    await rig.put('down', { noise: randomBytes(10 * MiB) });
  });

  beforeEach(() => {
    clock = new VirtualClock();
  });

  afterEach(async () => {
    // A server whose read loop is blocked does not notice that its client has gone.
    for (const exec of rig.api.execs) if (exec.isStalled) exec.destroy();
    proxy.resetStalled();
    await rig.quiet();
    expect(clock.sleeping).to.equal(0);
  });

  after(async () => {
    await proxy.close();
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  function client(options: RigClientOptions = {}): AgentClient {
    return rig.client({ clock, ...options, exec: { clock, ...options.exec } });
  }

  /** Lets seconds pass in which whatever can answer a ping has the time to. */
  async function pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 10) {
      await clock.advance(Math.min(left, 10) * 1000);
      await sleep(10);
    }
  }

  /** Lets time pass, a fifth of a second each, until it has settled. */
  async function settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const watched = promise.finally(() => (isSettled = true));
    watched.catch(() => undefined);
    while (!isSettled) {
      await clock.advance(200);
      await sleep(10);
    }
    return await watched;
  }

  /** An archive that can be read once, and how much of it was taken. */
  function once(): { source: AsyncIterable<Uint8Array>; givenBytes: () => number } {
    let given = 0;
    async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
      for (; given < archive.length; given += 65_536) yield archive.subarray(given, given + 65_536);
    }
    return { source: chunks(), givenBytes: () => given };
  }

  context('when its reader stops for minutes', () => {
    it('holds no more than its window, and goes on over the same connection', async () => {
      const { readable, completed } = await client({ downloadWindowBytes: 4 * MiB }).send({ volume: 'down' });
      const reader = readable.iterator();
      const chunks = [(await reader.next()).value as Buffer];
      const exec = await rig.api.exec(0);
      await until('the window is used', () => exec.bytesFromPod >= 4 * MiB);
      await pass(150);
      expect(exec.pings).to.be.at.least(10);
      expect(exec.bytesFromPod).to.be.below(4.2 * MiB);
      for await (const chunk of reader) chunks.push(chunk as Buffer);
      expect((await completed).bytes).to.equal(Buffer.concat(chunks).length);
      expect(rig.api.execs).to.have.length(1);
    });
  });

  context('when the server stops reading', () => {
    it('for less than a minute, takes no more from its source than a window, and goes on over the same connection', async () => {
      let release: (() => void) | undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      rig.api.plan({ toPod: { after: [[3 * MiB, stall(released)]] } });
      const { source, givenBytes } = once();
      const upload = client().receive({ volume: 'paused' }, source);
      await until('the server has stopped', async () => (await rig.api.exec(0)).bytesToPod === 3 * MiB);
      await pass(50);
      expect(givenBytes()).to.be.within(3 * MiB, 3 * MiB + 8 * MiB + 4 * MiB);
      expect((await rig.api.exec(0)).pings).to.equal(0);
      release?.();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(1);
    });

    it('for longer, takes the connection for dead and goes on over another, though the agent still has the first', async () => {
      rig.api.plan({ toPod: { after: [[3 * MiB, stall()]] } });
      const upload = client().receive({ volume: 'dead' }, once().source);
      await until('the server has stopped', async () => (await rig.api.exec(0)).bytesToPod === 3 * MiB);
      await pass(40);
      expect(rig.api.execs).to.have.length(1);
      await pass(40);
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(2);
    });

    it('for ever, on each connection, is lost when its budget is spent and not before, and every socket is gone', async () => {
      rig.api.plan({ toPod: { after: [[MiB, stall()]] } });
      rig.api.planFor = () => ({ toPod: { after: [[0, stall()]] } });
      const start = clock.now();
      const { source } = once();
      const upload = rejection(client({ retryBudgetMs: 200_000 }).receive({ volume: 'never' }, source));
      let error: Error | undefined;
      void upload.then((reason) => (error = reason));
      await until('the server has stopped', async () => (await rig.api.exec(0)).bytesToPod === MiB);
      while (error === undefined) await pass(10);
      rig.api.planFor = () => ({});
      expect(error).to.include({
        code: 'KW_ERR_OPERATION_LOST',
        handle: 'never',
        podName: 'pod',
        direction: 'in',
        retryable: true,
      });
      expect(clock.now() - start).to.be.within(200_000, 600_000);
      expect(await source[Symbol.asyncIterator]().next()).to.deep.equal({ done: true, value: undefined });
      expect(await rig.contents('never')).to.deep.equal({});
      // Nobody could tell the agent: its lease would end it.
      expect(await rig.forgetStaged()).to.equal(1);
    });
  });

  context('when no pong comes', () => {
    it('lives as long as the agent acknowledges what it is sent', async () => {
      const slowly: Happening = async () => {
        await clock.advance(10_000);
        await sleep(10);
      };
      rig.api.plan({
        ignoresPings: true,
        toPod: { after: Array.from({ length: 15 }, (_, index) => [(index + 1) * MiB, slowly] as const) },
      });
      expect(await client().receive({ volume: 'slow' }, once().source)).to.include({ bytes: archive.length });
      expect((await rig.api.exec(0)).pings).to.be.at.least(10);
      expect(rig.api.execs).to.have.length(1);
    });
  });

  context('when its source gives nothing', () => {
    /** Gives a part, then nothing until it is told to. */
    async function* pausing(until: Promise<void>): AsyncGenerator<Uint8Array, void, undefined> {
      yield archive.subarray(0, MiB);
      await until;
      yield archive.subarray(MiB);
    }

    it('waits for it as long as the connection lives, and ends by its signal', async () => {
      const go = Promise.withResolvers<void>();
      const upload = client().receive({ volume: 'quiet' }, pausing(go.promise));
      await until('a part is there', async () => (await rig.api.exec(0)).bytesToPod > MiB);
      await pass(600);
      go.resolve();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      const stop = new AbortController();
      const stopped = rejection(
        client().receive({ volume: 'stopped' }, pausing(new Promise(() => undefined)), { signal: stop.signal }),
      );
      await until('a part is there', async () => (await rig.api.exec(1)).bytesToPod > MiB);
      await pass(200);
      const reason = new Error('the caller waits no longer');
      stop.abort(reason);
      expect(await settled(stopped)).to.equal(reason);
      expect(await rig.contents('stopped')).to.deep.equal({});
    });

    it('is kept by its pings from being cut by a load balancer', async () => {
      const go = Promise.withResolvers<void>();
      const upload = client({ port: proxy.port }).receive({ volume: 'pinged' }, pausing(go.promise));
      await until('a part is there', async () => (await rig.api.exec(0)).bytesToPod > MiB);
      proxy.cutIdle();
      for (let turn = 0; turn < 10; turn += 1) {
        await pass(10);
        expect(proxy.cutIdle()).to.equal(0);
      }
      go.resolve();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(1);
    });

    it('goes on over another connection where a load balancer did cut it', async () => {
      const go = Promise.withResolvers<void>();
      const upload = client({ port: proxy.port }).receive({ volume: 'cut' }, pausing(go.promise));
      await until('a part is there', async () => (await rig.api.exec(0)).bytesToPod > MiB);
      proxy.cutIdle();
      expect(proxy.cutIdle()).to.equal(1);
      go.resolve();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(2);
    });
  });

  context('when the connection only seems to live', () => {
    it('because the command is gone and nobody says so, goes on over another, although pings are answered', async () => {
      rig.api.plan({ fromPod: { after: [[5 * MiB, kill]] }, status: [], ending: 'open' });
      const { readable } = await client().send({ volume: 'down' });
      const bytes = buffer(readable);
      const exec = await rig.api.exec(0);
      await until('the command is gone', () => exec.bytesFromPod >= 5 * MiB);
      await pass(50);
      expect(exec.pings).to.be.at.least(4);
      expect(rig.api.execs).to.have.length(1);
      await pass(30);
      expect((await settled(bytes)).includes(await rig.bytes('down', 'noise'))).to.equal(true);
      expect(rig.api.execs).to.have.length(2);
    });

    for (const direction of ['up', 'down'] as const) {
      it(`because all that goes ${direction} vanishes, goes on over another`, async () => {
        proxy.plan({ [direction]: { after: [[5 * MiB, blackHole]] } });
        const transfer =
          direction === 'up'
            ? client({ port: proxy.port }).receive({ volume: 'vanished' }, once().source)
            : client({ port: proxy.port })
                .send({ volume: 'down' })
                .then(({ readable }) => buffer(readable));
        const wire = await until('it has begun', () => proxy.wires.at(-1)?.isOpen === true && proxy.wires.at(-1));
        await until('it vanishes', () => (wire.passedBytes[direction === 'up' ? 0 : 1] ?? 0) >= 5 * MiB);
        await pass(80);
        const result = await settled<unknown>(transfer);
        if (Buffer.isBuffer(result)) expect(result.includes(await rig.bytes('down', 'noise'))).to.equal(true);
        else expect(result).to.include({ bytes: archive.length });
        expect(rig.api.execs).to.have.length(2);
      });
    }
  });
});
