import { expect } from 'chai';
import sinon from 'sinon';

import { sleep } from '../../../src/internal/system-clock.ts';
import { Timer } from '../../../src/internal/timer.ts';
import { CallSignal } from '../../../src/kubernetes/call-signal.ts';
import { rejection } from '../../support/rejection.ts';

const dayMs = 24 * 60 * 60 * 1000;

describe('Timer', () => {
  let time: sinon.SinonFakeTimers;

  beforeEach(() => {
    time = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  });

  afterEach(() => {
    expect(time.countTimers()).to.equal(0);
    time.restore();
  });

  for (const days of [1, 24, 25, 60, 365]) {
    it(`calls back after ${String(days)} days, and not before`, () => {
      let calls = 0;
      new Timer(days * dayMs, () => {
        calls += 1;
      });
      time.tick(days * dayMs - 1);
      expect(calls).to.equal(0);
      time.tick(1);
      expect(calls).to.equal(1);
    });
  }

  it('restarts and ends at any time', () => {
    for (const days of [1, 60]) {
      let calls = 0;
      const timer = new Timer(days * dayMs, () => {
        calls += 1;
      });
      time.tick((days - 0.5) * dayMs);
      timer.restart();
      time.tick((days - 0.5) * dayMs);
      expect(calls).to.equal(0);
      time.tick(dayMs);
      expect(calls).to.equal(1);
      timer.restart();
      timer.clear();
      timer.clear();
      timer.restart();
      time.tick(2 * days * dayMs);
      expect(calls).to.equal(1);
    }
  });

  it('lets the clock sleep for months, and wake early', async () => {
    let isAwake = false;
    void sleep(100 * dayMs).then(() => {
      isAwake = true;
    });
    await time.tickAsync(99 * dayMs);
    expect(isAwake).to.equal(false);
    await time.tickAsync(dayMs);
    expect(isAwake).to.equal(true);
    const stop = new AbortController();
    const reason = new Error('enough');
    const sleeping = rejection(sleep(100 * dayMs, { signal: stop.signal }));
    await time.tickAsync(50 * dayMs);
    stop.abort(reason);
    expect(await sleeping).to.equal(reason);
  });

  it('allows a call to take months', () => {
    using call = new CallSignal(undefined, 100 * dayMs);
    time.tick(60 * dayMs);
    call.touch();
    time.tick(99 * dayMs);
    expect(call.signal.aborted).to.equal(false);
    time.tick(dayMs);
    expect(call.signal.aborted).to.equal(true);
  });
});

describe('the sources of the library', () => {
  it('use no other timer with a delay that an option or a caller chooses', async () => {
    const { readdir, readFile } = await import('node:fs/promises');
    const folder = new URL('../../../src/', import.meta.url);
    const found: string[] = [];
    for (const path of await readdir(folder, { recursive: true })) {
      // The configuration of the service allows no delay that is longer than that of a timer of Node.
      if (!path.endsWith('.ts') || path === 'internal/timer.ts' || path.startsWith('service/')) continue;
      const text = await readFile(new URL(path, folder), 'utf8');
      if (/\bsetTimeout\((?!0\))(?!.*_(?:MS|TIMEOUT_MS)\))|timers\/promises|AbortSignal\.timeout/.test(text))
        found.push(path);
    }
    expect(found).to.deep.equal([]);
  });
});
