import { expect } from 'chai';

import { RequestRate } from '../../../src/kubernetes/api/request-rate.ts';
import { rejection } from '../../support/rejection.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('RequestRate', () => {
  let clock: VirtualClock;
  let rate: RequestRate;
  let begun: number[];

  beforeEach(() => {
    clock = new VirtualClock();
    rate = new RequestRate({ clock, perSecond: 10, burst: 3 });
    begun = [];
  });

  const begin = (count: number): void => {
    for (let request = 0; request < count; request += 1) void rate.take({}).then(() => begun.push(clock.now()));
  };
  const beginAfter = async (ms: number): Promise<number> => {
    await clock.advance(ms);
    await settle();
    return begun.length;
  };

  it('lets a burst begin at once, and further requests at the rate', async () => {
    begin(6);
    expect(await beginAfter(0)).to.equal(3);
    expect(await beginAfter(99)).to.equal(3);
    expect(await beginAfter(1)).to.equal(4);
    expect(await beginAfter(100)).to.equal(5);
    expect(await beginAfter(100)).to.equal(6);
  });

  it('restores the burst in a pause, and no more than the burst', async () => {
    begin(3);
    await beginAfter(60_000);
    begin(5);
    expect(await beginAfter(0)).to.equal(6);
  });

  it('does not wait longer after the clock was set back', async () => {
    begin(3);
    await beginAfter(0);
    clock.jump(-3_600_000);
    begin(1);
    expect(await beginAfter(100)).to.equal(4);
  });

  it('rejects with the reason of the signal, without a timer that is left', async () => {
    begin(3);
    const abort = new AbortController();
    const reason = new Error('enough');
    const waiting = rejection(rate.take({ signal: abort.signal }));
    abort.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(clock.sleeping).to.equal(0);
  });
});
