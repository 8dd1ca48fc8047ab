import { expect } from 'chai';

import { TookTooLong, within } from '../../../src/internal/within.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('within', () => {
  let clock: VirtualClock;
  beforeEach(() => {
    clock = new VirtualClock();
  });

  it('gives what the work gives or fails with, and leaves no timer', async () => {
    expect(await within(10, clock, async () => 'done')).to.equal('done');
    expect(await rejection(within(10, clock, async () => await Promise.reject(new Error('no'))))).to.include({
      message: 'no',
    });
    expect(clock.sleeping).to.equal(0);
  });

  it('gives up work that takes too long, also such as does not listen to its signal', async () => {
    let seen: AbortSignal | undefined;
    const late = rejection(within(10, clock, (signal) => new Promise(() => (seen = signal))));
    await clock.advance(9);
    expect(seen?.aborted).to.equal(false);
    await clock.advance(1);
    expect(await late).to.be.instanceOf(TookTooLong);
    expect(seen?.reason).to.be.instanceOf(TookTooLong);
  });

  it("stops by the caller's signal, with its reason", async () => {
    const abort = new AbortController();
    const stopped = rejection(within(10, clock, () => new Promise(() => {}), abort.signal));
    abort.abort(new Error('enough'));
    expect(await stopped).to.include({ message: 'enough' });
    expect(clock.sleeping).to.equal(0);
  });
});
