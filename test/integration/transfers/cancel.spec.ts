import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { ClosedError } from '../../../src/errors/caller.ts';
import { until } from '../../support/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import { cutFromPod, cutToPod, type ExecPlan, stall } from '../../support/rig/exec-plan.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const MiB = 1024 * 1024;
/** Refused, and to be tried again only after a minute. */
const busy: ExecPlan = { refuse: { status: 429, headers: { 'Retry-After': '60' } } };

describe('A transfer that is stopped', function () {
  this.timeout(20_000);
  const reason = new Error('not wanted any more');
  let tripwire: Tripwire;
  let rig: TransferRig;
  let archive: Buffer;
  let stop: AbortController;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
    archive = await tarOf({ kept: 'changed', noise: randomBytes(12 * MiB) });
    await rig.put('down', { noise: randomBytes(12 * MiB) });
  });

  beforeEach(async () => {
    stop = new AbortController();
    await rig.put('up', { kept: 'as it was' });
  });

  /** Nothing is left of it, neither here nor in the pod, and the volume is as it was. */
  afterEach(async () => {
    for (const exec of rig.api.execs) if (exec.isStalled) exec.destroy();
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
    await rig.idle();
    await rig.quiet();
    expect(await rig.contents('up')).to.deep.equal({ kept: 'as it was' });
    expect(rig.api.plansLeft).to.equal(0);
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  /** A source that goes on for ever once its archive has begun, and tells when it was ended. */
  function endless(): { source: AsyncIterable<Uint8Array>; isEnded: () => boolean; givenBytes: () => number } {
    let isEnded = false;
    let given = 0;
    async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) {
          const chunk = archive.subarray(given % archive.length, (given % archive.length) + 65_536);
          given += chunk.length;
          yield chunk;
        }
      } finally {
        isEnded = true;
      }
    }
    return { source: chunks(), isEnded: () => isEnded, givenBytes: () => given };
  }

  context('on its way up', () => {
    it('ends its source, settles with the reason, and leaves the connection to the next', async () => {
      const client = rig.client();
      const { source, isEnded, givenBytes } = endless();
      const upload = rejection(client.receive({ volume: 'up' }, source, { signal: stop.signal }));
      await until('it is under way', () => givenBytes() > 3 * MiB);
      stop.abort(reason);
      stop.abort(new Error('again'));
      expect(await upload).to.equal(reason);
      expect(isEnded()).to.equal(true);
      await client.status();
      expect(rig.api.execs).to.have.length(1);
    });

    it('by its source, the same', async () => {
      const broken = new Error('disk');
      const source = (async function* () {
        yield archive.subarray(0, 3 * MiB);
        throw broken;
      })();
      expect(await rejection(rig.client().receive({ volume: 'up' }, source))).to.equal(broken);
    });

    it('while the server does not read, does not wait for it', async () => {
      rig.api.plan({ toPod: { after: [[MiB, stall()]] } });
      const client = rig.client({ cancelTimeoutMs: 1000 });
      const upload = rejection(client.receive({ volume: 'up' }, Readable.from([archive]), { signal: stop.signal }));
      const exec = await rig.api.exec(0);
      await until('the server has stopped', () => exec.bytesToPod === MiB);
      stop.abort(reason);
      expect(await upload).to.equal(reason);
    });

    it('while it has no connection, tries no more, and tells the agent as soon as it can be reached', async () => {
      rig.api.plan(cutToPod(MiB), busy);
      const source = Readable.from([archive]);
      const upload = rejection(rig.client().receive({ volume: 'up' }, source, { signal: stop.signal }));
      await until('it was refused', () => rig.api.plansLeft === 0);
      await until('it is parked', async () => (await rig.staged()).length === 1);
      stop.abort(reason);
      expect(await upload).to.equal(reason);
      expect(source.destroyed).to.equal(true);
    });

    it('while it has no connection and none can be had, is over all the same; the lease ends what the agent has', async () => {
      rig.api.planFor = () => busy;
      rig.api.plan(cutToPod(MiB));
      const upload = rejection(
        rig.client().receive({ volume: 'up' }, Readable.from([archive]), { signal: stop.signal }),
      );
      await until('it was refused', () => rig.api.tokens.length === 2);
      stop.abort(reason);
      expect(await upload).to.equal(reason);
      rig.api.planFor = () => ({});
      expect(await rig.forgetStaged()).to.equal(1);
    });
  });

  context('on its way down', () => {
    it('destroys the readable with the reason, and leaves the connection to the next', async () => {
      const client = rig.client();
      const { readable, completed } = await client.send({ volume: 'down' }, { signal: stop.signal });
      readable.once('data', () => {
        stop.abort(reason);
        stop.abort(new Error('again'));
      });
      expect(await rejection(buffer(readable))).to.equal(reason);
      expect(await rejection(completed)).to.equal(reason);
      await rig.idle();
      await client.status();
      expect(rig.api.execs).to.have.length(1);
    });

    it('by its reader, who goes away, the same', async () => {
      const { readable } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
      for await (const _ of readable) break;
      expect(readable.destroyed).to.equal(true);
    });

    it('before anybody reads it, the same', async () => {
      const { readable, completed } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
      stop.abort(reason);
      expect(await rejection(completed)).to.equal(reason);
      expect(readable.errored).to.equal(reason);
    });

    it('while it has no connection, tries no more, and tells the agent as soon as it can be reached', async () => {
      rig.api.plan(cutFromPod(MiB), busy);
      const { readable } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
      const bytes = rejection(buffer(readable));
      await until('it was refused', () => rig.api.plansLeft === 0);
      stop.abort(reason);
      expect(await bytes).to.equal(reason);
    });
  });

  it('after its end, is what it was', async () => {
    const { readable, completed } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
    const bytes = await buffer(readable);
    stop.abort(reason);
    expect((await completed).bytes).to.equal(bytes.length);
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
  });

  it('because its client is closed, says so, and its agent needs no lease to end it', async () => {
    const client = rig.client();
    const { source, isEnded, givenBytes } = endless();
    const upload = rejection(client.receive({ volume: 'up' }, source));
    const { readable } = await client.send({ volume: 'down' });
    const bytes = rejection(buffer(readable));
    await until('both are under way', () => givenBytes() > 3 * MiB);
    client.close();
    expect(await upload).to.be.instanceOf(ClosedError);
    expect(await bytes).to.be.instanceOf(ClosedError);
    expect(isEnded()).to.equal(true);
  });

  it('because its client is closed while it has no connection, says so', async () => {
    rig.api.plan(cutFromPod(MiB), busy);
    const client = rig.client();
    const { readable } = await client.send({ volume: 'down' });
    const bytes = rejection(buffer(readable));
    await until('it was refused', () => rig.api.plansLeft === 0);
    client.close();
    expect(await bytes).to.be.instanceOf(ClosedError);
    await rig.agent.killAndRestart();
  });
});
