import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { ConnectionLimits } from '../../../src/agent-client/session/connection-limits.ts';
import { until } from '../../support/agent/agent-process.ts';
import { fin, reset, stall } from '../../support/rig/exec-plan.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const retryBackoff = { firstMs: 5, longestMs: 50 };

describe('many concurrent transfers', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;
  let archive: Buffer;
  let whole: Buffer;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
    archive = await tarOf({ noise: randomBytes(60_000) });
    await rig.put('down', { noise: randomBytes(60_000) });
    whole = await buffer((await rig.client().send({ volume: 'down' })).readable);
    await rig.quiet();
  });

  afterEach(async () => {
    rig.api.planFor = () => ({});
    await rig.idle();
    await rig.quiet();
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  it('keep to the limit of places over several clients, and survive many cuts', async () => {
    const limits = new ConnectionLimits({ maxTransfers: 6 });
    const clients = [1, 2, 3].map(() => rig.client({ limits, retryBackoff, maxIdle: 0 }));
    const under = { up: 0, down: 0, mostUp: 0, mostDown: 0 };
    let done = 0;
    const transfers = Array.from({ length: 120 }, async (_, index) => {
      const client = clients[index % clients.length]!;
      if (index % 2 === 0) {
        const source = (async function* () {
          under.mostUp = Math.max(under.mostUp, (under.up += 1));
          yield archive.subarray(0, 30_000);
          await sleep(5);
          yield archive.subarray(30_000);
          under.up -= 1;
        })();
        expect((await client.receive({ volume: `many-${index}` }, source)).bytes).to.equal(archive.length);
      } else {
        const { readable } = await client.send({ volume: 'down' });
        under.mostDown = Math.max(under.mostDown, (under.down += 1));
        await sleep(5);
        const bytes = await buffer(readable);
        under.down -= 1;
        expect(bytes.equals(whole)).to.equal(true);
      }
      done += 1;
    });
    const all = Promise.all(transfers);
    for (const [after, by] of [
      [10, reset],
      [40, fin],
      [80, reset],
    ] as const) {
      await Promise.race([all, until(`${after} are done`, () => done >= after)]);
      await rig.api.all(by);
    }
    await all;
    expect(under.mostUp).to.be.within(2, 6);
    expect(under.mostDown).to.be.within(2, 6);
  });

  it('leave places for control operations while they wait', async () => {
    const limits = new ConnectionLimits({ maxTransfers: 2 });
    const client = rig.client({ limits, retryBackoff });
    let release: (() => void) | undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    rig.api.plan(...Array.from({ length: 2 }, () => ({ toPod: { after: [[30_000, stall(released)] as const] } })));
    const transfers = Array.from({ length: 10 }, (_, index) =>
      client.receive({ volume: `blocked-${index}` }, Readable.from([archive])),
    );
    await until('the places are taken', () => rig.api.execs.filter(({ isStalled }) => isStalled).length === 2);
    for (let turn = 0; turn < 5; turn += 1) expect((await client.status()).volumes).to.include('down');
    await client.start({ processId: 'control', args: ['sleep', '100'] });
    expect((await client.stop('control', 100)).signal).to.equal(15);
    const download = await client.send({ volume: 'down' });
    expect((await buffer(download.readable)).equals(whole)).to.equal(true);
    release?.();
    expect(new Set((await Promise.all(transfers)).map(({ bytes }) => bytes))).to.deep.equal(new Set([archive.length]));
  });

  it('reject when they are aborted while they wait for a place', async () => {
    const limits = new ConnectionLimits({ maxTransfers: 1 });
    const client = rig.client({ limits, retryBackoff });
    let release: (() => void) | undefined;
    rig.api.plan({ toPod: { after: [[30_000, stall(new Promise<void>((resolve) => (release = resolve)))]] } });
    const first = client.receive({ volume: 'first' }, Readable.from([archive]));
    await until('the first transfer has the place', () => rig.api.execs[0]?.isStalled === true);
    const stop = new AbortController();
    const waiting = client
      .receive({ volume: 'second' }, Readable.from([archive]), { signal: stop.signal })
      .catch((error: unknown) => error);
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await waiting).to.equal(reason);
    release?.();
    expect((await first).bytes).to.equal(archive.length);
    expect((await client.receive({ volume: 'third' }, Readable.from([archive]))).bytes).to.equal(archive.length);
  });
});
