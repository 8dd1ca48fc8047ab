import { setImmediate } from 'node:timers/promises';

import { expect } from 'chai';

import { keepAlive } from '../../../src/exec/heartbeat.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('keepAlive', () => {
  let clock: VirtualClock;
  let stop: AbortController;
  let pings: number;
  let silences: number[];
  let bytes: number;
  let ended: Promise<void>;

  beforeEach(() => {
    clock = new VirtualClock();
    stop = new AbortController();
    pings = 0;
    silences = [];
    bytes = 0;
    ended = keepAlive({
      intervalMs: 10_000,
      deadAfterMs: 60_000,
      bytesRead: () => bytes,
      ping: () => (pings += 1),
      dead: (silentMs) => silences.push(silentMs),
      clock,
      signal: stop.signal,
    });
  });

  it('pings at each interval', async () => {
    await clock.advance(35_000);
    expect(pings).to.equal(3);
    stop.abort();
    await ended;
  });

  it('reports once that no byte arrived for the whole time, and then stops', async () => {
    await clock.advance(600_000);
    await ended;
    expect(silences).to.deep.equal([60_000]);
    expect(clock.sleeping).to.equal(0);
  });

  it('continues as long as any byte arrives', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      await clock.advance(55_000);
      bytes += 1;
      await clock.advance(5_000);
    }
    expect(silences).to.deep.equal([]);
    stop.abort();
    await ended;
  });

  it('stops at its signal and leaves no timer', async () => {
    await clock.advance(15_000);
    stop.abort();
    await ended;
    await setImmediate();
    expect(clock.sleeping).to.equal(0);
    expect(silences).to.deep.equal([]);
  });
});
