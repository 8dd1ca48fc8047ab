import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { ClosedError } from '../../../src/errors/caller.ts';
import { until } from '../../support/agent/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import { cutFromPod, cutToPod, type ExecPlan, stall } from '../../support/rig/exec-plan.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const MiB = 1024 * 1024;
/** Refuses an exec, with a retry only after a minute. */
const busy: ExecPlan = { refuse: { status: 429, headers: { 'Retry-After': '60' } } };

describe('a transfer that is aborted', () => {
  const reason = new Error('no longer needed');
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
    await rig.put('up', { kept: 'unchanged' });
  });

  /**
   * Checks that nothing remains in this process and in the pod, and that the volume is unchanged.
   */
  afterEach(async () => {
    for (const exec of rig.api.execs) if (exec.isStalled) exec.destroy();
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
    await rig.idle();
    await rig.quiet();
    expect(await rig.contents('up')).to.deep.equal({ kept: 'unchanged' });
    expect(rig.api.plansLeft).to.equal(0);
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  /** Returns an endless source, whether it was ended, and how many bytes it has yielded. */
  function endless(): { source: AsyncIterable<Uint8Array>; isEnded: () => boolean; yieldedBytes: () => number } {
    let isEnded = false;
    let yielded = 0;
    async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) {
          const chunk = archive.subarray(yielded % archive.length, (yielded % archive.length) + 65_536);
          yielded += chunk.length;
          yield chunk;
        }
      } finally {
        isEnded = true;
      }
    }
    return { source: chunks(), isEnded: () => isEnded, yieldedBytes: () => yielded };
  }

  context('when it is an upload', () => {
    it('ends its source, rejects with the reason, and leaves the connection to the next operation', async () => {
      const client = rig.client();
      const { source, isEnded, yieldedBytes } = endless();
      const upload = rejection(client.receive({ volume: 'up' }, source, { signal: stop.signal }));
      await until('the upload has started', () => yieldedBytes() > 3 * MiB);
      stop.abort(reason);
      stop.abort(new Error('again'));
      expect(await upload).to.equal(reason);
      expect(isEnded()).to.equal(true);
      await client.status();
      expect(rig.api.execs).to.have.length(1);
    });

    it('rejects with the error of its source in the same way', async () => {
      const broken = new Error('disk');
      const source = (async function* () {
        yield archive.subarray(0, 3 * MiB);
        throw broken;
      })();
      expect(await rejection(rig.client().receive({ volume: 'up' }, source))).to.equal(broken);
    });

    it('does not wait for a server that does not read', async () => {
      rig.api.plan({ toPod: { after: [[MiB, stall()]] } });
      const client = rig.client({ cancelTimeoutMs: 1000 });
      const upload = rejection(client.receive({ volume: 'up' }, Readable.from([archive]), { signal: stop.signal }));
      const exec = await rig.api.exec(0);
      await until('the server has stopped', () => exec.bytesToPod === MiB);
      stop.abort(reason);
      expect(await upload).to.equal(reason);
    });

    it('stops reconnecting, and ends in the agent as soon as that can be reached', async () => {
      rig.api.plan(cutToPod(MiB), busy);
      const source = Readable.from([archive]);
      const upload = rejection(rig.client().receive({ volume: 'up' }, source, { signal: stop.signal }));
      await until('the exec was refused', () => rig.api.plansLeft === 0);
      await until('the upload is parked', async () => (await rig.staged()).length === 1);
      stop.abort(reason);
      expect(await upload).to.equal(reason);
      expect(source.destroyed).to.equal(true);
    });

    it('ends without a connection, and leaves its end in the agent to the lease', async () => {
      rig.api.planFor = () => busy;
      rig.api.plan(cutToPod(MiB));
      const upload = rejection(
        rig.client().receive({ volume: 'up' }, Readable.from([archive]), { signal: stop.signal }),
      );
      await until('the exec was refused', () => rig.api.tokens.length === 2);
      stop.abort(reason);
      expect(await upload).to.equal(reason);
      rig.api.planFor = () => ({});
      expect(await rig.forgetStaged()).to.equal(1);
    });
  });

  context('when it is a download', () => {
    it('destroys the readable with the reason, and leaves the connection to the next operation', async () => {
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

    it('ends in the same way when its reader stops', async () => {
      const { readable } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
      for await (const _ of readable) break;
      expect(readable.destroyed).to.equal(true);
    });

    it('ends in the same way before the first read', async () => {
      const { readable, completed } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
      stop.abort(reason);
      expect(await rejection(completed)).to.equal(reason);
      expect(readable.errored).to.equal(reason);
    });

    it('stops reconnecting, and ends in the agent as soon as that can be reached', async () => {
      rig.api.plan(cutFromPod(MiB), busy);
      const { readable } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
      const bytes = rejection(buffer(readable));
      await until('the exec was refused', () => rig.api.plansLeft === 0);
      stop.abort(reason);
      expect(await bytes).to.equal(reason);
    });
  });

  it('keeps its result when it is aborted after its end', async () => {
    const { readable, completed } = await rig.client().send({ volume: 'down' }, { signal: stop.signal });
    const bytes = await buffer(readable);
    stop.abort(reason);
    expect((await completed).bytes).to.equal(bytes.length);
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
  });

  it('rejects with ClosedError when its client is closed, and ends in the agent without the lease', async () => {
    const client = rig.client();
    const { source, isEnded, yieldedBytes } = endless();
    const upload = rejection(client.receive({ volume: 'up' }, source));
    const { readable } = await client.send({ volume: 'down' });
    const bytes = rejection(buffer(readable));
    await until('both transfers have started', () => yieldedBytes() > 3 * MiB);
    client.close();
    expect(await upload).to.be.instanceOf(ClosedError);
    expect(await bytes).to.be.instanceOf(ClosedError);
    expect(isEnded()).to.equal(true);
  });

  it('rejects with ClosedError when its client is closed while it has no connection', async () => {
    rig.api.plan(cutFromPod(MiB), busy);
    const client = rig.client();
    const { readable } = await client.send({ volume: 'down' });
    const bytes = rejection(buffer(readable));
    await until('the exec was refused', () => rig.api.plansLeft === 0);
    client.close();
    expect(await bytes).to.be.instanceOf(ClosedError);
    await rig.agent.killAndRestart();
  });
});
