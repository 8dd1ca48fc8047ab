import { getEventListeners } from 'node:events';

import { expect } from 'chai';
import sinon from 'sinon';

import { holdLease, LeaseLostError } from '../../../src/worker/hold-lease.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('holdLease', () => {
  let clock: VirtualClock;
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

  beforeEach(() => {
    clock = new VirtualClock();
  });

  it('gives what the work gives, and renews no more', async () => {
    const renew = sinon.stub().resolves(true);
    expect(await holdLease({ renew, everyMs: 10, durationMs: 30, clock, signal: undefined }, async () => 'done')).to.equal('done');
    await clock.advance(100);
    sinon.assert.notCalled(renew);
  });

  it('renews while the work goes on, also after a renewal that failed', async () => {
    const renew = sinon.stub().resolves(true);
    renew.onFirstCall().rejects(new Error('database away'));
    const work = Promise.withResolvers<string>();
    const held = holdLease({ renew, everyMs: 10, durationMs: 30, clock, signal: undefined }, () => work.promise);
    await clock.advance(10);
    await clock.advance(10);
    work.resolve('done');
    expect(await held).to.equal('done');
    sinon.assert.calledTwice(renew);
  });

  it('stops the work when the lease has lapsed because no renewal came through', async () => {
    const held = rejection(
      holdLease(
        { renew: async () => await Promise.reject(new Error('database away')), everyMs: 10, durationMs: 30, clock, signal: undefined },
        never,
      ),
    );
    for (const _ of [1, 2, 3]) await clock.advance(10);
    expect(await held).to.be.instanceOf(LeaseLostError);
  });

  it('does not wait for a renewal that hangs when the work is done', async () => {
    const work = Promise.withResolvers<string>();
    const renew = (signal: AbortSignal): Promise<boolean> => never(signal);
    const held = holdLease({ renew, everyMs: 10, durationMs: 30, clock, signal: undefined }, () => work.promise);
    await clock.advance(10);
    work.resolve('done');
    expect(await held).to.equal('done');
  });

  it('stops the work when somebody else has the lease', async () => {
    const held = rejection(holdLease({ renew: async () => false, everyMs: 10, durationMs: 30, clock, signal: undefined }, never));
    await clock.advance(10);
    expect(await held).to.be.instanceOf(LeaseLostError);
  });

  it("stops the work by the caller's signal, with its reason, and leaves no listener", async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const held = rejection(holdLease({ renew: async () => true, everyMs: 10, durationMs: 30, clock, signal: abort.signal }, never));
    abort.abort(reason);
    expect(await held).to.equal(reason);
    expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
  });
});
