import { expect } from 'chai';

import { TookTooLong, within } from '../../../src/internal/within.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('within', () => {
  let clock: VirtualClock;
  beforeEach(() => {
    clock = new VirtualClock();
  });

  it('settles like the work, and leaves no timer', async () => {
    expect(await within(10, clock, async () => 'done')).to.equal('done');
    expect(await rejection(within(10, clock, async () => await Promise.reject(new Error('no'))))).to.include({
      message: 'no',
    });
    expect(clock.sleeping).to.equal(0);
  });

  it('rejects when the work takes too long, even if the work ignores its signal', async () => {
    let seen: AbortSignal | undefined;
    const late = rejection(within(10, clock, (signal) => new Promise(() => (seen = signal))));
    await clock.advance(9);
    expect(seen?.aborted).to.equal(false);
    await clock.advance(1);
    expect(await late).to.be.instanceOf(TookTooLong);
    expect(seen?.reason).to.be.instanceOf(TookTooLong);
  });

  it("rejects with the reason of the caller's signal", async () => {
    const abort = new AbortController();
    const stopped = rejection(within(10, clock, () => new Promise(() => {}), abort.signal));
    abort.abort(new Error('enough'));
    expect(await stopped).to.include({ message: 'enough' });
    expect(clock.sleeping).to.equal(0);
  });
});
