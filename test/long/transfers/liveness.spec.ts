import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { until } from '../../support/agent/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import { type Happening, kill, stall } from '../../support/rig/exec-plan.ts';
import { blackHole, TcpProxy } from '../../support/rig/tcp-proxy.ts';
import { type RigClientOptions, TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const MiB = 1024 * 1024;

/** With a real server and agent, real bytes, and virtual time. */
describe('a slow or silent transfer', () => {
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
    // A server with a blocked read loop does not notice the loss of its client.
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

  /** Advances the time by seconds, with real time for pings to be answered. */
  async function pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 10) {
      await clock.advance(Math.min(left, 10) * 1000);
      await sleep(10);
    }
  }

  /** Advances the time in steps of a fifth of a second until the promise has settled. */
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

  /** Returns a read-once archive, and how many bytes it has yielded. */
  function once(): { source: AsyncIterable<Uint8Array>; yieldedBytes: () => number } {
    let yielded = 0;
    async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
      for (; yielded < archive.length; yielded += 65_536) yield archive.subarray(yielded, yielded + 65_536);
    }
    return { source: chunks(), yieldedBytes: () => yielded };
  }

  context('when its reader stops for minutes', () => {
    it('holds no more than its window, and continues over the same connection', async () => {
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
    it('for less than a minute, reads no more than a window of its source, and continues over the same connection', async () => {
      let release: (() => void) | undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      rig.api.plan({ toPod: { after: [[3 * MiB, stall(released)]] } });
      const { source, yieldedBytes } = once();
      const upload = client().receive({ volume: 'paused' }, source);
      await until('the server has stopped', async () => (await rig.api.exec(0)).bytesToPod === 3 * MiB);
      await pass(50);
      expect(yieldedBytes()).to.be.within(3 * MiB, 3 * MiB + 8 * MiB + 4 * MiB);
      expect((await rig.api.exec(0)).pings).to.equal(0);
      release?.();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(1);
    });

    it('for longer, resumes over another connection while the agent still has the first', async () => {
      rig.api.plan({ toPod: { after: [[3 * MiB, stall()]] } });
      const upload = client().receive({ volume: 'dead' }, once().source);
      await until('the server has stopped', async () => (await rig.api.exec(0)).bytesToPod === 3 * MiB);
      await pass(40);
      expect(rig.api.execs).to.have.length(1);
      await pass(40);
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(2);
    });

    it('forever on each connection, rejects when the retry budget is spent, and closes every socket', async () => {
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
      // The agent cannot be reached: only its lease would end the operation.
      expect(await rig.forgetStaged()).to.equal(1);
    });
  });

  context('when no PONG arrives', () => {
    it('continues while the agent acknowledges bytes', async () => {
      let acknowledged = 0;
      const slowly: Happening = async () => {
        const exec = await rig.api.exec(0);
        await until('the agent has acknowledged bytes', () => exec.bytesFromPod > acknowledged);
        acknowledged = exec.bytesFromPod;
        await clock.advance(10_000);
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

  context('when its source pauses', () => {
    /** Returns a source that yields a part, and the rest on request. */
    async function* pausing(until: Promise<void>): AsyncGenerator<Uint8Array, void, undefined> {
      yield archive.subarray(0, MiB);
      await until;
      yield archive.subarray(MiB);
    }

    it('waits for the source while the connection is open, and ends by its signal', async () => {
      const go = Promise.withResolvers<void>();
      const upload = client().receive({ volume: 'quiet' }, pausing(go.promise));
      await until('a part was sent', async () => (await rig.api.exec(0)).bytesToPod > MiB);
      await pass(600);
      go.resolve();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      const stop = new AbortController();
      const stopped = rejection(
        client().receive({ volume: 'stopped' }, pausing(new Promise(() => undefined)), { signal: stop.signal }),
      );
      await until('a part was sent', async () => (await rig.api.exec(1)).bytesToPod > MiB);
      await pass(200);
      const reason = new Error('the caller stopped waiting');
      stop.abort(reason);
      expect(await settled(stopped)).to.equal(reason);
      expect(await rig.contents('stopped')).to.deep.equal({});
    });

    it('is not cut by a load balancer, because of its pings', async () => {
      const go = Promise.withResolvers<void>();
      const upload = client({ port: proxy.port }).receive({ volume: 'pinged' }, pausing(go.promise));
      await until('a part was sent', async () => (await rig.api.exec(0)).bytesToPod > MiB);
      proxy.cutIdle();
      for (let turn = 0; turn < 10; turn += 1) {
        await pass(10);
        expect(proxy.cutIdle()).to.equal(0);
      }
      go.resolve();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(1);
    });

    it('resumes over another connection after a load balancer has cut it', async () => {
      const go = Promise.withResolvers<void>();
      const upload = client({ port: proxy.port }).receive({ volume: 'cut' }, pausing(go.promise));
      await until('a part was sent', async () => (await rig.api.exec(0)).bytesToPod > MiB);
      proxy.cutIdle();
      expect(proxy.cutIdle()).to.equal(1);
      go.resolve();
      expect(await settled(upload)).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(2);
    });
  });

  context('when the connection is dead without an error', () => {
    it('resumes over another connection if the command has exited unnoticed, although pings are answered', async () => {
      rig.api.plan({ fromPod: { after: [[5 * MiB, kill]] }, status: [], ending: 'open' });
      const { readable } = await client().send({ volume: 'down' });
      const bytes = buffer(readable);
      const exec = await rig.api.exec(0);
      await until('the command has exited', () => exec.bytesFromPod >= 5 * MiB);
      await pass(50);
      expect(exec.pings).to.be.at.least(4);
      expect(rig.api.execs).to.have.length(1);
      await pass(30);
      expect((await settled(bytes)).includes(await rig.bytes('down', 'noise'))).to.equal(true);
      expect(rig.api.execs).to.have.length(2);
    });

    for (const direction of ['up', 'down'] as const) {
      it(`resumes over another connection if all bytes ${direction} are lost`, async () => {
        proxy.plan({ [direction]: { after: [[5 * MiB, blackHole]] } });
        const transfer =
          direction === 'up'
            ? client({ port: proxy.port }).receive({ volume: 'vanished' }, once().source)
            : client({ port: proxy.port })
                .send({ volume: 'down' })
                .then(({ readable }) => buffer(readable));
        const wire = await until(
          'the transfer has started',
          () => proxy.wires.at(-1)?.isOpen === true && proxy.wires.at(-1),
        );
        await until('bytes are lost', () => (wire.passedBytes[direction === 'up' ? 0 : 1] ?? 0) >= 5 * MiB);
        await pass(80);
        const result = await settled<unknown>(transfer);
        if (Buffer.isBuffer(result)) expect(result.includes(await rig.bytes('down', 'noise'))).to.equal(true);
        else expect(result).to.include({ bytes: archive.length });
        expect(rig.api.execs).to.have.length(2);
      });
    }
  });
});
