import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { systemClock } from '../../../src/internal/system-clock.ts';
import { rejection } from '../../support/rejection.ts';

describe('the system clock', () => {
  it('returns the time in milliseconds', () => {
    expect(systemClock().now()).to.be.closeTo(Date.now(), 1_000);
  });

  it('rejects a sleep with the reason of the signal, and leaves no listener', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const sleeping = rejection(systemClock().sleep(60_000, { signal: stop.signal }));
    stop.abort(reason);
    expect(await sleeping).to.equal(reason);
    expect(await rejection(systemClock().sleep(60_000, { signal: stop.signal }))).to.equal(reason);
    expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
  });

  it('resolves after the delay', async () => {
    await systemClock().sleep(1);
  });
});
