import { getEventListeners } from 'node:events';

import { expect } from 'chai';
import sinon from 'sinon';

import { LeaseLostError } from '../../../src/errors/repository.ts';
import { keepLease, type LeaseTerms } from '../../../src/internal/lease-keeper.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('keepLease', () => {
  let clock: VirtualClock;
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const hang = (): Promise<never> => new Promise(() => {});
  const hold = <T>(
    renew: LeaseTerms['renew'],
    work: (signal: AbortSignal) => Promise<T>,
    more: Partial<LeaseTerms> = {},
  ): Promise<T> =>
    keepLease(
      {
        lost: () => new LeaseLostError('c-1'),
        renew,
        everyMs: 10,
        durationMs: 30,
        requestedAt: clock.now(),
        clock,
        signal: undefined,
        ...more,
      },
      work,
    );

  beforeEach(() => {
    clock = new VirtualClock();
  });

  it('resolves with the result of the work, and stops renewing', async () => {
    const renew = sinon.stub().resolves(true);
    expect(await hold(renew, async () => 'done')).to.equal('done');
    expect(clock.sleeping).to.equal(0);
    await clock.advance(100);
    sinon.assert.notCalled(renew);
  });

  it('renews during the work, even after a failed renewal', async () => {
    const renew = sinon.stub().resolves(true);
    renew.onFirstCall().rejects(new Error('database away'));
    const work = Promise.withResolvers<string>();
    const held = hold(renew, () => work.promise);
    for (const _ of Array.from({ length: 10 })) await clock.advance(10);
    work.resolve('done');
    expect(await held).to.equal('done');
    sinon.assert.callCount(renew, 10);
  });

  it('aborts the work when the lease has expired because all renewals failed', async () => {
    const held = rejection(hold(async () => await Promise.reject(new Error('database away')), never));
    for (const _ of [1, 2, 3]) await clock.advance(10);
    expect(await held).to.be.instanceOf(LeaseLostError);
  });

  it('aborts the work when the lease expires while a renewal hangs, and not before', async () => {
    const stopped = sinon.spy();
    const held = rejection(hold(hang, never)).then((error) => {
      stopped();
      return error;
    });
    await clock.advance(29);
    sinon.assert.notCalled(stopped);
    await clock.advance(1);
    expect(await held).to.be.instanceOf(LeaseLostError);
  });

  it('aborts a renewal that hangs, and renews again at the next interval', async () => {
    const signals: AbortSignal[] = [];
    const renew = (signal: AbortSignal): Promise<boolean> =>
      signals.push(signal) === 1 ? hang() : Promise.resolve(true);
    const work = Promise.withResolvers<string>();
    const held = hold(renew, () => work.promise);
    await clock.advance(45);
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, false, false, false]);
    work.resolve('done');
    expect(await held).to.equal('done');
  });

  it('counts the lease from its request, however late the response is', async () => {
    const requestedAt = clock.now();
    await clock.advance(25);
    const held = rejection(hold(hang, never, { requestedAt }));
    await clock.advance(5);
    expect(await held).to.be.instanceOf(LeaseLostError);
  });

  it('aborts the work of a host that was suspended for longer than the lease, even if the next renewal would succeed', async () => {
    const held = rejection(hold(async () => true, never, { requestedAt: clock.now() - 1_000 }));
    await clock.advance(0);
    expect(await held).to.be.instanceOf(LeaseLostError);
  });

  it('does not wait for a hanging renewal when the work is done', async () => {
    const work = Promise.withResolvers<string>();
    const held = hold(hang, () => work.promise);
    await clock.advance(10);
    work.resolve('done');
    expect(await held).to.equal('done');
    expect(clock.sleeping).to.equal(0);
  });

  it('aborts the work with the given error when another holder has the lease', async () => {
    const held = rejection(hold(async () => false, never));
    await clock.advance(10);
    expect(await held)
      .to.be.instanceOf(LeaseLostError)
      .and.include({ handle: 'c-1' });
  });

  it("aborts the work with the reason of the caller's signal, and leaves no listener", async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const held = rejection(hold(async () => true, never, { signal: abort.signal }));
    abort.abort(reason);
    expect(await held).to.equal(reason);
    expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
    expect(clock.sleeping).to.equal(0);
  });
});
